"""Which processes are held, their lineage, and what is let go when there are too many.

A living process is held. A dead one is held while a held process descends from it within
the depth that any tree shows, and besides that for a grace (``graves``). Beyond ``max_entries``
or ``max_bytes`` the longest dead are evicted, then the oldest living, those without children
first: they harm only their own tree and can be found in /proc again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from otel_killsnoop.processes import lineage
from otel_killsnoop.processes.graves import Graves
from otel_killsnoop.processes.lineage import DEEPEST
from otel_killsnoop.processes.node import (
    ALIVE,
    LEVEL_BYTES,
    NODE_BYTES,
    Image,
    Levels,
    Node,
)


class Registry:
    """Nodes by identity, their lineage, and the bounds. Not for use by several threads.

    lingers: whether /proc still shows a process of that pid.
    epoch goes up whenever a node that a built Side shows has changed: see ``sides``.
    """

    def __init__(
        self,
        max_entries: int,
        max_bytes: int,
        lingers: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        self.epoch = 0
        self.evicted = 0
        self.entries = 0
        self.bytes = 0
        self.latest: dict[int, Node] = {}  # by pid: the newest process of that number
        self.nested: dict[tuple[int, int], Node] = {}  # the newest by (namespace, number there)
        self._older: dict[tuple[int, int], Node] = {}  # earlier ones of a reused number
        self._graves = Graves(lambda node: self.latest.get(node.pid) is node and lingers(node.pid))
        self._late: list[tuple[int, Node]] = []  # alive, with the birth of the next of its number
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    @property
    def is_full(self) -> bool:
        """Whether more is held than may be."""
        return self.entries > self._max_entries or self.bytes > self._max_bytes

    def find(self, pid: int, start: int) -> Node | None:
        """The node of that identity. One known from /proc takes the exact start from it."""
        node = self.latest.get(pid)
        if node is not None and node.is_start(start):
            if not node.exact:
                node.exact = True
                if node.start != start:
                    node.start = start
                    self.changed(node)
            return node
        return self._older.get((pid, start))

    def add(self, node: Node, parent: Node | None) -> None:
        """Hold a new node; an older process of its number is dead, whatever was heard of it."""
        former = self.latest.pop(node.pid, None)  # popped, so that the dict stays in order of age
        if former is not None and former.start > node.start:
            # Of a process that is gone by now there are still records to come, and /proc has shown
            # already whose number it is today. It dies by its own record, or at that one's birth.
            self._older[node.pid, node.start] = node
            self._late.append((former.start, node))
            self.latest[node.pid] = former
        else:
            if former is not None:
                self._older[former.pid, former.start] = former
                self.die(former, node.start)
            self.latest[node.pid] = node
        image = node.image
        if image.holders == 0:
            self.bytes += image.size
        image.holders += 1
        self.entries += 1
        self.bytes += NODE_BYTES
        if node.levels:
            levels, node.levels = node.levels, ()
            self.number(node, levels)
        if parent is not None:
            self.adopt(node, parent)

    def number(self, node: Node, levels: Levels) -> None:
        """Say which numbers a node that has none yet has in nested PID namespaces."""
        node.levels = levels
        self.bytes += LEVEL_BYTES * len(levels)
        for level in levels:
            known = self.nested.get(level)
            if known is None or known.start <= node.start:
                self.nested[level] = node

    def adopt(self, node: Node, parent: Node) -> None:
        """Say who forked a node. A link that would close a circle is not made."""
        if node.parent is parent or node is parent:
            return
        if node.children and lineage.descends(parent, node):
            return  # only a node that has children already can be above its parent
        former, node.parent = node.parent, parent
        parent.children += 1
        node.generation = parent.generation + 1
        if former is not None:
            self._release(former)
        self.changed(node)

    def changed(self, node: Node) -> None:
        """What was built of this node no longer holds."""
        node.process = None
        if node.side is not None:
            self.epoch += 1

    def run(self, node: Node, image: Image) -> None:
        """Give a node another image."""
        node.title, node.title_due = None, 0
        former = node.image
        if image.holders == 0:
            self.bytes += image.size
        image.holders += 1
        node.image = image
        self._leave(former)
        self.changed(node)

    def resize(self, image: Image, size: int) -> None:
        """An image takes another number of bytes now."""
        if image.holders:
            self.bytes += size - image.size
        image.size = size

    def die(self, node: Node, time: int) -> None:
        """A node's process is gone. Saying so twice is one death."""
        if node.died == ALIVE:
            self._graves.lay(node, time)
            self._show(node)

    def revive(self, node: Node) -> None:
        """A node thought dead has acted: it lives."""
        if node.died != ALIVE:
            self._graves.rise(node)
            self._show(node)

    def _show(self, node: Node) -> None:
        """Let a death, or life after all, be seen: others' trees show it only with children."""
        if node.children:
            self.changed(node)
        else:
            node.process, node.stamp = None, -1

    def sweep(self, now: int) -> None:
        """Let go of whom no record can name any more, and keep the bounds."""
        if self._late:
            for born, node in self._late:
                if born <= now:
                    self.die(node, born)
            self._late = [(born, node) for born, node in self._late if born > now]
        for node in self._graves.due(now):
            self._bury(node)
        if self.is_full:
            self._evict()

    def _bury(self, node: Node) -> None:
        node.buried = True
        if node.children == 0:
            self._drop(node)
        elif node.generation >= DEEPEST and (top := lineage.last_shown(node)) is not None:
            lost, top.parent = top.parent, None
            self.changed(top)
            self._release(lost)

    def _release(self, node: Node | None) -> None:
        """One child less; and with the last one a buried node goes, and so on upwards."""
        while node is not None:
            node.children -= 1
            if node.children or not node.buried or node.gone:
                return
            above, node.parent = node.parent, None
            self._forget(node)
            node = above

    def _drop(self, node: Node) -> None:
        above, node.parent = node.parent, None
        self._forget(node)
        self._release(above)

    def _forget(self, node: Node) -> None:
        node.gone = True
        if self.latest.get(node.pid) is node:
            del self.latest[node.pid]
        else:
            self._older.pop((node.pid, node.start), None)
        self._graves.forget(node)
        self.entries -= 1
        self.bytes -= NODE_BYTES + LEVEL_BYTES * len(node.levels)
        for level in node.levels:
            if self.nested.get(level) is node:
                del self.nested[level]
        self._leave(node.image)
        if node.side is not None:
            node.side = node.process = None
            if node.children:  # whose trees show it
                self.epoch += 1

    def _leave(self, image: Image) -> None:
        image.holders -= 1
        if image.holders == 0:
            self.bytes -= image.size

    def _evict(self) -> None:
        while self.is_full:
            victim = self._graves.oldest() or self._oldest_living()
            if victim is None:
                return
            before = self.entries
            self._drop(victim)
            self.evicted += before - self.entries

    def _oldest_living(self) -> Node | None:
        oldest = None
        for node in islice(self.latest.values(), 64):  # a bounded search, for it runs often
            if node.children == 0:
                return node
            oldest = oldest or node
        return oldest
