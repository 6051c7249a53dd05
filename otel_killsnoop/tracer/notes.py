"""What one agent leaves for the next, beside the ring: one page of words and one of text.

It is a mapped array, pinned with the other maps; without pins it is memory of our own, and nobody
reads it. A word is stored at once or not at all, whenever the agent is killed.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_killsnoop.model import NUMBERS, KernelCounts
from otel_killsnoop.tracer.counters import TABLE_PROGRAMS
from otel_killsnoop.tracer.members import TRACEPOINTS

PAGE = 4096
BYTES = 2 * PAGE
_STATE, _SINCE, _CARRIES = 0, 1, 2  # places of words
_SLOTS = (4, 12)  # of losses: what is told, and beside it what is being told
_SPANS = 20  # of those that are being told: from when to when
_CARRIED = 40
_LENGTH = 4  # bytes of the text's length, in front of it


class Lost(NamedTuple):
    """Losses that only the kernel's side knows of, up to some moment, by reason."""

    ring_full: int = 0
    ring_short: int = 0
    skipped: int = 0
    attempts: int = 0
    lives: int = 0
    unread: int = 0


Spans = Mapping[str, tuple[int, int]]
"""Boot ns from when to when, by reason."""


def lost(counts: KernelCounts) -> Lost:
    """Those that are in these counts."""
    return Lost(**counts.losses())


class Notes:
    """memory: `BYTES` of it, zeros when they are new."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._view = memoryview(memory)
        self._words = self._view[:PAGE].cast("Q")

    # --- losses: told to the world at least once, and recognisably when twice ------------------

    @property
    def told(self) -> Lost:
        """What has been told and is safe."""
        return self._slot(self._words[_STATE] & 1)

    @property
    def telling(self) -> tuple[int, Lost, Spans] | None:
        """What is being told, or was when the agent before this one ended; and the time of it."""
        state = self._words[_STATE]
        if not state & 2:
            return None
        words = self._words[_SPANS : _SPANS + 2 * len(Lost._fields)].tolist()
        spans = dict(zip(Lost._fields, zip(words[::2], words[1::2], strict=True), strict=True))
        return self._words[_SINCE], self._slot(~state & 1), spans

    def tell(self, time: int, up_to: Lost, spans: Spans) -> None:
        """Losses up to here are about to be told, in records observed at that time (boot ns)."""
        slot = self._words[_STATE] & 1
        self._words[_STATE] = slot
        for place, count in enumerate(up_to, _SLOTS[slot ^ 1]):
            self._words[place] = count
        for place, reason in enumerate(Lost._fields):
            self._words[_SPANS + 2 * place], self._words[_SPANS + 2 * place + 1] = spans[reason]
        self._words[_SINCE] = time
        self._words[_STATE] = slot | 2

    def is_told(self) -> None:
        """They are safe. One store: there is no moment at which this is half known."""
        state = self._words[_STATE]
        if state & 2:
            self._words[_STATE] = ~state & 1

    def _slot(self, number: int) -> Lost:
        return Lost._make(self._words[_SLOTS[number] : _SLOTS[number] + len(Lost._fields)].tolist())

    # --- what was counted before these maps were made ------------------------------------------

    @property
    def carried(self) -> KernelCounts | None:
        """What programs counted whose place these have taken; None before `carry`."""
        if not self._words[_CARRIES]:
            return None
        words = self._words[_CARRIED:].tolist()
        sums = [tuple(words[at * NUMBERS : (at + 1) * NUMBERS]) for at in range(5)]
        refused, unread, *others = words[5 * NUMBERS :]
        table, misses = others[: len(TABLE_PROGRAMS)], others[len(TABLE_PROGRAMS) :]
        generated, filtered, folded, lost, submitted = sums
        return KernelCounts(
            generated,
            filtered,
            folded,
            lost,
            submitted,
            table_lost=dict(zip(TABLE_PROGRAMS, table, strict=True)),
            recursion_misses=dict(zip(TRACEPOINTS, misses, strict=False)),
            refused=refused,
            unread=unread,
        )

    def carry(self, counts: KernelCounts) -> None:
        """Count these in from now on."""
        words = [
            *(number for sums in counts.by_number for number in sums),
            *(counts.refused, counts.unread),
            *(counts.table_lost.get(name, 0) for name in TABLE_PROGRAMS),
            *(counts.recursion_misses.get(name, 0) for name in TRACEPOINTS),
        ]
        for place, word in enumerate(words):
            self._words[_CARRIED + place] = word
        self._words[_CARRIES] = 1

    # --- what these maps are -------------------------------------------------------------------

    def write(self, about: Mapping[str, Any]) -> None:
        """Say what was loaded, and how."""
        text = json.dumps(about).encode()
        self._view[PAGE + _LENGTH : PAGE + _LENGTH + len(text)] = text
        self._view[PAGE : PAGE + _LENGTH] = len(text).to_bytes(_LENGTH, "little")

    def read(self) -> dict[str, Any]:
        """What `write` was given; nothing when it cannot be understood."""
        length = int.from_bytes(self._view[PAGE : PAGE + _LENGTH], "little")
        try:
            found = json.loads(bytes(self._view[PAGE + _LENGTH : PAGE + _LENGTH + length]))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._view.release()
        self._memory.close()
