"""Fork records that come after a signal to the child: found in the rest of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from otel_killsnoop.model import Event, Exec, Exit, Fork
from otel_killsnoop.processes.life import Life
from otel_killsnoop.processes.node import Node
from otel_killsnoop.processes.registry import Registry


class Ahead:
    """One batch's later records, by identity; the index is made when it is first needed.

    What is applied early is what a process and its unknown forebears did up to its fork, and
    nothing else: signals in between must not see what others did only after them.
    """

    def __init__(
        self,
        events: Sequence[Event],
        registry: Registry,
        life: Life,
    ) -> None:
        self._events = events
        self._registry = registry
        self._life = life
        self._index: dict[tuple[int, int], list[int]] | None = None
        self._forks: list[tuple[int, Fork]] | None = None
        self._done: set[int] = set()  # sequences of the records applied early

    def find(self, position: int, pid: int, start: int) -> Node | None:
        """The node that the events after ``position`` make of this identity, or None."""
        index = self._index
        if index is None:
            index = self._index = self._make()
        wanted: list[int] = []
        identity, before = (pid, start), len(self._events)
        while True:
            own = [p for p in index.get(identity, ()) if position < p < before]
            birth = next((p for p in own if type(self._events[p]) is Fork), None)
            if birth is None:
                break
            fork = self._events[birth]
            assert type(fork) is Fork
            if identity == (pid, start):
                wanted.append(birth)
            else:
                wanted += own
            identity, before = (fork.parent_pid, fork.parent_start), birth
            if self._registry.find(*identity) is not None:
                break
        for place in sorted(wanted):
            self._apply(self._events[place])
        return self._registry.find(pid, start)

    def is_done(self, sequence: int) -> bool:
        """Whether the record of that sequence was applied early."""
        return sequence in self._done

    def birth(self, position: int, time: int, is_meant: Callable[[Fork], bool]) -> Fork | None:
        """The fork record after ``position`` of a process of that description started by then."""
        if self._forks is None:
            self._forks = [
                (at, event) for at, event in enumerate(self._events) if type(event) is Fork
            ]
        for at, fork in self._forks:
            if at > position and fork.start <= time and is_meant(fork):
                return fork
        return None

    def run(self, position: int, node: Node, comm: bytes) -> bool:
        """Apply the next exec record of this process now, if it gives it that name."""
        if self._index is None:
            self._index = self._make()
        for place in self._index.get((node.pid, node.start), ()):
            event = self._events[place]
            if place > position and type(event) is Exec and not self.is_done(event.sequence):
                if event.comm != comm:
                    return False
                self._apply(event)
                return True
        return False

    def parent(self, pid: int, start: int) -> tuple[int, int] | None:
        """(pid, start) of the kernel's parent, by any exec or exit record of this identity."""
        if self._index is None:
            self._index = self._make()
        for place in self._index.get((pid, start), ()):
            event = self._events[place]
            if (type(event) is Exec or type(event) is Exit) and event.parent_pid:
                return event.parent_pid, event.parent_start
        return None

    def runs(self, position: int, pid: int, start: int) -> bool:
        """Whether an exec record of this identity follows."""
        if self._index is None:
            self._index = self._make()
        return any(
            place > position and type(self._events[place]) is Exec
            for place in self._index.get((pid, start), ())
        )

    def _make(self) -> dict[tuple[int, int], list[int]]:
        index: dict[tuple[int, int], list[int]] = {}
        for position, event in enumerate(self._events):
            if type(event) is Fork or type(event) is Exec or type(event) is Exit:
                index.setdefault((event.pid, event.start), []).append(position)
        return index

    def _apply(self, event: Event) -> None:
        if type(event) is Fork:
            self._done.add(event.sequence)
            self._life.fork(event)
        elif type(event) is Exec:
            self._done.add(event.sequence)
            self._life.run(event)
