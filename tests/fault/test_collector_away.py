"""The real Collector is stopped under a running agent, and comes back: nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from accounts import check_all, from_us, gaps, newest, owed, total, uids
from real_collector import Collector, wait_until
from real_processes import RARE_NAME
from running_agent import RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

PAIRS, PAUSE = 30, 0.1  # a signal to each, ten times a second
AWAY = 50  # rounds without a Collector


def arrived(real: Collector) -> int:
    """How many signals of ours are at the Collector's backend."""
    return len(uids(from_us(real.records(), RARE_NAME)))


@pytest.mark.parametrize(
    ("protocol", "how"), [("http/protobuf", signal.SIGTERM), ("grpc", signal.SIGKILL)]
)
def test_down_and_back_under_load(
    agent: RunningAgent,
    collector: Callable[..., Collector],
    targets: Any,
    protocol: str,
    how: signal.Signals,
) -> None:
    real = collector()
    them = targets(PAIRS)
    url = real.grpc_url if protocol == "grpc" else real.http_url
    agent.start(
        *("--print", "none", "-i", RARE_NAME),
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
    )
    them.signal_each(10, PAUSE)
    real.wait_records(PAIRS, lambda one: one.attributes["killsnoop.event"] == "signal")
    real.stop(how)
    them.signal_each(AWAY, PAUSE)
    assert not agent.is_gone()
    assert list(agent.spool.glob("*.otlp.gz")), "where is what the Collector did not get?"
    real.start()
    them.signal_each(10, PAUSE)
    wait_until(lambda: arrived(real) == them.sent, 40, "all signals", agent.log)
    assert agent.stop() == 0
    assert not list(agent.spool.glob("*.otlp.gz"))

    def all_told() -> bool:
        """The Collector has a queue of its own, before its backend."""
        points = real.metrics()
        return bool(points) and len(uids(real.records())) == owed(newest(points)) >= them.sent

    wait_until(
        all_told,
        20,
        "the last metrics and the records that they count",
        lambda: f"{len(uids(real.records()))} of {real.metrics() and newest(real.metrics())}",
    )
    metrics = newest(real.metrics())
    # The answer to the request in flight may have died with the Collector.
    check_all(metrics, real.records(), duplicates=20 * PAIRS)
    assert arrived(real) == them.sent
    assert not gaps(real.records())
    assert total(metrics, "killsnoop.records.evicted") == 0
    assert agent.log().count("takes no records now") == 1, agent.log()
    assert agent.log().count("takes records again") == 1
