"""A writer and a reader against a model, over many rounds of a small ring."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from made_ring import DISCARD, SIZE, Writer, made_ring, payload

from otel_killsnoop.tracer.ring import map_ring


class WriterAndReader(RuleBasedStateMachine):
    """Whatever the two sides do in turn: each record is read once, in order, and none is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = Writer(start=SIZE - 64)
        self.ring = map_ring(self.writer.fd, SIZE)
        self.number = 0
        self.busy: dict[int, bytes] = {}
        self.kept: list[tuple[int, bytes]] = []  # all that were not discarded, in order
        self.committed = self.read = 0  # how many of these

    def teardown(self) -> None:
        self.ring.close()
        self.writer.close()

    @rule(length=st.integers(0, 1500))
    def reserve(self, length: int) -> None:
        self.number += 1
        position = self.writer.reserve(length)
        if position is not None:
            self.busy[position] = payload(self.number, length)
            self.kept.append((position, self.busy[position]))

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), discard=st.booleans())
    def finish(self, data: st.DataObject, discard: bool) -> None:
        position = data.draw(st.sampled_from(sorted(self.busy)))
        raw = self.busy.pop(position)
        self.writer.finish(position, raw, DISCARD if discard else 0)
        if discard:
            self.kept.remove((position, raw))

    @rule(limit=st.integers(0, 9))
    def take(self, limit: int) -> None:
        ready = self.kept[self.read :]
        if self.busy:
            ready = [one for one in ready if one[0] < min(self.busy)]
        assert self.ring.read(limit) == ready[:limit]
        self.read += len(ready[:limit])

    @rule()
    def commit(self) -> None:
        self.ring.commit()
        self.committed = self.read

    @precondition(lambda self: self.committed < self.read)
    @rule(data=st.data())
    def commit_before(self, data: st.DataObject) -> None:
        self.committed = data.draw(st.integers(self.committed, self.read - 1))
        self.ring.commit(self.kept[self.committed][0])

    @rule()
    def rewind(self) -> None:
        self.ring.rewind()
        self.read = self.committed

    @invariant()
    def positions_agree(self) -> None:
        assert self.ring.pending == self.writer.position - self.writer.consumed()
        assert self.writer.consumed() <= self.ring.position <= self.writer.position


TestWriterAndReader = WriterAndReader.TestCase
TestWriterAndReader.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=40), st.integers(1, 20))
def test_every_record_comes_once_over_many_rounds(lengths: list[int], limit: int) -> None:
    written: list[tuple[int, bytes]] = []
    read: list[tuple[int, bytes]] = []
    with made_ring() as (writer, ring):
        while writer.position < 12 * SIZE:
            raw = payload(len(written), lengths[len(written) % len(lengths)])
            position = writer.reserve(len(raw))
            if position is None:
                read += ring.read(limit)
                ring.commit()
            else:
                writer.finish(position, raw)
                written.append((position, raw))
        while batch := ring.read(limit):
            read += batch
    assert read == written
