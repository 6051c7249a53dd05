"""The dead, in the order of their deaths, and how long each may still be named.

For a grace: ``GRACE`` of event time and the ``RECENT`` latest dead in any case, because records
of signals follow the record of the death. A zombie may be signalled long after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from otel_killsnoop.processes.node import ALIVE, Node

GRACE = 2_000_000_000  # ns
RECENT = 1024


class Graves:
    """lingers: whether /proc still shows that process, and no other of its number."""

    def __init__(self, lingers: Callable[[Node], bool]) -> None:
        self._dead: dict[Node, None] = {}
        self._waiting: deque[tuple[int, int, Node]] = deque()  # (since when, death, not yet due)
        self._lingers = lingers

    def lay(self, node: Node, time: int) -> None:
        """A living node has died."""
        node.died = time
        self._dead[node] = None
        self._waiting.append((time, time, node))

    def rise(self, node: Node) -> None:
        """A node thought dead lives."""
        node.died = ALIVE
        node.buried = node.ended = False
        del self._dead[node]

    def due(self, now: int) -> Iterator[Node]:
        """Those whose grace is over; each is handed out once."""
        waiting = self._waiting
        while len(waiting) > RECENT and waiting[0][0] + GRACE <= now:
            _, died, node = waiting.popleft()
            if node.died != died or node.gone:
                continue
            if node.children == 0 and self._lingers(node):
                waiting.append((now, died, node))  # a zombie: signals may still name it
            else:
                yield node

    def oldest(self) -> Node | None:
        """The longest dead, due or not."""
        return next(iter(self._dead), None)

    def forget(self, node: Node) -> None:
        """A node is not held any more, dead or alive."""
        self._dead.pop(node, None)
