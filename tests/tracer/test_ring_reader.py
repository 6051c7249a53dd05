"""The ring's reader, on memory laid out as the kernel lays it out."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from made_ring import DISCARD, PAGE, SIZE, Writer, made_ring, payload

from otel_killsnoop.tracer.ring import Ring, map_ring

Made = Callable[..., tuple[Writer, Ring]]


@pytest.fixture
def made() -> Iterator[Made]:
    """made(size=, start=): a writer, and the reader of its ring."""
    with ExitStack() as opened:
        yield lambda **how: opened.enter_context(made_ring(**how))


def test_records_are_read_in_order_with_their_positions(made: Made) -> None:
    writer, ring = made()
    written = [(writer.write(payload(n, n)), payload(n, n)) for n in range(40)]
    assert ring.read(100) == written
    assert ring.read(100) == []
    assert ring.position == writer.position


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 160, 1001])
def test_a_record_across_the_end_is_in_one_piece_wherever_it_lies(made: Made, length: int) -> None:
    space = (length + 15) // 8 * 8
    for start in range(SIZE - space, SIZE + 8, 8):
        writer, ring = made(start=start)
        record = writer.write(payload(start, length)), payload(start, length)
        after = writer.write(b"after"), b"after"
        assert record[0] == start
        assert ring.read(9) == [record, after]


def test_nothing_is_given_back_before_the_commit(made: Made) -> None:
    writer, ring = made()
    writer.write(b"one")
    ring.read(9)
    assert (writer.consumed(), ring.pending) == (0, 16)
    ring.commit()
    assert (writer.consumed(), ring.pending) == (16, 0)
    writer.write(b"two")
    assert (writer.consumed(), ring.pending, ring.position) == (16, 16, 16)


def test_a_commit_may_keep_the_last_records(made: Made) -> None:
    writer, ring = made()
    written = [(writer.write(bytes([n])), bytes([n])) for n in range(4)]
    ring.read(3)
    ring.commit(before=written[1][0])
    assert (writer.consumed(), ring.position) == (16, 48)
    assert ring.read(9) == written[3:]
    ring.rewind()
    assert ring.read(9) == written[1:]
    ring.commit()
    assert writer.consumed() == writer.position


def test_a_full_ring_is_read_whole(made: Made) -> None:
    writer, ring = made()
    written = []
    while (position := writer.reserve(24)) is not None:
        writer.finish(position, payload(position, 24))
        written.append((position, payload(position, 24)))
    assert len(written) == SIZE // 32 - 1
    assert ring.read(SIZE) == written
    ring.commit()
    assert writer.reserve(24) is not None


def test_the_limit_counts_what_is_returned(made: Made) -> None:
    writer, ring = made()
    for n in range(10):
        writer.write(bytes([n]), DISCARD if n % 2 else 0)
    assert [raw for _, raw in ring.read(2)] == [b"\0", b"\2"]
    assert ring.read(0) == ring.read(-1) == []
    assert [raw for _, raw in ring.read(100)] == [b"\4", b"\6", b"\x08"]
    assert ring.position == writer.position


def test_a_rewind_goes_back_to_the_last_commit(made: Made) -> None:
    writer, ring = made()
    written = [(writer.write(bytes([n])), bytes([n])) for n in range(6)]
    assert ring.read(2) == written[:2]
    ring.commit()
    assert ring.read(3) == written[2:5]
    ring.rewind()
    assert ring.position == 32
    assert ring.read(9) == written[2:]


def test_a_busy_record_ends_the_batch_and_is_come_back_to(made: Made) -> None:
    writer, ring = made()
    first = writer.write(b"first")
    busy = writer.reserve(6)
    last = writer.write(b"last")
    assert busy is not None
    assert ring.read(9) == [(first, b"first")]
    assert ring.read(9) == []
    ring.commit()
    assert writer.consumed() == busy
    writer.finish(busy, b"second")
    assert ring.read(9) == [(busy, b"second"), (last, b"last")]


def test_discarded_records_are_left_out_and_given_back(made: Made) -> None:
    writer, ring = made()
    writer.write(b"never", DISCARD)
    writer.write(b"mind", DISCARD)
    assert ring.read(9) == []
    ring.commit()
    assert writer.consumed() == writer.position


def test_what_is_read_is_a_copy(made: Made) -> None:
    writer, ring = made()
    writer.write(b"before")
    ((_, raw),) = ring.read(1)
    ring.commit()
    writer.store(8, b"behind")
    assert raw == b"before"


def test_a_successor_begins_at_the_last_commit(made: Made) -> None:
    writer, ring = made(start=SIZE * 5 + 40)
    written = [(writer.write(bytes([n])), bytes([n])) for n in range(4)]
    ring.read(1)
    ring.commit()
    ring.read(2)
    ring.close()
    successor = map_ring(writer.fd, SIZE)
    assert successor.read(9) == written[1:]
    successor.close()


def test_positions_beyond_32_bits(made: Made) -> None:
    start = (1 << 40) - 16
    writer, ring = made(start=start)
    assert [writer.write(b"x" * 8) for _ in range(3)] == [start, start + 16, start + 32]
    assert [position for position, _ in ring.read(9)] == [start, start + 16, start + 32]
    ring.commit()
    assert writer.consumed() == start + 48


def test_the_fence_parts_positions_headers_payloads_and_the_commit() -> None:
    """Each stage sees what the fence before it brought, and nothing later."""
    writer = Writer()
    stages: list[Callable[[], None]] = []
    ring = map_ring(writer.fd, SIZE, lambda: stages.pop(0)())
    position = writer.reserve(4)
    assert position is not None
    stages += [
        lambda: writer.store(position, struct.pack("=I", 4)),  # the header, after the position
        lambda: writer.store(position + 8, b"late"),  # the payload, after the header
    ]
    assert ring.read(9) == [(position, b"late")]
    before = []
    stages.append(lambda: before.append(writer.consumed()))
    ring.commit()
    assert (before, stages, writer.consumed()) == ([0], [], 16)
    assert ring.read(9) == []  # with nothing there it costs no fence
    ring.commit()
    ring.close()
    writer.close()


def test_close_undoes_both_mappings_and_may_be_repeated() -> None:
    consumer, producer = mmap.mmap(-1, PAGE), mmap.mmap(-1, PAGE + 2 * SIZE)
    ring = Ring(consumer, producer, SIZE)
    ring.close()
    ring.close()
    assert consumer.closed
    assert producer.closed
