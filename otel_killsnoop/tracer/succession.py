"""Rings in a row: what an agent before this one left unread, then our own. Bytes and positions.

While programs of both are attached each event is in both rings: the later copy is left out. Of one
event the older program writes first, and the same thread does not come to the next event before
the newer one has written: so a record is a copy if the older ring has the same bytes, the time
apart, of a time between this record's and that of the one before it that was like it.

What may have copies stays in the older ring until all of them were met. Should this agent be
killed meanwhile, the next one finds the same again, and names it the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

from otel_killsnoop.tracer import contract
from otel_killsnoop.tracer.ring import Ring

APART = 20_000_000  # ns between two programs at one event, at most; rings overlap for longer
_LATE = 1_000_000_000  # ns: times in a ring are in order but for much less
_TIME = Struct("=8xQ")
_KIND = Struct("=I")
_NUMBER_AT = contract.LAYOUT["killsnoop_signal"]["how.number"][0]
_NUMBER = Struct("=i")


class Part(NamedTuple):
    """A ring, and the boot clock when it was made: the sequence of its first byte."""

    ring: Ring
    made_at: int


class Succession:
    """Reads like a ring, but what is a position there is a sequence here: unique for a boot.

    parts: the oldest first, our own last.  until: boot ns when the older programs had ended.
    retire: called when all of the older rings was read, before the last of it is committed.
    copies: of signals, left out so far, by number.
    """

    def __init__(self, parts: Sequence[Part], until: int, retire: Callable[[], None]) -> None:
        self._parts = list(parts)
        self._until = until
        self._retire = retire
        self._begin()

    def _begin(self) -> None:
        self.copies: Counter[int] = Counter()
        self._at = 0
        self._met = False  # all copies
        # Of each part: times by the hash of a record without its time.
        self._seen: list[dict[int, list[int]]] = [{} for _ in self._parts]
        self._keep: dict[int, int] = {}  # part -> position from which on there may be copies

    @property
    def is_over(self) -> bool:
        """Whether only our own ring is left."""
        return len(self._parts) == 1

    @property
    def position(self) -> int:
        """Where the next read goes on, as a sequence: behind the last record that was read."""
        part = self._parts[self._at]
        return part.ring.position + part.made_at

    @property
    def unread(self) -> int:
        """How far it is from there to the end of our own ring."""
        last = self._parts[-1]
        return last.ring.position + last.ring.unread + last.made_at - self.position

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """As `Ring.read`: empty when there is nothing in any of the rings."""
        while True:
            ring, made_at = self._parts[self._at]
            records = ring.read(limit)
            if records:
                if not self.is_over:
                    records = self._once(records)
                if not records:
                    continue
                return [(position + made_at, payload) for position, payload in records]
            if self._at + 1 == len(self._parts):
                self._met = True
                return []
            self._at += 1

    def commit(self, before: int | None = None) -> None:
        """As `Ring.commit`. before: a sequence."""
        ours = before is None or before >= self._parts[-1].made_at
        over = self._met and ours and not self.is_over
        if over:
            self._retire()
        for place, (ring, made_at) in enumerate(self._parts[: self._at + 1]):
            ends = [] if place not in self._keep or over else [self._keep[place]]
            after = self._parts[place + 1].made_at if place + 1 < len(self._parts) else None
            if before is not None and made_at <= before and (after is None or before < after):
                ring.commit(min([before - made_at, *ends]))
                break
            ring.commit(min(ends, default=None))
        if over:
            del self._parts[:-1]
            self._at = 0
            self._seen.clear()
            self._keep.clear()

    def rewind(self) -> None:
        """Read again what was not committed."""
        for ring, _ in self._parts:
            ring.rewind()
        self._begin()

    def _once(self, records: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        last = self._at + 1 == len(self._parts)
        since = self._parts[-1 if last else self._at + 1].made_at
        kept = []
        for position, payload in records:
            (time,) = _TIME.unpack_from(payload)
            key = hash(payload[:8] + payload[16:])
            copy = self._at > 0 and self._is_copy(key, time)
            if not last and time >= since:
                self._keep.setdefault(self._at, position)
                self._seen[self._at].setdefault(key, []).append(time)
            elif last and time > self._until + _LATE:
                self._met = True
            if not copy:
                kept.append((position, payload))
            elif _KIND.unpack_from(payload)[0] == contract.SIGNAL:
                self.copies[_NUMBER.unpack_from(payload, _NUMBER_AT)[0]] += 1
        return kept

    def _is_copy(self, key: int, time: int) -> bool:
        found = False
        for part in self._seen[: self._at]:
            times = part.get(key)
            if times:
                times.sort()
                place = bisect_right(times, time)
                found = found or (place > 0 and time - times[place - 1] <= APART)
                del times[:place]
        return found
