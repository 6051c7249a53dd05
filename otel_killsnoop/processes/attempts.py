"""Attempts -> joined with both sides: the target is found by the number that the caller used.

A number means a process only in a PID namespace and at a time, so whoever is found must have
been there then: it had started, and it lived on, or still has the number by /proc. Whom nobody
can be certain of is not named.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.model import Attempt, Details, Fork, Joined, Side, Signal
from otel_killsnoop.processes.ahead import Ahead
from otel_killsnoop.processes.life import Life
from otel_killsnoop.processes.node import ALIVE, INITIAL_NAMESPACE, TICK, Image, Node
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.seeding import Seeding

_OF_A_PROCESS = frozenset({"tgkill", "rt_tgsigqueueinfo"})  # their first argument is the process
_UNTOLD = Node(0, 0, False, 0, Image(b"", (), 0, False), b"", "partial")  # stands for no process
_NOBODY = (0, 0, 0, 0, 0, 0, 0, 0, b"")


class Attempts:
    """Joins attempts. owner: a thread's number -> (its process, its start in ticks), or None."""

    def __init__(
        self,
        registry: Registry,
        seeding: Seeding,
        life: Life,
        owner: Callable[[int], tuple[int, int] | None],
        side_of: Callable[[Node], Side],
    ) -> None:
        self._registry = registry
        self._seeding = seeding
        self._life = life
        self._owner = owner
        self._side_of = side_of

    def join(self, attempt: Attempt, position: int, ahead: Ahead, may_wait: bool) -> Joined | None:
        """The attempt as a signal with its sides; None when it should wait for later records."""
        registry = self._registry
        start, pid = attempt.source_start, attempt.source_pid
        party = attempt[6:12]
        source = registry.find(pid, start) or ahead.find(position, pid, start)
        if source is None and may_wait:
            return None
        target = self._target(attempt, position, ahead)
        if target is _UNTOLD:
            if may_wait:
                return None
            target = self._by_proc(attempt)
        if source is None:
            source = self._seeding.stranger(pid, start, party)
        self._life.refresh(source, party)
        whom: tuple[object, ...] = _NOBODY
        if target is not None:
            whom = (
                target.start,
                target.pid,
                _thread(attempt, target),
                target.uid,
                target.gid,
                target.vpid,
                target.flags,
                target.cgroup,
                target.comm,
            )
        signal = Signal._make((*attempt[:12], *whom, Details(argument=attempt.argument)))
        # The target's first: what is learned of it may change the source's tree.
        side = None if target is None else self._side_of(target)
        return Joined(signal, self._side_of(source), side)

    def _target(self, attempt: Attempt, position: int, ahead: Ahead) -> Node | None:
        """Whom the call meant; None for nobody, `_UNTOLD` where a later record may tell."""
        number = _number(attempt)
        if number is None:
            return None
        time = attempt.time
        if _is_initial(attempt):
            node = self._registry.latest.get(number)
        else:
            node = self._registry.nested.get((attempt.namespace, number))
        if node is not None and node.start <= time and (node.died == ALIVE or node.died >= time):
            return node
        fork = ahead.birth(position, time, lambda fork: _has(fork, attempt, number))
        if fork is not None:
            return ahead.find(position, fork.pid, fork.start)
        if node is None and _is_initial(attempt):
            found = self._owner(number)
            if found is not None and found[0] != number:  # a thread: no record will name it
                return self._by_proc(attempt)
        return _UNTOLD

    def _by_proc(self, attempt: Attempt) -> Node | None:
        """The same as far as /proc can tell: threads, zombies, whom no record announced."""
        number, time = _number(attempt), attempt.time
        if number is None:
            return None
        if not _is_initial(attempt):
            node = self._registry.nested.get((attempt.namespace, number))
            return node if node is not None and self._process(node.pid, time) is node else None
        found = self._owner(number)
        if found is None or found[1] * TICK > time:
            return None  # gone, or the number is another's by now
        return self._process(found[0], time)

    def _process(self, pid: int, time: int) -> Node | None:
        """The process that has this number now, if it had it then."""
        found = self._owner(pid)
        if found is None or found[0] != pid or found[1] * TICK > time:
            return None
        node = self._registry.latest.get(pid)
        if node is not None and node.start // TICK == found[1]:
            return node
        return self._seeding.found(pid, found[1] * TICK)


def _number(attempt: Attempt) -> int | None:
    """The number of the process that was meant, or of one of its threads; None for nobody."""
    number = attempt.argument if attempt.facts.call in _OF_A_PROCESS else attempt.target
    if number is None or number <= 0 or attempt.facts.error == "ESRCH":
        return None
    return number


def _is_initial(attempt: Attempt) -> bool:
    """Whether the caller's numbers are the host's."""
    if attempt.namespace:
        return attempt.namespace == INITIAL_NAMESPACE
    return attempt.source_vpid in (0, attempt.source_pid)


def _has(fork: Fork, attempt: Attempt, number: int) -> bool:
    if _is_initial(attempt):
        return fork.pid == number
    return (attempt.namespace, number) in fork.levels


def _thread(attempt: Attempt, target: Node) -> int:
    """The host's number of the thread that was meant; the first one's where that is unknown."""
    if attempt.target_is_thread and attempt.target is not None and _is_initial(attempt):
        return attempt.target
    return target.pid
