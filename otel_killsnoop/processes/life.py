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
        (
            _, _, start, pid, _, uid, gid, vpid, flags, cgroup, comm, parent_start, parent_pid,
            parent_tid, _, real_parent_pid, login_uid, audit_session, levels,
        ) = event  # fmt: skip
        registry = self._registry
        parent = registry.latest.get(parent_pid)
        if parent is None or parent.start != parent_start:
            parent = registry.find(parent_pid, parent_start)
            if parent is None:
                # The forking thread's name is its child's; its process's only if it leads.
                name = comm if parent_tid == parent_pid else b""
                party = (uid, gid, 0, flags, cgroup, name)
                parent = self._seeding.stranger(parent_pid, parent_start, party)
        if parent_tid == parent_pid and (parent.comm, parent.uid, parent.gid) != (comm, uid, gid):
            # What a child has when it is born is what its parent has by now.
            self.refresh(parent, (uid, gid, 0, parent.flags, 0, comm))
        if parent.died != ALIVE:
            registry.revive(parent)
        if login_uid is not None and login_uid != parent.login_uid and parent_tid == parent_pid:
            # A login is inherited, so this is what the parent has by now: sshd and cron take
            # one on without an exec that would tell.
            self._log_in(parent, login_uid, audit_session)
        node = registry.find(pid, start)
        if node is None:
            node = Node(pid, start, True, real_parent_pid, parent.image, comm, "fork")
            node.uid = uid
            node.gid = gid
            node.vpid = vpid
            node.flags = flags
            node.cgroup = cgroup
            node.login_uid = login_uid
            node.audit_session = audit_session
            node.levels = levels
            if cgroup == parent.cgroup:
                node.place = parent.place
            elif cgroup:
                node.place = self._place(cgroup, pid)
            registry.add(node, parent)
            return
        if node.known_from == "partial":
            node.known_from = "fork"
            node.parent_pid = real_parent_pid
            self._log_in(node, login_uid, audit_session)
            registry.run(node, parent.image)
        elif node.known_from != "procfs":
            return  # seen already
        if levels and not node.levels:
            registry.number(node, levels)
        registry.adopt(node, parent)

    def run(self, event: Exec) -> None:
        """A process runs a new program."""
        (
            _, _, start, pid, _, _, _, _, _, _, comm, args_count, args_cut, path, args, login_uid,
            audit_session, _, _,
        ) = event  # fmt: skip
        registry = self._registry
        node = registry.find(pid, start)
        party = event[5:11]
        if node is None:
            node = self._seeding.stranger(pid, start, party)
        registry.revive(node)  # the exit record was a thread's
        if args_count and not args:  # the pages were not in memory; now they may be
            entry = self._look_up(pid)
            if entry and entry.ticks == start // TICK and entry.comm == comm:
                args, args_cut = entry.args, entry.args_cut
        node.known_from = "exec"
        registry.run(node, Image(path, args, args_count, args_cut))
        if node.login_uid != login_uid or node.audit_session != audit_session:
            self._log_in(node, login_uid, audit_session)
        self.refresh(node, party)

    def refresh(self, node: Node, party: Party) -> None:
        """Take over what an event says of the process and one of its threads; 0 says nothing."""
        uid, gid, vpid, flags, cgroup, comm = party
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

    def _log_in(self, node: Node, login_uid: int | None, audit_session: int | None) -> None:
        """Take over a login, or that there is none."""
        node.login_uid = login_uid
        node.audit_session = audit_session
        self._registry.changed(node)
