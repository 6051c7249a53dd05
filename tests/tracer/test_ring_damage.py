"""What no kernel writes: it is refused with a `RingError`, and nothing counts as read."""

from __future__ import annotations

import mmap
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_ring import BUSY, DISCARD, PAGE, SIZE, made_ring

from otel_killsnoop.errors import RingError
from otel_killsnoop.tracer.ring import Ring, map_ring


@pytest.mark.parametrize("end", [8 * 3 + 1, SIZE + 8 * 5, 0, (1 << 64) - 8])
def test_a_position_that_cannot_be_is_refused(end: int) -> None:
    with made_ring(start=24) as (writer, ring):
        writer.advance(end)
        with pytest.raises(RingError, match="producer position"):
            ring.read(9)
        with pytest.raises(RingError, match="producer position"):
            assert ring.pending


@pytest.mark.parametrize("length", [17, 4096, DISCARD - 1, DISCARD | 4096])
def test_a_record_longer_than_what_is_there_is_refused(length: int) -> None:
    with made_ring() as (writer, ring):
        good = writer.write(b"good"), b"good"
        bad = writer.write(bytes(16))
        writer.store(bad, struct.pack("=I", length))
        for _ in range(2):
            with pytest.raises(RingError, match="a record of") as caught:
                ring.read(9)
            assert caught.value.cure
        assert ring.read(1) == [good]


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, 3 * PAGE, 4 * PAGE])
def test_a_size_that_is_not_the_mappings_is_refused(size: int) -> None:
    with pytest.raises(RingError, match="another size"):
        Ring(mmap.mmap(-1, PAGE), mmap.mmap(-1, PAGE + 4 * PAGE), size)


def test_what_cannot_be_mapped_is_an_error_of_the_system() -> None:
    with open(os.devnull, "rb") as file, pytest.raises(OSError, match="Errno"):
        map_ring(file.fileno(), SIZE)


@pytest.mark.parametrize("before", [0, 24, 36, 72, 1 << 64])
def test_a_commit_up_to_what_was_not_read_or_is_gone_is_refused(before: int) -> None:
    with made_ring() as (writer, ring):
        for _ in range(5):
            writer.write(b"four")
        ring.read(2)
        ring.commit()
        ring.read(2)
        with pytest.raises(RingError, match="a commit up to"):
            ring.commit(before)
        assert writer.consumed() == 32


WORDS = st.one_of(
    st.integers(0, SIZE + 64),
    st.sampled_from([BUSY, DISCARD, BUSY | 8, DISCARD | 8, DISCARD - 1, (1 << 32) - 1]),
)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(WORDS, min_size=1, max_size=64),
    st.one_of(st.integers(0, SIZE // 8 + 1).map(lambda n: n * 8), st.integers(0, (1 << 64) - 1)),
    st.integers(0, SIZE).map(lambda n: n * 8),
    st.integers(1, 100),
)
def test_any_memory_is_read_or_refused(
    words: list[int], ahead: int, start: int, limit: int
) -> None:
    consumer, producer = mmap.mmap(-1, PAGE), mmap.mmap(-1, PAGE + 2 * SIZE)
    consumer[:8] = struct.pack("=Q", start)
    producer[:8] = struct.pack("=Q", (start + ahead) % (1 << 64))
    data = (struct.pack(f"={len(words)}I", *words) * SIZE)[:SIZE]
    producer[PAGE:] = data * 2
    ring = Ring(consumer, producer, SIZE)
    last = start - 1
    try:
        for position, raw in ring.read(limit) + ring.read(limit):
            assert last < position <= start + SIZE - len(raw) - 8
            last = position
        ring.commit()
    except RingError:
        assert ring.position <= start + SIZE
    ring.close()
