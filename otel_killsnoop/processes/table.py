"""The process table: the kernel's events in, signals joined with who is who out.

Events are applied in ring order, which is true but for edges: the fork record of a signal's
target may come up to about 0.1 ms after the signal, and a signal may follow the exit record.
So an unknown identity is first sought in the fork records that follow in the batch; then the
caller is asked to wait for a little more of the ring; then /proc is asked; and only then is
the process a ``partial`` one, known by what the event itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from otel_killsnoop.model import (
    Attempt,
    Cgroup,
    Death,
    Event,
    Exec,
    Exit,
    Facts,
    Folded,
    Fork,
    Joined,
    Side,
    Signal,
    TableCounts,
)
from otel_killsnoop.processes.ahead import Ahead
from otel_killsnoop.processes.attempts import Attempts
from otel_killsnoop.processes.deaths import Deaths
from otel_killsnoop.processes.life import Life
from otel_killsnoop.processes.node import NEVER_RAN, Entry, Node
from otel_killsnoop.processes.parents import Ask, Parents
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.redact import Redact
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.repeats import Repeats
from otel_killsnoop.processes.seeding import Seeding
from otel_killsnoop.processes.sides import Sides
from otel_killsnoop.processes.titles import Titles

_NO_KIND = Facts(0, "", "", "", None, "", "", False)

_tuple = tuple.__new__  # a Joined at half the price of its constructor


class Applied(NamedTuple):
    """joined: one for each signal and attempt that was applied, in order.

    deaths: one for each process that ended by a signal, in order.  rest: the events from the first
    signal or attempt on that must wait; not one of them has been applied. Hand them in again,
    followed by what the ring has brought since.
    """

    joined: list[Joined]
    rest: Sequence[Event]
    deaths: list[Death]


class Table:
    """Who is who, fed by events. Not for use by several threads.

    look_up: pid -> what /proc says of it now, or None.  user: uid -> name or None.
    place: (cgroup id, pid of a process in it) -> Place or None.
    place_of_path: cgroup path -> Place.  redact: arguments -> (arguments to show, how many
    values in them are masked).  owner: a thread's number -> (its process, its start in ticks) by
    /proc, or None.  parent: see `parents`.  titles: None where none are to be read.
    learn: told of each new cgroup, see `Cgroups.learn`.  lingers: whether /proc still shows a
    process of that pid.  max_entries, max_bytes: what is held at most, by estimate.
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
        owner: Callable[[int], tuple[int, int] | None] = lambda tid: None,
        parent: Ask = lambda pid, ticks: None,
        titles: Titles | None = None,
        learn: Callable[[int, int, bytes], None] = lambda identity, hierarchy, path: None,
        lingers: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        self._max_entries = max_entries
        self._learn = learn
        self._max_bytes = max_bytes
        self._registry = Registry(max_entries, max_bytes, lingers)
        parents = Parents(self._registry, parent)
        self._sides = Sides(self._registry, user, place, redact, parents, titles)
        self._seeding = Seeding(self._registry, look_up, place_of_path)
        self._life = Life(self._registry, self._seeding, look_up, place)
        sides_of = self._sides.of
        self._deaths = Deaths(self._registry, self._seeding, look_up, sides_of)
        self._repeats = Repeats(self._registry, self._seeding, sides_of)
        self._attempts = Attempts(self._registry, self._seeding, self._life, owner, sides_of)
        self._now = 0

    def seed(
        self,
        entries: Iterable[Entry],
        began: int = 0,
        pids: Collection[int] = (),
        later: Collection[tuple[int, int]] = (),
    ) -> None:
        """Learn what a listing of /proc says and no event has said already.

        began: boot ns when the listing was begun.  pids: all that were in it, also those that
        could not be read. A process that is older than ``began`` and whose pid is not among
        ``pids`` is taken for dead (its exit record was lost), unless there are none at all.
        later: (pid, start) of those whose programs /proc shows, but whose exec records are still
        to come, with others before them: till then it is not known what they ran.
        """
        self._seeding.seed(entries, began, pids, later)
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
        deaths: list[Death] = []
        self._sides.begin()
        wound, kind, may_kill = self._deaths.wound, _NO_KIND, False
        latest = self._registry.latest
        registry = self._registry
        sides_of = self._sides.of
        ahead = Ahead(events, registry, self._life)
        for position, event in enumerate(events):
            if type(event) is Signal:
                (
                    sequence, facts, time, s_start, s_pid, _, s_uid, s_gid, s_vpid, _, s_cgroup,
                    s_comm, t_start, t_pid, _, t_uid, t_gid, t_vpid, t_flags, t_cgroup, t_comm,
                    _,
                ) = event  # fmt: skip
                target = latest.get(t_pid)
                if target is None or target.start != t_start:
                    target = registry.find(t_pid, t_start) or ahead.find(position, t_pid, t_start)
                    if target is None:
                        if position >= waited:
                            return self._applied(joined, deaths, events, position)
                        target = self._seeding.stranger(t_pid, t_start, event[15:21])
                if (
                    target.uid != t_uid
                    or target.cgroup != t_cgroup
                    or target.gid != t_gid
                    or target.vpid != t_vpid
                    or target.comm != t_comm
                    or target.flags & ~t_flags & NEVER_RAN
                ):
                    party = event[15:21]
                    if self._is_in_exec(target, event, position, ahead):
                        if position >= waited:
                            return self._applied(joined, deaths, events, position)
                        # It was killed before it ran the new program: so it is still the old one.
                        party = (*party[:3], target.flags, party[4], target.comm)
                    self._life.refresh(target, party)
                source_side: Side | None = None
                if facts.has_source:
                    source = latest.get(s_pid)
                    if source is None or source.start != s_start:
                        source = registry.find(s_pid, s_start) or ahead.find(
                            position, s_pid, s_start
                        )
                        if source is None:
                            if position >= waited:
                                return self._applied(joined, deaths, events, position)
                            source = self._seeding.stranger(s_pid, s_start, event[6:12])
                    if (
                        source.uid != s_uid
                        or source.cgroup != s_cgroup
                        or source.gid != s_gid
                        or source.vpid != s_vpid
                        or source.comm != s_comm
                    ):
                        self._life.refresh(source, event[6:12])
                    source_side = source.side
                    if source_side is None or source.stamp != registry.epoch:
                        source_side = sides_of(source)
                target_side = target.side
                if target_side is None or target.stamp != registry.epoch:
                    target_side = sides_of(target)
                joined.append(_tuple(Joined, (event, source_side, target_side)))
                if facts is not kind:
                    kind, may_kill = facts, self._deaths.is_lethal(facts)
                if may_kill:
                    wound(target, facts, sequence, time)
            elif type(event) is Exit:
                if event.status & 0x7F:
                    death = self._deaths.at_end(event, position, ahead)
                    if death is not None:
                        deaths.append(death)
                else:
                    node = registry.find(event.pid, event.start)
                    if node is not None:
                        registry.die(node, event.time)
            elif type(event) is Attempt:
                attempted = self._attempts.join(event, position, ahead, position >= waited)
                if attempted is None:
                    return self._applied(joined, deaths, events, position)
                joined.append(attempted)
            elif type(event) is Folded:
                joined.append(self._repeats.join(event, position, ahead))
            elif type(event) is Cgroup:
                self._learn(event.identity, event.hierarchy, event.path)
            elif not ahead.is_done(event.sequence):
                if type(event) is Fork:
                    self._life.fork(event)
                elif type(event) is Exec:
                    self._life.run(event)
                if registry.entries > self._max_entries or registry.bytes > self._max_bytes:
                    registry.sweep(event.time)
        return self._applied(joined, deaths, events, len(events))

    @staticmethod
    def _is_in_exec(target: Node, event: Signal, position: int, ahead: Ahead) -> bool:
        """Whether the signal came while its target became another program, and this is not told.

        The kernel lets a parent in vfork go on, and changes the name and PF_FORKNOEXEC, before
        its record of the exec: else the new name would stand beside the old arguments.
        """
        began = bool(target.flags & ~event.target_flags & NEVER_RAN)
        if not began and target.comm == event.target_comm:
            return False
        return not ahead.run(position, target, event.target_comm) and began

    def _applied(
        self, joined: list[Joined], deaths: list[Death], events: Sequence[Event], end: int
    ) -> Applied:
        if end:
            self._now = max(self._now, events[end - 1].time)
            self._registry.sweep(self._now)
        return Applied(joined, events[end:], deaths)
