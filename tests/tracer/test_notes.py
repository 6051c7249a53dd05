"""What one agent leaves for the next: whole at every moment, whatever is half done."""

from __future__ import annotations

import mmap

import pytest

from otel_killsnoop.model import NUMBERS, KernelCounts
from otel_killsnoop.tracer.counters import TABLE_PROGRAMS, added
from otel_killsnoop.tracer.members import TRACEPOINTS
from otel_killsnoop.tracer.notes import BYTES, Lost, Notes, lost

FIRST, SECOND = Lost(1, 2, 3, 4, 5, 6), Lost(7, 8, 9, 10, 11, 12)
SPANS = {reason: (place, 10 * place) for place, reason in enumerate(Lost._fields)}
OTHERS = {reason: (20 + place, 30 + place) for place, reason in enumerate(Lost._fields)}


@pytest.fixture
def memory() -> mmap.mmap:
    return mmap.mmap(-1, BYTES)


def counts(factor: int) -> KernelCounts:
    sums = [tuple(factor * (n + 100 * one) for n in range(NUMBERS)) for one in range(1, 6)]
    table = {name: factor * place for place, name in enumerate(TABLE_PROGRAMS)}
    misses = {name: factor * (9 + place) for place, name in enumerate(TRACEPOINTS)}
    return KernelCounts(*sums, table, misses, refused=7 * factor, unread=5 * factor)


def test_new_ones_say_nothing(memory: mmap.mmap) -> None:
    notes = Notes(memory)
    assert (notes.told, notes.telling, notes.carried, notes.read()) == (Lost(), None, None, {})


def test_what_is_being_told_is_told_only_when_it_is_safe(memory: mmap.mmap) -> None:
    Notes(memory).tell(77, FIRST, SPANS)
    assert Notes(memory).told == Lost()
    assert Notes(memory).telling == (77, FIRST, SPANS)
    Notes(memory).is_told()
    assert (Notes(memory).told, Notes(memory).telling) == (FIRST, None)
    Notes(memory).is_told()
    assert Notes(memory).told == FIRST
    Notes(memory).tell(88, SECOND, OTHERS)
    assert (Notes(memory).told, Notes(memory).telling) == (FIRST, (88, SECOND, OTHERS))


def test_killed_after_any_store_it_is_before_or_after(memory: mmap.mmap) -> None:
    """The words as they are after each single store of a telling."""

    class Words:
        def __init__(self, words: memoryview, left: int) -> None:
            self._words, self._left = words, left

        def __getitem__(self, place: int) -> int:
            return self._words[place]

        def __setitem__(self, place: int, value: int) -> None:
            if not self._left:
                raise InterruptedError
            self._left -= 1
            self._words[place] = value

    seen = []
    for stores in range(30):
        one = mmap.mmap(-1, BYTES)
        notes = Notes(one)
        notes.tell(1, FIRST, SPANS)
        notes.is_told()
        notes._words = Words(memoryview(one)[:4096].cast("Q"), stores)  # type: ignore[assignment]
        try:
            notes.tell(2, SECOND, OTHERS)
            notes.is_told()
        except InterruptedError:
            pass
        after = Notes(one)
        if (after.told, after.telling) not in seen:
            seen.append((after.told, after.telling))
    assert seen == [(FIRST, None), (FIRST, (2, SECOND, OTHERS)), (SECOND, None)]


def test_counts_are_carried_whole(memory: mmap.mmap) -> None:
    Notes(memory).carry(counts(3))
    assert Notes(memory).carried == counts(3)
    reasons = {**counts(1).losses(), "ring_full": sum(counts(1).lost) - 7, "ring_short": 7}
    assert lost(counts(1))._asdict() == {**reasons, "unread": 5}


def test_counts_add_up() -> None:
    assert added(counts(2), counts(3)) == counts(5)


def test_the_text_and_the_words_keep_out_of_each_others_way(memory: mmap.mmap) -> None:
    about = {"contract": 4, "mode": "tp_btf", "comms": "x" * 64}
    notes = Notes(memory)
    notes.write(about)
    notes.carry(counts(1))
    notes.tell(5, SECOND, OTHERS)
    assert Notes(memory).read() == about


@pytest.mark.parametrize(
    "raw", [b"\xff\xff\xff\xff{}", b"\2\0\0\0[]", b"\3\0\0\0{a}", b"\2\0\0\0\xff\xfe"]
)
def test_text_that_is_none_says_nothing(memory: mmap.mmap, raw: bytes) -> None:
    memory[4096 : 4096 + len(raw)] = raw
    assert Notes(memory).read() == {}
