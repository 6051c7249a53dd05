"""Any stream of calls to groups, OOM kills and others, cut into looks anywhere: held to the truth.

The truth is known to who makes the stream: which call each signal is of, and what was chosen.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st
from made_events import (
    GROUP,
    GROUP_KILL,
    GROUP_PENDING,
    MAYBE_OOM,
    SINGLE,
    TIMER,
    choice,
    execution,
    fork,
    leaving,
    looks,
    numbered,
    refused,
    signal,
)

from otel_killsnoop.model import Details, Event, OomSizes, Signal

SENDERS = ((100, 5), (101, 5), (200, 6))  # two threads of one process, and another's
MEMBERS = [(pid, pid) for pid in range(10, 16)]
BORN = -1  # as a start: with the signal itself
SIZES = OomSizes(6, 5, 4, 3, 2, 1)


class Made(NamedTuple):
    """call: of a group's member the call's number.  part: of an OOM kill what it is."""

    event: Event
    call: int = 0
    part: str = ""


@st.composite
def sent(draw, thread) -> list[Made]:
    """What one thread does. Of two calls that look alike the second's first member is telling."""
    made: list[Made] = []
    before: tuple[tuple[int, int], set[tuple[int, int]]] | None = None
    # Who runs a program is the first thread from then on: the others would be gone.
    kinds = ["group"] * 3 + ["single", "fork", "refused", "timer"] + ["exec"] * (thread[0] > 199)
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(kinds))
        if kind != "group":
            doing = {
                "single": lambda: signal(SINGLE, thread, MEMBERS[0]),
                "timer": lambda: signal(TIMER, thread, MEMBERS[0]),
                "fork": lambda: fork(thread),
                "exec": lambda: execution(thread),
                "refused": lambda: refused(thread),
            }[kind]
            made.append(Made(doing()))
            if kind != "timer":
                before = None
            continue
        facts, argument = draw(st.sampled_from([GROUP, GROUP_KILL])), draw(st.sampled_from([-7, 0]))
        members = draw(st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=6, unique=True))
        key = facts.number, argument
        if before is not None and before[0] == key and members[0] not in before[1]:
            again = draw(st.sampled_from([(90, BORN), *sorted(before[1])]))
            members = [again, *(one for one in members if one != again)]
        before = key, set(members)
        call = thread[0] * 100 + len(made) + 1
        for one in members:
            pending = facts is GROUP and draw(st.booleans())
            own = GROUP_PENDING if pending else facts
            made.append(Made(signal(own, thread, one, argument), call))
    if draw(st.booleans()):
        made.append(Made(leaving((thread[0], thread[1]))))
    return made


@st.composite
def short_of_memory(draw, thread) -> list[Made]:
    """An OOM kill by this thread, or a kill of the kernel's that is none."""
    victim = draw(st.sampled_from([(thread[0], thread[1]), (20, 1)]))
    kill = signal(MAYBE_OOM, thread, victim)
    if draw(st.booleans()):
        return [Made(kill, part="timer" if victim[0] == thread[0] else "kernel")]
    made = [Made(kill, part="victim"), Made(choice(thread[0], victim)._replace(sizes=SIZES))]
    sharers = draw(st.integers(0, 2))
    return made + [
        Made(signal(MAYBE_OOM, thread, (30 + n, 1)), part="sharer") for n in range(sharers)
    ]


@st.composite
def streams(draw) -> list[Made]:
    """All that they do, interleaved; and members that end meanwhile."""
    actors = [draw(sent(thread)) for thread in SENDERS]
    starving = range(draw(st.integers(0, 3)))
    actors += [draw(short_of_memory((1000 + 100 * n, 7))) for n in starving]
    actors.append([Made(leaving(one)) for one in draw(st.lists(st.sampled_from(MEMBERS)))])
    turns = [place for place, actor in enumerate(actors) for _ in actor]
    left = [iter(actor) for actor in actors]
    made = [next(left[place]) for place in draw(st.permutations(turns))]
    events = numbered(one.event for one in made)
    born = [
        event._replace(target_start=event.time)
        if type(event) is Signal and event.target_start == BORN
        else event
        for event in events
    ]
    return [one._replace(event=event) for one, event in zip(made, born, strict=True)]


@settings(max_examples=1000)
@given(streams(), st.data())
def test_whatever_way_a_stream_is_cut_its_truth_is_told(stream, data) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    batches = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    look_of = {one.event.sequence: place for place, batch in enumerate(batches) for one in batch}
    given_out = looks([[one.event for one in batch] for batch in batches])
    told = [event for look in given_out for event in look]

    assert [event.sequence for event in told] == [one.event.sequence for one in stream]
    for place, look in enumerate(given_out):
        assert all(look_of[event.sequence] in (place, place - 1) for event in look)
    choices = {one.event.tid: one.event.sequence for one in stream if hasattr(one.event, "sizes")}
    calls: dict[int, list[Signal]] = {}
    for one, event in zip(stream, told, strict=True):
        if one.call:
            calls.setdefault(one.call, []).append(event)
            assert event._replace(details=one.event.details) == one.event
            assert event.details._replace(group_id=0, group_size=0) == one.event.details
        elif one.part:
            chosen = choices.get(event.source_tid)
            first = look_of[event.sequence]
            expected = {"victim": "oom", "sharer": "oom"}.get(one.part, one.part)
            if one.part == "victim" and look_of[chosen] > first + 1:
                seen("a choice that came too late")
                expected = "timer" if event.target_pid == event.source_pid else "kernel"
            assert event.facts.cause == expected
            sized = one.part == "victim" and expected == "oom"
            assert event.details == (Details(oom=SIZES) if sized else None)
        else:
            assert event == one.event
    for members in calls.values():
        size = len(members)
        assert {event.details.group_id for event in members} == {members[0].sequence}
        if look_of[members[-1].sequence] - look_of[members[0].sequence] <= 1:
            assert {event.details.group_size for event in members} == {size}
        else:
            seen("a call over more than two looks")
            assert members[-1].details.group_size == size
            assert all(0 < event.details.group_size <= size for event in members)
