"""Which signals were sent by one call to many: kill(-pgid), kill(0), kill(-1), and by
pidfd_send_signal to the process group that a pidfd means.

The kernel raises one signal a member, one after the other, and no number tells a call's members
from the next call's. But in one call nobody gets it twice, its thread does nothing else between,
and nobody is born meanwhile: who forks waits for the call's end. What is left, a second call that
meets none of the first one's members, is told by the time that it takes them to be replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_killsnoop.model import Attempt, Details, Event, Exec, Exit, Fork, Signal

PAUSE = 20_000_000  # ns between two members of one call at most, however slow the machine

Thread = tuple[int, int]  # its number, its process's start


class Call:
    """One call's members so far. places: in the batch, of those that are not told yet."""

    __slots__ = ("before", "first", "latest", "members", "places")

    def __init__(self, first: Signal, before: Call | None = None) -> None:
        self.first = first
        self.before = before  # this call as it was told in an earlier batch
        self.latest: int = before.latest if before else first.time
        self.members: set[tuple[int, int]] = set(before.members) if before else set()
        self.places: list[int] = []

    def may_have(self, signal: Signal) -> bool:
        """Whether the signal can be this call's, its thread having done nothing else since."""
        one = self.first
        return (
            signal.facts.number == one.facts.number
            and signal.details is not None
            and one.details is not None
            and signal.details.argument == one.details.argument
            and (signal.target_pid, signal.target_start) not in self.members
            and signal.target_start <= one.time
            and signal.time - self.latest <= PAUSE
        )

    def add(self, place: int, signal: Signal) -> None:
        self.places.append(place)
        self.members.add((signal.target_pid, signal.target_start))
        self.latest = signal.time


class Groups:
    """events: a batch.  special: places of its signals that may be of a group, in order.

    told: calls that were told before this batch and may go on in it, from `going_on`.
    """

    def __init__(
        self, events: list[Event], special: Sequence[int], told: Mapping[Thread, Call]
    ) -> None:
        self._events = events
        self._calls: dict[int, tuple[Thread, Call]] = {}  # by its first place
        self._open = dict(told)  # the call that a thread may still be in
        candidates = {place for place in special if self._is_member(events[place])}
        if not candidates and not told:
            return
        for place in range(0 if told else min(candidates), len(events)):
            event = events[place]
            if type(event) is not Signal:
                if self._open:
                    self._close(event)
            elif event.facts.has_source:
                self._follow(place, event, place in candidates)

    @staticmethod
    def _is_member(event: Event) -> bool:
        if type(event) is not Signal or event.facts.scope != "group" or event.details is None:
            return False
        return not event.details.group_id  # else it was told with who came before it

    def _follow(self, place: int, event: Signal, is_member: bool) -> None:
        thread = (event.source_tid, event.source_start)
        call = self._open.get(thread)
        if call is not None:
            if event.details is not None and event.details.group_id == call.first.sequence:
                return
            if not is_member or not call.may_have(event):
                del self._open[thread]
                call = None
        if not is_member:
            return
        if call is None or not call.places:
            call = self._open[thread] = Call(call.first if call else event, call)
            self._calls[place] = thread, call
        call.add(place, event)

    def _close(self, event: Event) -> None:
        """A thread that forks, runs a program, ends or was refused has left its call."""
        if type(event) is Fork:
            self._open.pop((event.parent_tid, event.parent_start), None)
        elif type(event) is Exec or type(event) is Exit:
            self._open.pop((event.tid, event.start), None)
        elif type(event) is Attempt:
            self._open.pop((event.source_tid, event.source_start), None)

    def first_open(self, waited: int) -> int | None:
        """The place of the first signal whose call may go on behind this batch, and may wait."""
        firsts = (call.places[0] for call in self._open.values() if call.places)
        return min((place for place in firsts if place >= waited), default=None)

    def tell(self, end: int | None) -> None:
        """Give each member of the calls that began before this place its group's name and size.

        Also to members behind it: they will come again, and are known by their name then.
        """
        for first, (_, call) in self._calls.items():
            if end is not None and first >= end:
                continue
            details = (call.first.details or Details())._replace(
                group_id=call.first.sequence, group_size=len(call.members)
            )
            for place in call.places:  # `details` is a signal's last part, and all have the same
                self._events[place] = Signal._make((*self._events[place][:-1], details))

    def going_on(self, end: int | None) -> dict[Thread, Call]:
        """Calls that were told, this time or before, and may have more members; after `tell`.

        Only a call of more members than two batches hold, or one that the reader overtook: who
        comes late has the group's name, and the size as far as it is known then.
        """
        made: dict[Thread, Call] = {}
        newest = self._events[-1].time if self._events else 0
        for thread, call in self._open.items():
            if call.places and (end is None or call.places[0] < end):
                call.places, call.before = [], None
                made[thread] = call
            elif not call.places and newest - call.latest <= PAUSE:
                made[thread] = call
        for first, (thread, call) in self._calls.items():
            if call.before is not None and end is not None and first >= end:
                made[thread] = call.before  # what is added will be, once more
        return made
