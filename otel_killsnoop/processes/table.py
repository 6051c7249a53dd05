"""The process table: the kernel's events in, signals joined with who is who out.

Events are applied in ring order, which is true but for edges: the fork record of a signal's
target may come up to about 0.1 ms after the signal, and a signal may follow the exit record.
So an unknown identity is first sought in the fork records that follow in the batch; then the
caller is asked to wait for a little more of the ring; then /proc is asked; and only then is
the process a ``partial`` one, known by what the event itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from otel_killsnoop.model import Event, Exec, Exit, Fork, Joined, Side, Signal, TableCounts
from otel_killsnoop.processes.ahead import Ahead
from otel_killsnoop.processes.node import ALIVE, TICK, Entry, Image, Node
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.seeding import Seeding
from otel_killsnoop.processes.sides import Redact, Sides

_tuple = tuple.__new__  # a Joined at half the price of its constructor


class Applied(NamedTuple):
    """joined: one for each signal that was applied, in order.

    rest: the events from the first signal on that must wait; not one of them has been applied.
    Hand them in again, followed by what the ring has brought since.
    """

    joined: list[Joined]
    rest: Sequence[Event]


class Table:
    """Who is who, fed by events. Not for use by several threads.

    look_up: pid -> what /proc says of it now, or None.  user: uid -> name or None.
    place: (cgroup id, pid of a process in it) -> Place or None.
    place_of_path: cgroup path -> Place.  redact: arguments -> (arguments to show, how many
    values in them are masked).  max_entries, max_bytes: what is held at most, by estimate.
    """

    def __init__(
        self,
        look_up: Callable[[int], Entry | None],
        user: Callable[[int], str | None],
        place: Callable[[int, int], Place | None],
        place_of_path: Callable[[str], Place],
        redact: Redact,
        max_entries: int = 65536,
        max_bytes: int = 32 << 20,
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._registry = Registry(max_entries, max_bytes)
        self._sides = Sides(self._registry, user, place, redact)
        self._seeding = Seeding(self._registry, look_up, place_of_path)
        self._place = place
        self._look_up = look_up
        self._now = 0

    def seed(self, entries: Iterable[Entry], began: int | None = None) -> None:
        """Learn what a listing of /proc says and no event has said already.

        began: boot ns when the listing was begun. Given, a process that is older than that and
        not in the listing is taken for dead: its exit record was lost.
        """
        self._seeding.seed(entries, began)
        self._registry.sweep(self._now)

    def counts(self) -> TableCounts:
        """How much is held, and what was forgotten, unknown or masked so far."""
        registry = self._registry
        return TableCounts(
            entries=registry.entries,
            bytes=registry.bytes,
            evicted=registry.evicted,
            partial=self._seeding.partial,
            masked=self._sides.masked,
        )

    def apply(self, events: Sequence[Event], waited: int = 0) -> Applied:
        """Apply a batch in ring order and join its signals.

        waited: how many of the first events have waited already; their signals are joined now,
        with what /proc or the event itself says where the table knows no better.
        """
        joined: list[Joined] = []
        latest = self._registry.latest
        registry = self._registry
        sides_of = self._sides.of
        ahead = Ahead(events, registry, self._fork, self._exec)
        for position, event in enumerate(events):
            if type(event) is Signal:
                (
                    _, facts, _, s_start, s_pid, s_tid, s_uid, s_gid, s_vpid, _, s_cgroup,
                    s_comm, t_start, t_pid, t_tid, t_uid, t_gid, t_vpid, _, t_cgroup, t_comm,
                ) = event  # fmt: skip
                target = latest.get(t_pid)
                if target is None or target.start != t_start:
                    target = registry.find(t_pid, t_start) or ahead.find(position, t_pid, t_start)
                    if target is None:
                        if position >= waited:
                            return self._applied(joined, events, position)
                        target = self._seeding.stranger(t_pid, t_start, event[15:21])
                if (
                    target.uid != t_uid
                    or target.cgroup != t_cgroup
                    or target.gid != t_gid
                    or target.vpid != t_vpid
                    or (target.comm != t_comm and t_tid == t_pid)
                ):
                    self._refresh(target, t_tid, event[15:21])
                source_side: Side | None = None
                if facts.has_source:
                    source = latest.get(s_pid)
                    if source is None or source.start != s_start:
                        source = registry.find(s_pid, s_start) or ahead.find(
                            position, s_pid, s_start
                        )
                        if source is None:
                            if position >= waited:
                                return self._applied(joined, events, position)
                            source = self._seeding.stranger(s_pid, s_start, event[6:12])
                    if (
                        source.uid != s_uid
                        or source.cgroup != s_cgroup
                        or source.gid != s_gid
                        or source.vpid != s_vpid
                        or (source.comm != s_comm and s_tid == s_pid)
                    ):
                        self._refresh(source, s_tid, event[6:12])
                    source_side = source.side
                    if source_side is None or source.stamp != registry.epoch:
                        source_side = sides_of(source)
                target_side = target.side
                if target_side is None or target.stamp != registry.epoch:
                    target_side = sides_of(target)
                joined.append(_tuple(Joined, (event, source_side, target_side)))
            elif type(event) is Exit:
                node = registry.find(event.pid, event.start)
                if node is not None:
                    registry.die(node, event.time)
            elif not ahead.is_done(event.sequence):
                if type(event) is Fork:
                    self._fork(event)
                elif type(event) is Exec:
                    self._exec(event)
                if registry.entries > self._max_entries or registry.bytes > self._max_bytes:
                    registry.sweep(event.time)
        return self._applied(joined, events, len(events))

    def _applied(self, joined: list[Joined], events: Sequence[Event], end: int) -> Applied:
        if end:
            self._now = max(self._now, events[end - 1].time)
            self._registry.sweep(self._now)
        return Applied(joined, events[end:])

    def _fork(self, event: Fork) -> None:
        registry = self._registry
        parent = registry.latest.get(event.parent_pid)
        if parent is None or parent.start != event.parent_start:
            parent = registry.find(event.parent_pid, event.parent_start)
            if parent is None:
                # The forking thread's name is its child's; its process's only if it leads.
                comm = event.comm if event.parent_tid == event.parent_pid else b""
                party = (event.uid, event.gid, 0, event.flags, event.cgroup, comm)
                parent = self._seeding.stranger(event.parent_pid, event.parent_start, party)
        if parent.died != ALIVE:
            registry.revive(parent)
        node = registry.find(event.pid, event.start)
        if node is None:
            node = Node(
                event.pid,
                event.start,
                True,
                event.real_parent_pid,
                parent.image,
                event.comm,
                "fork",
            )
            node.uid = event.uid
            node.gid = event.gid
            node.vpid = event.vpid
            node.flags = event.flags
            node.cgroup = event.cgroup
            if event.cgroup == parent.cgroup:
                node.place = parent.place
            elif event.cgroup:
                node.place = self._place(event.cgroup, event.pid)
            registry.add(node, parent)
            return
        if node.known_from == "partial":
            node.known_from = "fork"
            node.parent_pid = event.real_parent_pid
            registry.run(node, parent.image)
        elif node.known_from != "procfs":
            return  # seen already
        registry.adopt(node, parent)

    def _exec(self, event: Exec) -> None:
        registry = self._registry
        node = registry.find(event.pid, event.start)
        party = (event.uid, event.gid, event.vpid, event.flags, event.cgroup, event.comm)
        if node is None:
            node = self._seeding.stranger(event.pid, event.start, party)
        registry.revive(node)  # the exit record was a thread's
        args, args_count, args_cut = event.args, event.argc, event.args_cut
        if args_count and not args:  # the pages were not in memory; now they may be
            entry = self._look_up(event.pid)
            if entry and entry.ticks == event.start // TICK and entry.comm == event.comm:
                args, args_cut = entry.args, entry.args_cut
        node.known_from = "exec"
        registry.run(node, Image(event.filename, args, args_count, args_cut))
        self._refresh(node, event.pid, party)

    def _refresh(self, node: Node, tid: int, party: tuple[int, int, int, int, int, bytes]) -> None:
        """Take over what an event says of one of the process's threads; 0 says nothing."""
        uid, gid, vpid, flags, cgroup, comm = party
        comm = comm if tid == node.pid else node.comm
        vpid = vpid or node.vpid
        cgroup = cgroup or node.cgroup
        before = (node.uid, node.gid, node.vpid, node.comm, node.place)
        if cgroup != node.cgroup:
            # Now, for the directory may be gone when a signal names the process.
            place = self._place(cgroup, node.pid)
            if place is not None or node.cgroup:  # else keep what /proc said
                node.place = place
            node.cgroup = cgroup
        node.flags = flags
        node.uid, node.gid, node.vpid, node.comm = uid, gid, vpid, comm
        if before != (uid, gid, vpid, comm, node.place):
            self._registry.changed(node)
