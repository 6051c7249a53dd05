"""What only the records that follow can tell of a signal: was it the OOM killer's, and how many
got it.

A record that is not told yet waits, with all that follow it, for one more look at the ring. The
usual signal passes with one look into a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from otel_killsnoop.model import Details, Event, Facts, Oom, Signal
from otel_killsnoop.tracer.groups import Call, Groups, Thread

SHARED = 100_000_000  # ns after the choice in which the OOM killer ends who shares the memory
_KINDS = 4096


class Judged(NamedTuple):
    """ready: events in order, told.  rest: those that wait; hand them in again, with more."""

    ready: list[Event]
    rest: list[Event]


class Judge:
    """Not for use by several threads."""

    def __init__(self) -> None:
        self._usual: set[Facts] = set()
        self._changed: dict[tuple[Facts, str], Facts] = {}
        self._choices: dict[int, int] = {}  # by thread that asked for memory: when it last chose
        self._calls: dict[Thread, Call] = {}  # told, and perhaps not at their end

    def judge(self, events: Sequence[Event], waited: int) -> Judged:
        """waited: how many of the first events have waited already, so are told now."""
        usual = self._usual
        unusual = [place for place, event in enumerate(events) if event[1] not in usual]
        special = [place for place in unusual if self._is_special(events[place])]
        if not special and not (self._calls and events):
            return Judged(list(events), [])
        return self._told(list(events), special, waited)

    def _is_special(self, event: Event) -> bool:
        if type(event) is not Signal:
            return type(event) is Oom
        facts = event.facts
        if facts.scope == "group" or facts.cause == "oom":
            return True
        if len(self._usual) >= _KINDS:
            self._usual.clear()
        self._usual.add(facts)
        return False

    def _told(self, events: list[Event], special: list[int], waited: int) -> Judged:
        groups = Groups(events, special, self._calls)
        choices = self._placed(events, special)
        end = groups.first_open(waited)
        for place in special:
            if end is not None and place >= end:
                break
            event = events[place]
            if type(event) is Oom:
                self._remember(event)
            elif type(event) is Signal and event.facts.cause == "oom":
                told = self._chosen(events, event, choices, place)
                if told is None and place >= waited:
                    end = place
                    break
                events[place] = told or self._not_chosen(event)
        groups.tell(end)
        self._calls = groups.going_on(end)
        return Judged(events[:end], events[end:] if end is not None else [])

    @staticmethod
    def _placed(events: list[Event], special: list[int]) -> dict[tuple[int, int], int]:
        """The OOM killer's choices by (who asked for memory, victim), as places."""
        made = {}
        for place in special:
            event = events[place]
            if type(event) is Oom:
                made[event.tid, event.pid] = place
        return made

    @staticmethod
    def _chosen(
        events: list[Event],
        event: Signal,
        choices: dict[tuple[int, int], int],
        place: int,
    ) -> Signal | None:
        """The signal with what the OOM killer said of it; None when it has said nothing."""
        # Where the kernel tells no start, it names the thread that it has met first.
        for victim in (event.target_pid, event.target_tid):
            chosen = choices.get((event.source_tid, victim), -1)
            if chosen > place:
                choice = events[chosen]
                assert type(choice) is Oom
                if choice.start == event.target_start or not choice.start:
                    return event._replace(details=Details(oom=choice.sizes))
        return None

    def _not_chosen(self, event: Signal) -> Signal:
        """The kernel's SIGKILL without a choice.

        Who shares a victim's memory goes with it, without a word. Else it is a CPU limit, or
        for a reason that is not told.
        """
        before = self._choices.get(event.source_tid)
        if before is not None and 0 <= event.time - before <= SHARED:
            return event
        same = (event.source_pid, event.source_start) == (event.target_pid, event.target_start)
        cause = "timer" if same else "kernel"
        if len(self._changed) >= _KINDS:
            self._changed.clear()
        key = event.facts, cause
        facts = self._changed.get(key)
        if facts is None:
            facts = self._changed[key] = replace(event.facts, cause=cause)
        return event._replace(facts=facts)

    def _remember(self, choice: Oom) -> None:
        """For those who share the memory: their signals follow."""
        if len(self._choices) >= _KINDS:
            self._choices.clear()
        self._choices[choice.tid] = choice.time
