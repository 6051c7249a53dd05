"""Events of few words, as the tracer makes them, and a loop of looks at them like the agent's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from otel_killsnoop.model import Attempt, Details, Event, Exec, Exit, Facts, Fork, Oom, Signal
from otel_killsnoop.tracer.judge import Judge

GROUP = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "group", "delivered", True)
GROUP_KILL = Facts(9, "SIGKILL", "SI_USER", "user", "kill", "group", "delivered", True)
GROUP_PENDING = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "group", "already_pending", True)
SINGLE = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "delivered", True)
TIMER = Facts(14, "SIGALRM", "SI_KERNEL", "timer", None, "process", "delivered", False)
MAYBE_OOM = Facts(9, "SIGKILL", "SI_KERNEL", "oom", None, "process", "delivered", False)
REFUSED = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "refused", True, error="ESRCH")

Thread = tuple[int, int]  # its number, its process's start; the process is the number's hundred
Process = tuple[int, int]  # pid, start


def signal(
    facts: Facts,
    thread: Thread,
    target: Process,
    argument: int | None = None,
    time: int = 0,
    target_tid: int = 0,
) -> Signal:
    """argument: of a group's. The sequence comes later, from `numbered`."""
    tid, start = thread
    source = (start, tid // 100 * 100, tid, 0, 0, tid, 0, 1, b"sh")
    pid, began = target
    other = (began, pid, target_tid or pid, 0, 0, pid, 0, 1, b"sleep")
    details = None if argument is None else Details(argument=argument)
    return Signal._make((0, facts, time, *source, *other, details))


def fork(thread: Thread, time: int = 0) -> Fork:
    tid, start = thread
    child = (time, 5000, 5000, 0, 0, 5000, 0, 1, b"sh")
    return Fork._make((0, time, *child, start, tid // 100 * 100, tid, start, tid, None, None, ()))


def execution(thread: Thread, time: int = 0) -> Exec:
    tid, start = thread
    own = (start, tid // 100 * 100, tid, 0, 0, tid, 0, 1, b"sh")
    return Exec._make((0, time, *own, 1, False, b"/bin/sh", (b"sh",), None, None, 0, 0))


def leaving(thread: Thread, time: int = 0) -> Exit:
    tid, start = thread
    return Exit(0, time, start, tid // 100 * 100, tid, 9)


def refused(thread: Thread, time: int = 0) -> Attempt:
    tid, start = thread
    source = (start, tid // 100 * 100, tid, 0, 0, tid, 0, 1, b"sh")
    return Attempt._make((0, REFUSED, time, *source, 4026531836, 77, False, 77))


def choice(tid: int, victim: Process, time: int = 0, told: bool = True) -> Oom:
    """told: whether the kernel tells more than the victim's number."""
    return Oom(0, time, victim[0], victim[1] if told else 0, tid, None)


def numbered(events: Iterable[Event], step: int = 1000) -> list[Event]:
    """The same with sequences, and with times that follow each other where none was given."""
    made: list[Event] = []
    now = 1_000_000_000
    for place, event in enumerate(events):
        now = event.time or now + step
        made.append(event._replace(sequence=7_000 + 160 * place, time=now))
    return made


def looks(batches: Sequence[Sequence[Event]], end: bool = True) -> list[list[Event]]:
    """What each look gave, the last being one of nothing new at which nothing may wait."""
    judge, rest = Judge(), []
    given = []
    for place, batch in enumerate([*batches, []] if end else batches):
        events = [*rest, *batch]
        last = end and place == len(batches)
        waited = len(events) if last else len(rest)
        ready, rest = judge.judge(events, waited)
        assert len(ready) >= waited
        assert [one.sequence for one in ready + rest] == [one.sequence for one in events]
        given.append(ready)
    return given


def told(*batches: Sequence[Event]) -> list[Event]:
    """All that came out."""
    return [event for look in looks(batches) for event in look]
