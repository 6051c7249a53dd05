"""Batches on their way: how many requests they become, and that nothing gets lost among them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from made_signals import BOOT_ID, KILL, OBSERVED, OFFSET, RESOURCE, death, joined, process
from made_signals import usual_lineage as lineage
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otel_killsnoop.model import Death, Event, Joined, Request
from otel_killsnoop.pipeline import REQUEST, Pipeline
from otel_killsnoop.processes.joining import Applied
from otel_killsnoop.records.exit import ExitEncoder
from otel_killsnoop.records.record import Encoder
from otel_killsnoop.selected import Selected


class Once:
    """A ring with one record."""

    def __init__(self) -> None:
        self.left = 1

    def read(self, _limit: int) -> list[tuple[int, bytes]]:
        self.left -= 1
        return [(0, b"")] if self.left == 0 else []

    def commit(self, before: int | None = None) -> None:
        """Nothing waits here."""
        assert before is None


class Encoding:
    """Stages of which only the last two do something."""

    def __init__(self, joined: list[Joined], deaths: list[Death]) -> None:
        self._applied = Applied(joined, (), deaths)
        self._signals = Encoder(RESOURCE, BOOT_ID, 8, OFFSET)
        self._exits = ExitEncoder(RESOURCE, BOOT_ID, 8, OFFSET, target=self._signals.target)

    def decode(self, _records: list[tuple[int, bytes]]) -> list[Event]:
        return []

    def judge(self, events: Sequence[Event], _told: int) -> tuple[list[Event], list[Event]]:
        return list(events), []

    def apply(self, _events: Sequence[Event], _waited: int) -> Applied:
        return self._applied

    def encode(self, joined: Sequence[Joined], offset: int) -> list[Request]:
        return self._signals.encode(joined, offset, OBSERVED)

    def encode_deaths(self, deaths: Sequence[Death], offset: int) -> list[Request]:
        return self._exits.encode(deaths, offset, OBSERVED)

    def flat(self, _joined: Joined, _offset: int) -> dict[str, object]:
        return {}

    def flat_death(self, _death: Death, _offset: int) -> dict[str, object]:
        return {}


@pytest.mark.parametrize(("lives", "length", "requests"), [(1, 9, 1), (40, 9, 1), (90, 9000, 4)])
def test_signals_and_deaths_share_requests(lives: int, length: int, requests: int) -> None:
    targets = [lineage(process(pid=100 + n, args=(b"x" * length,)), 3) for n in range(lives)]
    signals = [joined(None, target, sequence=n) for n, target in enumerate(targets)]
    deaths = [death(target, KILL.number, sequence=lives + n) for n, target in enumerate(targets)]
    put: list[Request] = []
    pipeline = Pipeline(
        Once(), 0, Encoding(signals, deaths), put.append, None, lambda: OFFSET,
        Selected(None, frozenset({KILL.number})),
    )  # fmt: skip
    assert pipeline.step() == 1
    assert len(put) <= requests
    assert all(len(one.body) <= REQUEST for one in put)
    events = []
    for request in put:
        message = ExportLogsServiceRequest.FromString(request.body)
        told = [
            record.event_name
            for group in message.resource_logs
            for scope in group.scope_logs
            for record in scope.log_records
        ]
        assert len(told) == request.records
        events += told
    assert events == ["killsnoop.signal"] * lives + ["killsnoop.exit"] * lives
