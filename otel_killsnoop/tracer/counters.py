"""The kernel program's counters, read from mapped memory without a system call.

One element a CPU (and program): its first word is odd while the program changes the rest, so a
copy between two reads of the same even number adds up.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from struct import Struct

from otel_killsnoop.errors import KernelError
from otel_killsnoop.model import NUMBERS, KernelCounts

ALL_NUMBERS = Struct(f"<Q40x{5 * NUMBERS}QQ6Q")  # struct killsnoop_counts
TABLE = Struct("<QQQQ3Q8x")  # struct killsnoop_table_counts
TABLE_PROGRAMS = ("fork", "exec", "exit", "oom", "attempt", "cgroup")
_TRIES = 100_000  # a program is done within a microsecond

_REFUSED = 1 + 5 * NUMBERS  # word of an element, the spans behind it

ByNumber = tuple[tuple[int, ...], ...]
Span = tuple[int, int]
"""Boot ns of the first and the last."""


def possible_cpus(path: Path = Path("/sys/devices/system/cpu/possible")) -> int:
    """One more than the highest number that a CPU of this machine can have."""
    try:
        text = path.read_text("ascii").strip()
        return int(text.replace(",", "-").split("-")[-1]) + 1
    except (OSError, ValueError) as error:
        what = f"cannot tell how many CPUs there may be, {error}"
        raise KernelError(what, str(path), "mount sysfs there") from error


class Elements:
    """Elements of a mapped array, each read whole. `KernelError` if one never stands still."""

    def __init__(self, memory: mmap.mmap, layout: Struct, count: int) -> None:
        self._memory = memory
        self._layout = layout
        self._count = count
        # One native access a word: a sequence read byte by byte could be torn.
        self._view = memoryview(memory)
        self._words = self._view.cast("Q")

    def all(self) -> list[tuple[int, ...]]:
        """Every element's words, the sequence first."""
        size = self._layout.size
        return [self._one(place * size) for place in range(self._count)]

    def _one(self, at: int) -> tuple[int, ...]:
        words, memory, end = self._words, self._memory, at + self._layout.size
        for _ in range(_TRIES):
            before = words[at >> 3]
            copy = memory[at:end]
            if not before & 1 and words[at >> 3] == before:
                return self._layout.unpack(copy)
        raise KernelError("a counter does not stand still", f"element at {at}", "report it")

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._view.release()
        self._memory.close()


def by_number(elements: Sequence[tuple[int, ...]]) -> ByNumber:
    """Sums over the CPUs: generated, filtered, folded, lost, submitted, each by signal number."""
    sums = [sum(words) for words in zip(*elements, strict=True)][1:]
    return tuple(tuple(sums[at * NUMBERS : (at + 1) * NUMBERS]) for at in range(5))


def refused(elements: Sequence[tuple[int, ...]]) -> int:
    """Of the lost ones, how many were kept out of what is left for lethal signals."""
    return sum(words[_REFUSED] for words in elements)


def table_lost(elements: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Records other than of signals that found no room, by program, over the CPUs."""
    return {
        name: sum(one[2] for one in elements[place :: len(TABLE_PROGRAMS)])
        for place, name in enumerate(TABLE_PROGRAMS)
    }


def refused_span(elements: Sequence[tuple[int, ...]], turn: int) -> Span:
    """When the refused ones were, since the turn was made."""
    return _span([words[_REFUSED + 1 : _REFUSED + 4] for words in elements], turn)


def full_span(elements: Sequence[tuple[int, ...]], turn: int) -> Span:
    """Likewise the other lost ones."""
    return _span([words[_REFUSED + 4 : _REFUSED + 7] for words in elements], turn)


def table_span(elements: Sequence[tuple[int, ...]], turn: int, programs: Collection[str]) -> Span:
    """Likewise those that `table_lost` counts for these programs."""
    count = len(TABLE_PROGRAMS)
    names = (TABLE_PROGRAMS[place % count] for place in range(len(elements)))
    chosen = [one[4:7] for name, one in zip(names, elements, strict=True) if name in programs]
    return _span(chosen, turn)


def _span(spans: Sequence[tuple[int, ...]], turn: int) -> Span:
    """One from those of each CPU; (0, 0) if nothing was ever lost.

    What was lost between a look and its turn stands in the span of the turn before.
    """
    known = [one for one in spans if one[1]]
    fresh = [one for one in known if one[0] == turn] or known
    return min((one[1] for one in fresh), default=0), max((one[2] for one in fresh), default=0)


def added(one: KernelCounts, other: KernelCounts) -> KernelCounts:
    """What both counted."""
    sums = [
        tuple(a + b for a, b in zip(*pair, strict=True))
        for pair in zip(one.by_number, other.by_number, strict=True)
    ]
    generated, filtered, folded, lost, submitted = sums
    return KernelCounts(
        generated,
        filtered,
        folded,
        lost,
        submitted,
        table_lost=_joined(one.table_lost, other.table_lost),
        recursion_misses=_joined(one.recursion_misses, other.recursion_misses),
        refused=one.refused + other.refused,
        lost_between=_spanned(one.lost_between, other.lost_between),
        unread=one.unread + other.unread,
    )


def _joined(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *other)}


def _spanned(one: Mapping[str, Span], other: Mapping[str, Span]) -> dict[str, Span]:
    """From the first to the last of both; (0, 0) where neither says."""
    found = {}
    for name in (*one, *other):
        known = [span for span in (one.get(name), other.get(name)) if span and span[1]]
        found[name] = (min(known)[0], max(span[1] for span in known)) if known else (0, 0)
    return found
