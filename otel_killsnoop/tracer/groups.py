"""Which signals of a batch were sent by one call to many: kill(-pgid), kill(0), kill(-1).

The kernel raises one signal a member, one after the other, and nothing tells a call's members
from the next call's but this: in one call nobody gets it twice, and its thread does nothing else
between. That a second call follows at once and meets none of the first one's members is told by
the time that it takes to become a member.
"""

from __future__ import annotations

from otel_killsnoop.model import Details, Event, Exec, Exit, Fork, Signal

PAUSE = 20_000_000  # ns between two members of one call at most, however slow the machine


class _Group:
    """Members of one call, as places in the batch."""

    __slots__ = ("first", "latest", "members", "places")

    def __init__(self, place: int, signal: Signal) -> None:
        self.first = signal
        self.latest = signal.time
        self.places = [place]
        self.members = {(signal.target_pid, signal.target_start)}

    def takes(self, signal: Signal) -> bool:
        """Whether the signal is of the same call; then it is taken in."""
        one = self.first
        member = (signal.target_pid, signal.target_start)
        if (
            signal.facts.number != one.facts.number
            or signal.facts.scope != "group"
            or signal.details is None
            or one.details is None
            or signal.details.argument != one.details.argument
            or member in self.members
            or signal.time - self.latest > PAUSE
        ):
            return False
        self.members.add(member)
        self.latest = signal.time
        return True


class Groups:
    """events: a batch.  special: places of its signals that may be of a group, in order."""

    def __init__(self, events: list[Event], special: list[int]) -> None:
        self._events = events
        self._groups: list[_Group] = []
        self._open: dict[tuple[int, int], _Group] = {}  # by thread; its call may go on
        starts = [place for place in special if self._is_member(events[place])]
        if not starts:
            return
        candidates = set(starts)
        for place in range(starts[0], len(events)):
            event = events[place]
            if type(event) is Signal:
                thread = (event.source_tid, event.source_start)
                group = self._open.get(thread)
                if group is not None and event.facts.has_source:
                    if place in candidates and group.takes(event):
                        group.places.append(place)
                        continue
                    del self._open[thread]
                if place in candidates:
                    self._open[thread] = made = _Group(place, event)
                    self._groups.append(made)
            elif self._open:
                self._close(event)

    @staticmethod
    def _is_member(event: Event) -> bool:
        if type(event) is not Signal or event.facts.scope != "group" or event.details is None:
            return False
        return not event.details.group_id  # else it was told with who came before it

    def _close(self, event: Event) -> None:
        """A thread that forks, runs a program or ends is in no call that sends signals."""
        if type(event) is Fork:
            self._open.pop((event.parent_tid, event.parent_start), None)
        elif type(event) is Exec or type(event) is Exit:
            self._open.pop((event.tid, event.start), None)

    def first_open(self, waited: int) -> int | None:
        """The place of the first signal whose call may go on behind this batch, and may wait."""
        places = [one.places[0] for one in self._open.values() if one.places[0] >= waited]
        return min(places, default=None)

    def tell(self, end: int | None) -> None:
        """Give each member of the calls that began before this place its group's name and size.

        Also to members behind it: they will come again, and are known by their name then.
        """
        for group in self._groups:
            if end is not None and group.places[0] >= end:
                continue
            for place in group.places:
                event = self._events[place]
                assert type(event) is Signal
                details = (event.details or Details())._replace(
                    group_id=group.first.sequence, group_size=len(group.places)
                )
                self._events[place] = event._replace(details=details)
