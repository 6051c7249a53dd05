"""Repeats that the kernel counted -> one signal with its sides, from what the table knows.

Their count names both processes by identity and nothing more: who they are was told by the burst
that was recorded before.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.model import Details, Folded, Joined, Side, Signal
from otel_killsnoop.processes.ahead import Ahead
from otel_killsnoop.processes.node import Node
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.seeding import Seeding

_NOTHING = (0, 0, 0, 0, 0, b"")  # what is known of a party by its identity alone


class Repeats:
    """Joins them. side_of: as ``Sides.of``."""

    def __init__(
        self, registry: Registry, seeding: Seeding, side_of: Callable[[Node], Side]
    ) -> None:
        self._registry = registry
        self._seeding = seeding
        self._side_of = side_of

    def join(self, event: Folded, position: int, ahead: Ahead) -> Joined:
        """The first of them as a signal, its details with how many there were."""
        target = self._node(event.target_pid, event.target_start, position, ahead)
        source: Node | None = None
        if event.facts.has_source:
            source = self._node(event.source_pid, event.source_start, position, ahead)
        signal = Signal._make(
            (
                event.sequence,
                event.facts,
                event.time,
                *_party(source or target, event.source_pid, event.source_start),
                *_party(target, event.target_pid, event.target_start),
                Details(repeats=event.repeats, last=event.last),
            )
        )
        return Joined(signal, self._side_of(source) if source else None, self._side_of(target))

    def _node(self, pid: int, start: int, position: int, ahead: Ahead) -> Node:
        return (
            self._registry.find(pid, start)
            or ahead.find(position, pid, start)
            or self._seeding.stranger(pid, start, _NOTHING)
        )


def _party(node: Node, pid: int, start: int) -> tuple[object, ...]:
    """In the order of a signal's; the thread is taken for the first one."""
    return (
        start,
        pid,
        pid,
        node.uid,
        node.gid,
        node.vpid,
        node.flags,
        node.cgroup,
        node.comm,
    )
