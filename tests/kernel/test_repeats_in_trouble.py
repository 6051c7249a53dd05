"""Repeats that the kernel counted while the spool took nothing, or the ring was behind: none lost.

The agent's own parts around a real tracer and real signals; only the spool's refusal is scripted.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flood import ignorer, loop

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request
from otel_killsnoop.pipeline import Pipeline
from otel_killsnoop.repeats import Repeats
from otel_killsnoop.rooms import ENOUGH
from otel_killsnoop.selected import Selected
from otel_killsnoop.settings import Settings
from otel_killsnoop.settings import load as load_settings
from otel_killsnoop.stations import Stations, offset_ns
from otel_killsnoop.tracer import load, settling
from otel_killsnoop.tracer.options import Options

pytestmark = pytest.mark.kernel

FLOOD = 3_001
SHIPS = {"OTEL_LOGS_EXPORTER": "otlp"}


class World:
    """A tracer that folds, and what an agent makes of it. takes: whether the spool does."""

    def __init__(self, tracer: load.Tracer, number: int, target: int, wanted: Settings) -> None:
        self.tracer = tracer
        self.takes = True
        self.spooled: list[Request] = []
        self._number, self._target = number, target
        self._kill = loop()
        stations = Stations(wanted, tracer.made_at)
        self.pipeline = Pipeline(
            tracer.ring,
            tracer.made_at,
            stations,
            self._put,
            None,
            offset_ns,
            Selected(None, frozenset({number})),
        )
        self.repeats = Repeats(lambda: tracer.folds, tracer.ring, self.pipeline, stations.folded)

    def _put(self, request: Request) -> None:
        if not self.takes:
            raise SpoolError("cannot be written, as the test wants it", "the spool")
        self.spooled.append(request)

    def flood(self) -> None:
        self._kill(self._target, self._number, FLOOD)

    def told(self) -> int:
        """Signals that were told, by the records that were made."""
        return sum(n for facts, n in self.pipeline.signals.items() if facts.number == self._number)


@pytest.fixture
def world(own_number: int) -> Iterator[World]:
    tracer = load.attach(Options(recorded=frozenset({own_number}), burst=1))
    try:
        with ignorer(own_number) as target:
            yield World(tracer, own_number, target, load_settings({}, SHIPS, False))
    finally:
        tracer.close()


def test_what_the_spool_does_not_take_is_told_later(world: World) -> None:
    world.flood()
    world.takes = False
    world.repeats.tell()  # read, and not durable
    assert world.pipeline.pending
    world.flood()
    for _ in range(3):
        world.repeats.tell()
    world.takes = True
    while world.pipeline.step():
        pass
    while world.repeats.tell():
        pass
    assert world.told() == 2 * FLOOD
    assert not world.tracer.folds.unsafe


def test_an_end_with_a_spool_that_takes_nothing_tells_all_the_same(world: World) -> None:
    """As `Rooms.finish` does it: what is given up is counted, what was not read yet is read."""
    world.flood()
    world.takes = False
    world.repeats.tell()
    world.flood()
    world.tracer.detach()
    while world.pipeline.step(last=True):
        pass
    gone = world.pipeline.abandon()
    for _ in range(ENOUGH):
        more = world.repeats.tell()
        gone += world.pipeline.abandon()
        if not more:
            break
    assert world.told() == 2 * FLOOD
    assert gone == sum(world.pipeline.made.values())


def test_a_map_that_cannot_be_read_is_read_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otel_killsnoop.tracer import bpf

    def refuse(*_: object) -> list[tuple[bytes, bytes]]:
        raise OSError(12, "Cannot allocate memory")

    world.flood()
    while world.pipeline.step():
        pass
    with monkeypatch.context() as broken:
        broken.setattr(bpf, "entries", refuse)
        world.repeats.tell()
    for _ in range(2):
        world.repeats.tell()
    assert world.told() == FLOOD
    # And one whose keys cannot be deleted is not read twice, nor for ever left alone.
    world.flood()
    with monkeypatch.context() as broken:
        broken.setattr(bpf, "delete", refuse)
        world.repeats.tell()
    for _ in range(2):
        world.flood()
        while world.pipeline.step():
            pass
        world.repeats.tell()
    assert world.told() == 4 * FLOOD


def test_so_many_kinds_of_signals_ask_for_another_turn(world: World) -> None:
    """A map that is full folds nothing new: it is emptied before it can be."""
    assert not world.repeats.due
    world.pipeline.made["signal"] += 8_000
    assert world.repeats.due
    world.repeats.tell()
    assert not world.repeats.due


@pytest.mark.parametrize("way", ["membarrier", "map"])
def test_who_waits_for_running_programs_is_done_in_the_end(
    way: str, own_number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where membarrier is not to be had, a map that is changed waits as long."""
    if way == "map":
        monkeypatch.setattr(settling, "has_global", lambda: False)
    tracer = load.attach(Options(recorded=frozenset({own_number}), burst=1))
    try:
        with ignorer(own_number) as target:
            kill = loop()
            told = 0
            for moment in range(1, 30):
                kill(target, own_number, 101)
                told += sum(one.fold[2] for one in tracer.folds.take(moment << 20))
                tracer.folds.forget()
            tracer.detach()
            counts = tracer.counts()
    finally:
        tracer.close()
    assert told == counts.folded[own_number] > 0
