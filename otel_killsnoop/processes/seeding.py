"""What /proc and a lone event can tell the table: listings, single look-ups, strangers.

Events know better than /proc, always: an entry only adds what no event has said. /proc names a
start to the tick, so an entry stands for an identity only if the tick is that of its start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from otel_killsnoop.processes.lineage import DEEPEST
from otel_killsnoop.processes.node import ALIVE, TICK, Entry, Image, Node
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.registry import Registry

Party = tuple[int, int, int, int, int, bytes]  # uid, gid, vpid, flags, cgroup id, comm

_UNKNOWN = Image(b"", (), 0, False)


class Seeding:
    """Puts nodes into a registry that no fork record announced.

    parent: of an identity, by what a record of the batch at hand says of it; (pid, start) or None.
    """

    def __init__(
        self,
        registry: Registry,
        look_up: Callable[[int], Entry | None],
        place_of_path: Callable[[str], Place],
    ) -> None:
        self.partial = 0
        self.parent: Callable[[int, int], tuple[int, int] | None] = lambda pid, start: None
        self._later: frozenset[tuple[int, int]] = frozenset()
        self._registry = registry
        self._look_up = look_up
        self._place_of_path = place_of_path

    def seed(
        self,
        entries: Iterable[Entry],
        began: int,
        pids: Collection[int],
        later: Collection[tuple[int, int]] = (),
    ) -> None:
        """See ``Table.seed``."""
        self._later = frozenset((pid, start // TICK) for pid, start in later)
        listed = sorted(entries, key=lambda entry: (entry.ticks, entry.pid))
        fresh = [node for entry in listed if (node := self._enter(entry)) is not None]
        for node in fresh:
            self._link(node)
        if pids:
            for node in list(self._registry.latest.values()):
                if node.pid not in pids and node.died == ALIVE and node.start < began - TICK:
                    self._registry.die(node, began)

    def stranger(self, pid: int, start: int, party: Party) -> Node:
        """A node for an identity that no record announced: from /proc, else from the event."""
        node = self.found(pid, start)
        if node is not None:
            node.start, node.exact = start, True
            return node
        self.partial += 1
        uid, gid, vpid, flags, cgroup, comm = party
        node = Node(pid, start, True, 0, _UNKNOWN, comm, "partial")
        node.uid, node.gid, node.vpid, node.flags, node.cgroup = uid, gid, vpid, flags, cgroup
        self._registry.add(node, None)
        if (known := self.parent(pid, start)) is not None:
            self._descend(node, *known)
        return node

    def _descend(self, node: Node, pid: int, start: int) -> None:
        """Tie a stranger to its parent; of one that is gone too, its number is all that is told."""
        node.parent_pid = pid
        parent = self._registry.find(pid, start) or self.found(pid, start)
        if parent is not None and parent.start <= node.start:
            self._registry.adopt(node, parent)

    def found(self, pid: int, start: int) -> Node | None:
        """A new node from /proc for a process that is not in the table; None if not there."""
        entry = self._look_up(pid) if pid else None
        if entry is None or entry.ticks != start // TICK:
            return None
        node = self._enter(entry)
        if node is not None:
            self._link_by_look_up(node)
        return node

    def _enter(self, entry: Entry) -> Node | None:
        """A new node for this entry; None if the table knows this process or a later one."""
        known = self._registry.latest.get(entry.pid)
        if known is not None:
            tick = known.start // TICK
            later = (entry.pid, entry.ticks) in self._later
            if tick == entry.ticks and known.known_from == "partial" and not later:
                self._complete(known, entry)
            if tick >= entry.ticks:
                return None
        image, comm, known_from = _UNKNOWN, b"", "partial"
        if (entry.pid, entry.ticks) not in self._later:
            image = Image(entry.path, entry.args, entry.args_count, entry.args_cut)
            comm, known_from = entry.comm, "procfs"
        node = Node(entry.pid, entry.ticks * TICK, False, entry.ppid, image, comm, known_from)
        self._fill(node, entry)
        node.levels = entry.levels
        self._registry.add(node, None)
        return node

    def _complete(self, node: Node, entry: Entry) -> None:
        node.known_from = "procfs"
        node.parent_pid = entry.ppid
        node.comm = entry.comm
        self._registry.run(node, Image(entry.path, entry.args, entry.args_count, entry.args_cut))
        self._fill(node, entry)
        if entry.levels and not node.levels:
            self._registry.number(node, entry.levels)
        self._link(node)

    def _fill(self, node: Node, entry: Entry) -> None:
        node.uid, node.gid, node.vpid, node.flags = entry.uid, entry.gid, entry.vpid, entry.flags
        node.login_uid, node.audit_session = entry.login_uid, entry.audit_session
        if entry.cgroup is not None:
            node.place = self._place_of_path(entry.cgroup)

    def _link(self, node: Node) -> bool:
        """Tie a node from /proc to its parent there, which cannot be younger."""
        parent = self._registry.latest.get(node.parent_pid) if node.parent_pid else None
        if parent is None or parent.start // TICK > node.start // TICK:
            return False
        self._registry.adopt(node, parent)
        return True

    def _link_by_look_up(self, node: Node) -> None:
        """The same, asking /proc for parents that the table does not know."""
        for _ in range(DEEPEST):
            if not node.parent_pid or self._link(node):
                return
            entry = self._look_up(node.parent_pid)
            parent = self._enter(entry) if entry is not None else None
            if parent is None or not self._link(node):
                return
            node = parent
