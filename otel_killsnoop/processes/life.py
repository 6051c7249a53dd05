"""What fork and exec records, and the parties of signals, do to the nodes of a registry."""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.model import Exec, Fork
from otel_killsnoop.processes.node import ALIVE, TICK, Entry, Image, Node
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.seeding import Party, Seeding


class Life:
    """Applies single records. look_up, place: as the table has them."""

    def __init__(
        self,
        registry: Registry,
        seeding: Seeding,
        look_up: Callable[[int], Entry | None],
        place: Callable[[int, int], Place | None],
    ) -> None:
        self._registry = registry
        self._seeding = seeding
        self._look_up = look_up
        self._place = place

    def fork(self, event: Fork) -> None:
        """A process is born; it shows its parent's image until it runs one of its own."""
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

    def run(self, event: Exec) -> None:
        """A process runs a new program."""
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
        self.refresh(node, event.pid, party)

    def refresh(self, node: Node, tid: int, party: Party) -> None:
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
