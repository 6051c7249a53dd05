"""The spool's files as numbers: their names, and the queue of them in memory.

A night with the Collector away can leave 65,536 files of one record each (256 MiB of 4 KiB
blocks): so a file in the queue is one packed integer, 60 bytes, and its name is made when needed.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

BLOCK = 4096  # bytes; a file costs whole blocks, and the limit is about the disk
_NAME = re.compile(r"([0-9]{20})-([0-9]{1,9})-([0-9]{1,10})\.otlp\.gz", re.ASCII)
_WORD = (1 << 32) - 1


class Entry(NamedTuple):
    """One file of the spool, which is one request.

    sequence: its place in the order.  records: log records in it, at least 1.  size: its bytes.
    All three are in its name, so that a restart knows the counts, and sees a torn file, without
    opening any.
    """

    sequence: int
    records: int
    size: int

    @property
    def name(self) -> str:
        """Names sort as sequences do."""
        return f"{self.sequence:020d}-{self.records}-{self.size}.otlp.gz"

    @property
    def cost(self) -> int:
        """Bytes that it takes on disk."""
        return -(-self.size // BLOCK) * BLOCK


def parse(name: str) -> Entry | None:
    """The entry that has this name; None if none has."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    entry = Entry(*map(int, match.groups()))
    fits = entry.sequence < 1 << 63 and entry.records and 0 < entry.size <= _WORD
    return entry if fits and entry.name == name else None


class Queue:
    """Entries, oldest first, with their sums. Not thread-safe: the spool has the lock.

    records, cost: sums over what is queued.
    """

    def __init__(self) -> None:
        self._packed: deque[int] = deque()
        self.records = 0
        self.cost = 0

    def __len__(self) -> int:
        return len(self._packed)

    def append(self, entry: Entry) -> None:
        """Queue an entry behind all others."""
        self._packed.append(entry.sequence << 64 | entry.records << 32 | entry.size)
        self.records += entry.records
        self.cost += entry.cost

    def oldest(self) -> Entry:
        """The first entry; IndexError if there is none."""
        packed = self._packed[0]
        return Entry(packed >> 64, packed >> 32 & _WORD, packed & _WORD)

    def pop(self) -> Entry:
        """Take out the first entry; IndexError if there is none."""
        entry = self.oldest()
        self._packed.popleft()
        self.records -= entry.records
        self.cost -= entry.cost
        return entry
