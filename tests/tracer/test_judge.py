"""The OOM killer's choice comes after its signal: what is told of a SIGKILL that may be one."""

from __future__ import annotations

import pytest
from made_events import (
    GROUP,
    MAYBE_OOM,
    SINGLE,
    choice,
    fork,
    looks,
    numbered,
    signal,
    told,
)

from otel_killsnoop.model import Details, Event, Facts, OomSizes, Signal
from otel_killsnoop.tracer.judge import SHARED, Judge

BYSTANDER, OTHER = (100, 5), (200, 6)
VICTIM, SHARER, NEXT = (10, 1), (11, 2), (12, 3)
SIZES = OomSizes(4, 3, 2, 1, 5, -17)


def killed(target=VICTIM, thread=BYSTANDER, time=0, target_tid=0) -> Signal:
    return signal(MAYBE_OOM, thread, target, time=time, target_tid=target_tid)


def chosen(victim=VICTIM, tid=BYSTANDER[0], time=0, told=True) -> Event:
    return choice(tid, victim, time, told)._replace(sizes=SIZES)


def bystanders(target=NEXT) -> Signal:
    return signal(SINGLE, BYSTANDER, target)


def causes(events: list[Event]) -> str:
    """Of each signal its cause, with ``+`` when it has the victim's sizes."""
    made = []
    for event in events:
        if type(event) is Signal:
            sized = event.details is not None and event.details.oom == SIZES
            made.append(event.facts.cause + "+" * sized)
    return " ".join(made)


ITSELF = (100, 5)
CASES: list[tuple[str, list[Event], str]] = [
    ("a victim", [killed(), chosen()], "oom+"),
    ("a victim that asked for the memory itself", [killed(ITSELF), chosen(ITSELF)], "oom+"),
    ("a victim of which the number alone is told", [killed(), chosen(told=False)], "oom+"),
    (
        "a victim whose first thread is gone, on such a kernel",
        [killed(target_tid=99), chosen((99, 1), told=False)],
        "oom+",
    ),
    ("no choice", [killed()], "kernel"),
    ("no choice, of oneself", [killed(ITSELF)], "timer"),
    ("a choice of another", [killed(), chosen(NEXT)], "kernel"),
    ("another of that number", [killed(), chosen((10, 99))], "kernel"),
    ("another's choice", [killed(), chosen(tid=200)], "kernel"),
    ("a choice before it, long ago", [chosen(time=1), killed(time=SHARED + 2)], "kernel"),
    ("who shares its memory", [killed(), chosen(), killed(SHARER), killed(NEXT)], "oom+ oom oom"),
    ("who shares it, the victim's own signal lost", [chosen(), killed(SHARER)], "oom"),
    (
        "two at a time",
        [killed(), killed(NEXT, OTHER), chosen(NEXT, 200), chosen(), killed(SHARER)],
        "oom+ oom+ oom",
    ),
    (
        "a whole cgroup",
        [killed(), chosen(), killed(), killed(NEXT), chosen(NEXT)],
        "oom+ oom oom+",
    ),
    ("others meanwhile", [killed(), fork(OTHER), bystanders(), chosen()], "oom+ user"),
]


@pytest.mark.parametrize(
    ("events", "expected"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_what_a_kill_by_the_kernel_was(events, expected) -> None:
    made = numbered(events)
    assert causes(told(made)) == expected
    for cut in range(1, len(made)):
        assert causes(told(made[:cut], made[cut:])) == expected


def test_a_kill_waits_one_look_for_its_choice_and_no_more() -> None:
    kill, choice_of_it = numbered([killed(), chosen()])
    assert causes(told([kill], [choice_of_it])) == "oom+"
    assert causes(told([kill], [], [choice_of_it])) == "kernel"
    first, second, _ = looks([[kill], []])
    assert (first, len(second)) == ([], 1)


def test_what_stands_behind_waits_with_it_and_what_stands_before_does_not() -> None:
    events = numbered([bystanders(), killed(), bystanders()])
    first, second, third = looks([events, []])
    assert [event.sequence for event in first] == [events[0].sequence]
    assert [event.sequence for event in second] == [one.sequence for one in events[1:]]
    assert third == []


def test_a_choice_that_waited_with_others_is_known_to_who_shares_the_memory() -> None:
    member = signal(GROUP, OTHER, NEXT, -7)
    events = numbered([member, chosen(), killed(SHARER)])
    assert causes(told(events, [])) == "user oom"


def test_how_long_after_the_choice_the_memorys_sharers_are_ended() -> None:
    for later, expected in ((0, "oom+ oom"), (SHARED, "oom+ oom"), (SHARED + 1, "oom+ kernel")):
        events = [killed(time=1000), chosen(time=2000), killed(SHARER, time=2000 + later)]
        assert causes(told(numbered(events))) == expected


def test_nothing_else_of_the_signal_changes_and_a_kind_stays_one_object() -> None:
    events = numbered([killed(), chosen(), killed(NEXT, OTHER), killed(OTHER, OTHER)])
    first, _, *lonely = told(events, [])
    assert first == events[0]._replace(details=Details(oom=SIZES))
    for before, after in zip(events[2:], lonely, strict=True):
        assert after[:1] + after[2:] == before[:1] + before[2:]
        assert (after.facts.has_source, after.facts.result) == (False, "delivered")
    judge = Judge()
    again = [judge.judge([event], 1).ready[0].facts for event in (*events[2:], *events[2:])]
    assert again[0] is again[2]
    assert again[1] is again[3]
    assert again[0] is not again[1]


def test_what_is_given_is_not_changed() -> None:
    events = numbered([killed(), signal(GROUP, OTHER, NEXT, -7), chosen()])
    before = list(events)
    Judge().judge(events, len(events))
    assert events == before


def test_a_flood_of_kinds_and_choices_is_forgotten_again() -> None:
    judge = Judge()
    for number in range(10_000):
        facts = Facts(9, "SIGKILL", str(number), "oom", None, "process", "delivered", False)
        usual = Facts(34, "SIGRTMIN", str(number), "user", None, "process", "delivered", True)
        events = [
            signal(facts, (number, 1), VICTIM),
            signal(usual, (number, 1), VICTIM),
            choice(number, NEXT),
        ]
        ready, rest = judge.judge(numbered(events), len(events))
        assert (len(ready), rest) == (3, [])
    held = (judge._usual, judge._changed, judge._choices, judge._calls)
    assert max(map(len, held)) <= 4096
