"""Nobody takes records for so long that the spool is full: the oldest go, counted and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounts import check_all, from_us, gaps, logs_in, metrics_in, newest
from far_sides import HttpDestination, Said
from real_collector import wait_until
from real_processes import RARE_NAME
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

LIMIT = 4 << 20
TARGETS, SIZE = 100, 12_000
SELECT = ("--print", "none", "-i", RARE_NAME, "--args", "full")


def on_disk(spool: Path) -> int:
    """Bytes of the spool's files, in whole blocks."""
    return sum(-(-one.stat().st_size // 4096) * 4096 for one in spool.glob("*.otlp.gz"))


def test_the_oldest_are_evicted_counted_and_told(
    agent: RunningAgent, far_side: HttpDestination, targets: Any
) -> None:
    far_side.rule = lambda got: Said(503 if got.path.endswith("/v1/logs") else 200)
    them = targets(TARGETS, SIZE)
    agent.start(
        *SELECT,
        *("--spool-limit", str(LIMIT)),
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
    )
    largest = 0
    for _ in range(20):
        them.signal_each(1, 0.15)
        largest = max(largest, on_disk(agent.spool))
    wait_until(lambda: "oldest records go" in agent.log(), 20, "the spool to be full", agent.log)
    assert LIMIT // 2 < largest <= LIMIT
    far_side.got.clear()
    far_side.rule = lambda got: Said()
    # The first delivery lets the loss be told, in a record that is delivered too.
    wait_until(
        lambda: gaps(logs_in(list(far_side.got)))["evicted"] > 0, 40, "the gap record", agent.log
    )
    assert agent.stop() == 0
    arrived = logs_in(far_side.got)
    metrics = newest(metrics_in(far_side.got))
    check_all(metrics, arrived)
    evicted = metrics["killsnoop.records.evicted"].total()
    rare = from_us(arrived, RARE_NAME)
    assert 0 < evicted < them.sent
    assert gaps(arrived) == {"evicted": evicted}
    assert len(rare) >= them.sent - evicted
    assert metrics["killsnoop.events.lost"]["evicted"] == evicted
