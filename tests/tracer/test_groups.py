"""Which signals one call sent: kill(-pgid), kill(0), kill(-1), told from the next call's."""

from __future__ import annotations

import pytest
from made_events import (
    GROUP,
    GROUP_KILL,
    GROUP_PENDING,
    SINGLE,
    TIMER,
    execution,
    fork,
    leaving,
    looks,
    numbered,
    refused,
    signal,
    told,
)

from otel_killsnoop.model import Event, Signal
from otel_killsnoop.tracer.groups import PAUSE

SHELL, OTHER, THREAD = (100, 5), (200, 6), (101, 5)
A, B, C, D = (10, 1), (11, 2), (12, 3), (13, 4)


def member(target, thread=SHELL, facts=GROUP, argument=-7, time=0) -> Signal:
    return signal(facts, thread, target, argument, time)


def single(target=A, thread=SHELL) -> Signal:
    return signal(SINGLE, thread, target)


def groups(events: list[Event]) -> str:
    """Each signal's group as a letter with its size, ``-`` for none: ``A2 - A2 B1``."""
    letters: dict[int, str] = {}
    made = []
    for event in events:
        if type(event) is not Signal:
            continue
        if event.details is None or not event.details.group_id:
            made.append("-")
            continue
        letter = letters.setdefault(event.details.group_id, chr(65 + len(letters)))
        made.append(f"{letter}{event.details.group_size}")
        if len(made) == 1 or letter not in "".join(made[:-1]):
            assert event.details.group_id == event.sequence  # of its first member
    return " ".join(made)


CASES: list[tuple[str, list[Event], str]] = [
    ("one call", [member(A), member(B), member(C)], "A3 A3 A3"),
    ("a call that reaches one", [member(A)], "A1"),
    ("no call to a group", [single(), single(B)], "- -"),
    ("whatever came of it", [member(A), member(B, facts=GROUP_PENDING)], "A2 A2"),
    ("twice the same members", [member(A), member(B)] * 2, "A2 A2 B2 B2"),
    ("one member left", [member(A), member(B), member(B)], "A2 A2 B1"),
    ("twice one member", [member(A), member(A)], "A1 B1"),
    ("a reused number", [member(A), member((10, 99))], "A2 A2"),
    ("another signal", [member(A), member(B, facts=GROUP_KILL)], "A1 B1"),
    ("another group", [member(A), member(B, argument=-8)], "A1 B1"),
    ("everybody", [member(A, argument=-1), member(B, argument=-1)], "A2 A2"),
    ("two callers", [member(A), member(A, OTHER), member(B), member(B, OTHER)], "A2 B2 A2 B2"),
    ("two threads", [member(A), member(A, THREAD), member(B), member(B, THREAD)], "A2 B2 A2 B2"),
    ("another's kill between", [member(A), single(C, OTHER), member(B)], "A2 - A2"),
    ("a kill between", [member(A), single(), member(B)], "A1 - B1"),
    ("a fork between", [member(A), fork(SHELL), member(B)], "A1 B1"),
    ("another's fork between", [member(A), fork(THREAD), member(B)], "A2 A2"),
    ("an exec between", [member(A), execution(SHELL), member(B)], "A1 B1"),
    ("a refused call between", [member(A), refused(SHELL), member(B)], "A1 B1"),
    ("another's refused call between", [member(A), refused(OTHER), member(B)], "A2 A2"),
    ("a member's end between", [member(A), leaving(A), member(B), leaving(B)], "A2 A2"),
    (
        "a timer that interrupts the caller",
        [member(A), signal(TIMER, SHELL, C), member(B)],
        "A2 - A2",
    ),
]


@pytest.mark.parametrize(
    ("events", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_whose_members_are_whose(events, expected) -> None:
    assert groups(told(numbered(events))) == expected
    one_by_one = told(*([event] for event in numbered(events)))
    assert [word[:1] for word in groups(one_by_one).split()] == [
        word[:1] for word in expected.split()
    ]


def test_who_was_born_after_a_calls_first_signal_is_not_of_that_call() -> None:
    first = member(A, time=1_000_000)
    older, newer = (12, 1_000_000), (12, 1_000_001)
    assert groups(told(numbered([first, member(older)]))) == "A2 A2"
    assert groups(told(numbered([first, member(newer)]))) == "A1 B1"


@pytest.mark.parametrize(("pause", "expected"), [(PAUSE, "A2 A2"), (PAUSE + 1, "A1 B1")])
def test_a_call_makes_no_long_pause(pause, expected) -> None:
    now = 5_000_000_000
    events = [member(A, time=now), member(B, time=now + pause)]
    assert groups(told(numbered(events))) == expected
    assert groups(told(*([event] for event in numbered(events)))).replace("2", "1") == (
        expected.replace("2", "1")
    )


def test_a_call_at_the_end_of_a_look_waits_for_one_more() -> None:
    events = numbered([single(), member(A), member(B), single(C, OTHER)])
    first, second, rest = looks([events[:2], events[2:]])
    assert [event.sequence for event in first] == [events[0].sequence]
    assert groups(second) == "A2 A2 -"
    assert rest == []


@pytest.mark.parametrize("does", [fork, execution, refused, leaving])
def test_a_call_that_has_surely_ended_waits_for_nothing(does) -> None:
    events = numbered([member(A), member(B), does(SHELL)])
    first, _ = looks([events])
    assert groups(first) == "A2 A2"
    assert len(first) == 3


def test_no_call_waits_for_more_than_one_look() -> None:
    events = numbered([member((pid, 1)) for pid in range(50)])
    given = looks([events[:20], events[20:35], events[35:], []])
    assert [len(look) for look in given] == [0, 35, 0, 15, 0]
    # Who comes later has the same name, and the size as far as it is known then.
    assert set(groups([event for look in given for event in look]).split()) == {"A35", "A50"}


def test_a_member_that_was_told_behind_one_that_waits_is_not_told_again() -> None:
    events = numbered([member(A), member(A, OTHER), member(B), single(), member(B, OTHER)])
    # SHELL's call has ended and is told; its second member stands behind OTHER's first.
    first, second = looks([events], end=True)
    assert groups(first) == "A2"
    assert groups([*first, *second]) == "A2 B2 A2 - B2"


def test_a_call_that_goes_on_behind_a_signal_that_waits() -> None:
    events = numbered([member(A), member(B), member(A, OTHER), member(C), member(D)])
    for cuts in ((1, 3, 4), (2, 3, 4), (1, 2, 3)):
        batches = [events[a:b] for a, b in zip((0, *cuts), (*cuts, 5), strict=True)]
        letters = [word[0] for word in groups(told(*batches)).split()]
        assert letters == ["A", "A", "B", "A", "A"]


def test_what_was_told_is_forgotten_when_its_thread_does_something_else() -> None:
    events = numbered([member(A), single(), member(B)])
    assert groups(told(events[:1], [], events[1:2], events[2:])) == "A1 - B1"
    assert groups(told(events[:1], [], events[1:])) == "A1 - B1"
    events = numbered([member(A), fork(SHELL), member(B)])
    assert groups(told(events[:1], [], events[1:2], events[2:])) == "A1 B1"
    assert groups(told(events[:1], [], events[1:])) == "A1 B1"


def test_an_empty_batch_is_one() -> None:
    assert looks([[], []]) == [[], [], []]
