"""A spool file on its way: the parts it has been split into, and what became of them. Values only.

Parts live in memory; the file stays in the spool until the last of them is decided, so a crash in
between loses nothing and sends the whole file again.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.shipping.packing import pack, unpack
from otel_killsnoop.shipping.queue import Entry
from otel_killsnoop.shipping.split import halve


class Part(NamedTuple):
    """A request of its own. body: packed.  first: its first record's number within the file."""

    body: bytes
    records: int
    first: int


class Parcel:
    """One file in flight. rejected: records of it that were refused for good so far."""

    def __init__(self, entry: Entry, body: bytes) -> None:
        self.entry = entry
        self.rejected = 0
        self._parts = [Part(body, entry.records, 0)]  # the next one last

    @property
    def undecided(self) -> int:
        """How many parts are still to be sent."""
        return len(self._parts)

    @property
    def part(self) -> Part:
        """The part to send next; IndexError when all are decided."""
        return self._parts[-1]

    def decided(self, rejected: int = 0) -> None:
        """The next part is done with: taken, but for so many of its records."""
        part = self._parts.pop()
        self.rejected += min(rejected, part.records)

    def split(self) -> bool:
        """Put the next part's halves in its place, in order; False if it is a single record.

        `OtlpError` if its bytes are no request.
        """
        part = self._parts[-1]
        halves = halve(unpack(part.body))
        if len(halves) == 1:
            return False
        self._parts.pop()
        first = part.first
        packed = []
        for half in halves:
            packed.append(Part(pack(half.body), half.records, first))
            first += half.records
        self._parts += reversed(packed)
        return True
