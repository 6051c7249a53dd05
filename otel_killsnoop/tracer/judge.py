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
from otel_killsnoop.tracer.groups import Groups

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

    def judge(self, events: Sequence[Event], waited: int) -> Judged:
        """waited: how many of the first events have waited already, so are told now."""
        usual = self._usual
        special = [
            place
            for place, event in enumerate(events)
            if type(event) is Signal and event[1] not in usual and not self._is_usual(event[1])
        ]
        if not special and not any(type(event) is Oom for event in events):
            return Judged(list(events), [])
        return self._told(list(events), special, waited)

    def _is_usual(self, facts: Facts) -> bool:
        if facts.scope == "group" or facts.cause == "oom":
            return False
        if len(self._usual) >= _KINDS:
            self._usual.clear()
        self._usual.add(facts)
        return True

    def _told(self, events: list[Event], special: list[int], waited: int) -> Judged:
        groups = Groups(events, special)
        choices = {
            (event.tid, event.pid): place
            for place, event in enumerate(events)
            if type(event) is Oom
        }
        end = groups.first_open(waited)
        for place in special:
            if end is not None and place >= end:
                break
            event = events[place]
            assert type(event) is Signal
            if event.facts.cause == "oom":
                told = self._oom(events, event, choices, place)
                if told is None and place >= waited:
                    end = place
                    break
                events[place] = told or self._no_oom(event)
        groups.tell(end)
        ready = events[:end]
        self._remember(ready)
        return Judged(ready, events[end:] if end is not None else [])

    def _oom(
        self,
        events: list[Event],
        event: Signal,
        choices: dict[tuple[int, int], int],
        place: int,
    ) -> Signal | None:
        """The signal with what the OOM killer said of it; None when it has said nothing."""
        chosen = choices.get((event.source_tid, event.target_pid))
        if chosen is not None and chosen > place:
            choice = events[chosen]
            assert type(choice) is Oom
            if choice.start in (0, event.target_start):
                self._choices[event.source_tid] = choice.time
                return event._replace(details=Details(oom=choice.sizes))
        # Who shares the victim's memory goes with it, without a word.
        before = self._choices.get(event.source_tid)
        if before is not None and 0 <= event.time - before <= SHARED:
            return event
        return None

    def _no_oom(self, event: Signal) -> Signal:
        """The kernel's SIGKILL without a choice: a CPU limit, or for a reason that is not told."""
        same = (event.source_pid, event.source_start) == (event.target_pid, event.target_start)
        cause = "timer" if same else "kernel"
        if len(self._changed) >= _KINDS:
            self._changed.clear()
        key = event.facts, cause
        facts = self._changed.get(key)
        if facts is None:
            facts = self._changed[key] = replace(event.facts, cause=cause)
        return event._replace(facts=facts)

    def _remember(self, ready: list[Event]) -> None:
        """Choices of which the signal came before this batch, for those who share the memory."""
        for event in ready:
            if type(event) is Oom:
                if len(self._choices) >= _KINDS:
                    self._choices.clear()
                self._choices[event.tid] = event.time
