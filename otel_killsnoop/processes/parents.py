"""Whose child a process is after its parent has died: no event tells it, /proc does.

The kernel gives orphans to the nearest subreaper or to init. Who forked a process stays in its
tree all the same; only the kernel's present parent changes.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.processes.node import ALIVE, TICK, Node
from otel_killsnoop.processes.registry import Registry

Ask = Callable[[int, int], int | None]


class Parents:
    """ask: (pid, start in ticks) -> the kernel's parent of that process now, or None."""

    def __init__(self, registry: Registry, ask: Ask) -> None:
        self._registry = registry
        self._ask = ask

    def look(self, node: Node) -> bool:
        """Ask for the parent of an orphan that lives; whether that is another one now."""
        if node.died != ALIVE or not node.parent_pid:
            return False
        known = self._registry.latest.get(node.parent_pid)
        if known is not None and known.died == ALIVE and known.start <= node.start:
            return False
        if known is None and node.orphan:
            return False  # asked already, and the table does not know the one that was named
        found = self._ask(node.pid, node.start // TICK)
        node.orphan = True
        if found is None or found == node.parent_pid:
            return False
        node.parent_pid = found
        return True
