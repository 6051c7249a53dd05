"""What the pipeline tells the ledger: after all is durable, before the ring is committed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from made_signals import KILL, OFFSET, joined, process
from made_signals import usual_lineage as lineage

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Death, Event, Joined, Request
from otel_killsnoop.pipeline import Pipeline
from otel_killsnoop.processes.table import Applied
from otel_killsnoop.selected import Selected

MADE_AT = 1000
BATCHES = ((0, 10, 20), (30, 40), (50,))  # positions in the ring


def signal(sequence: int) -> Joined:
    return joined(None, lineage(process(), 3), sequence=sequence)


class World:
    """Ring, stages, spool and notebook in one, which writes down the order of what happens."""

    def __init__(self, reread_to: int = 0, hold: int = 0) -> None:
        self.did: list[object] = []
        self.reread_to = reread_to
        self.again_count = 0
        self.broken = False
        self._hold = hold
        self._batches = list(BATCHES)

    # the ring
    def read(self, _limit: int) -> list[tuple[int, bytes]]:
        return [(one, b"") for one in self._batches.pop(0)] if self._batches else []

    def commit(self, before: int | None = None) -> None:
        self.did.append(("commit", before))

    # the stages
    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]:
        return [signal(MADE_AT + position).signal for position, _ in records]

    def judge(self, events: Sequence[Event], told: int) -> tuple[list[Event], list[Event]]:
        """The last so many of a batch wait until the next."""
        split = max(told, len(events) - self._hold)
        return list(events[:split]), list(events[split:])

    def apply(self, events: Sequence[Event], _waited: int) -> Applied:
        return Applied([signal(one.sequence) for one in events], (), [])

    def encode(self, joined: Sequence[Joined], _offset: int) -> list[Request]:
        return [Request(b"x", len(joined))]

    def encode_deaths(self, _deaths: Sequence[Death], _offset: int) -> list[Request]:
        return []

    def flat(self, _joined: Joined, _offset: int) -> dict[str, object]:
        return {}

    def flat_death(self, _death: Death, _offset: int) -> dict[str, object]:
        return {}

    # the spool
    def put(self, request: Request) -> None:
        if self.broken:
            raise SpoolError("no", "/there", "cure")
        self.did.append(("put", request.records))

    # the notebook
    def again(self, signals: int) -> None:
        self.again_count += signals

    def note(self, waiting: int, reached: int) -> None:
        self.did.append(("note", waiting, reached - MADE_AT))


def pipeline(world: World) -> Pipeline:
    selected = Selected(None, frozenset({KILL.number}))
    return Pipeline(world, MADE_AT, world, world.put, None, lambda: OFFSET, selected, world)


def test_put_then_note_then_commit() -> None:
    world = World()
    one = pipeline(world)
    assert one.step() == 3
    assert world.did[2:] == [("put", 3), ("note", 0, 21), ("commit", None)]


def test_what_waits_is_told_and_stays_in_the_ring() -> None:
    world = World(hold=1)
    one = pipeline(world)
    one.step()
    assert world.did[-3:] == [("put", 2), ("note", 1, 21), ("commit", 20)]
    one.step()
    assert world.did[-3:] == [("put", 2), ("note", 1, 41), ("commit", 40)]
    assert one.made["signal"] == 4


def test_nothing_is_noted_while_the_spool_takes_nothing() -> None:
    world = World()
    one = pipeline(world)
    world.broken = True
    one.step()
    one.step()
    assert world.did == [("note", 0, 0), ("commit", None)], "that was before anything was read"
    world.broken = False
    one.step()
    assert world.did[2:5] == [("put", 3), ("note", 0, 21), ("commit", None)]


@pytest.mark.parametrize(
    ("reread_to", "again"), [(0, 0), (1010, 1), (1021, 3), (1035, 4), (9999, 6)]
)
def test_what_an_agent_before_had_read_is_counted(reread_to: int, again: int) -> None:
    world = World(reread_to=reread_to)
    one = pipeline(world)
    while one.step():
        pass
    assert world.again_count == again
    assert one.made["signal"] == 6
