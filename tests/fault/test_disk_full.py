"""The spool's disk is full, or read-only: the agent goes on from memory, and recovers alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import check_all, from_us, gaps, logs_in, metrics_in, newest
from far_sides import Got, HttpDestination, Said
from real_collector import wait_until
from real_processes import RARE_NAME
from running_agent import RunningAgent
from trouble import SmallDisk

pytestmark = pytest.mark.kernel

TARGETS = 20
SELECT = ("--print", "none", "-i", RARE_NAME)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """2 MiB in all."""
    one = SmallDisk(tmp_path / "disk")
    yield one
    one.gone()


def in_memory(got: list[Got]) -> int:
    """By the newest metrics; -1 before there are any."""
    points = metrics_in(list(got))
    return newest(points)["killsnoop.records.in_memory"].total() if points else -1


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_sent_from_memory_and_saved_when_the_disk_is_well(
    agent: RunningAgent, far_side: HttpDestination, targets: Any, disk: SmallDisk, trouble: str
) -> None:
    agent.spool = disk.path / "spool"
    them = targets(TARGETS)
    agent.start(
        *SELECT,
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
        OTEL_METRIC_EXPORT_INTERVAL="200",
    )
    them.signal_each(5, 0.05)
    wait_until(
        lambda: len(from_us(logs_in(list(far_side.got)), RARE_NAME)) == them.sent,
        20,
        "the first signals",
    )
    filler = disk.fill() if trouble == "full" else None
    if trouble == "read-only":
        disk.read_only(True)

    # There is a destination: all goes there, by way of the memory.
    them.signal_each(10, 0.05)
    wait_until(
        lambda: len(from_us(logs_in(list(far_side.got)), RARE_NAME)) == them.sent,
        20,
        "what was sent from memory",
        agent.log,
    )

    # There is none: all waits in memory, and is told to be there.
    far_side.rule = lambda got: Said(503 if got.path.endswith("/v1/logs") else 200)
    them.signal_each(10, 0.05)
    wait_until(lambda: in_memory(far_side.got) >= 10 * TARGETS, 20, "records in memory", agent.log)
    assert not list(agent.spool.glob("*.otlp.gz")) or trouble == "read-only"

    # The disk is well again: all gets there, though the destination is still away.
    if filler is not None:
        filler.unlink()
    else:
        disk.read_only(False)
    wait_until(lambda: in_memory(far_side.got) == 0, 20, "the memory to be saved", agent.log)
    assert list(agent.spool.glob("*.otlp.gz"))

    refused = len([one for one in far_side.got if one.path.endswith("/v1/logs")])
    seen = {one.body for one in far_side.got}
    far_side.rule = lambda got: Said()
    assert agent.stop() == 0
    metrics = newest(metrics_in(far_side.got))
    # Requests that were answered with 503 came again, the same to the byte.
    assert refused
    once = {one.body: one for one in far_side.got if one.path.endswith("/v1/logs")}
    assert seen & set(once)
    arrived = logs_in(once.values())
    check_all(metrics, arrived)
    assert len(from_us(arrived, RARE_NAME)) == them.sent
    assert not gaps(arrived)
    assert metrics["killsnoop.records.unspooled"].total() == 0
    assert not list(agent.spool.glob("*.otlp.gz"))
    assert agent.log().count("held in memory, at most 8 MiB") == 1, agent.log()
    assert agent.log().count("can be written again") == 1
