"""The agent is killed and started again: its accounts go on, and what is unknown is told.

Whether its successor goes on with the kernel's ring or begins a new one: what the far side has is
what both sums say, over all the agents that there were.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from accounts import accounting, check_all, from_us, logs_in, metrics_in, newest, total, uids
from far_sides import HttpDestination, Said
from otlp_binary import unix_ns
from real_processes import RARE_NAME
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

TARGETS = 20
KILLS = 4


@pytest.mark.parametrize("far", ["there", "away"])
def test_the_accounts_go_on_over_sigkill(
    agent: RunningAgent, far_side: HttpDestination, targets: Any, far: str
) -> None:
    if far == "away":
        far_side.rule = lambda got: Said(503)
    them = targets(TARGETS)

    def start() -> None:
        agent.start(
            *("--print", "none", "-i", RARE_NAME),
            OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
            OTEL_METRIC_EXPORT_INTERVAL="150",
        )

    generated, began = 0, time.time_ns()
    for number in range(KILLS):
        start()
        them.signal_each(3 + number, 0.03)
        # Not at a quiet moment: what was sent last is on its way through the agent.
        agent.stop(signal.SIGKILL)
        if far == "there":
            points = metrics_in(list(far_side.got))
            seen = total(newest(points), "killsnoop.events.generated") if points else 0
            assert seen >= generated, "a counter went back"
            generated = seen
    far_side.rule = lambda got: Said()
    if far == "away":
        far_side.got.clear()
    start()
    them.signal_each(5, 0.03)
    assert agent.stop() == 0

    arrived = logs_in(far_side.got)
    metrics = newest(metrics_in(far_side.got))
    check_all(metrics, arrived, duplicates=KILLS * 20 * TARGETS)
    assert total(metrics, "killsnoop.records.missing") == 0
    assert total(metrics, "killsnoop.records.recovered") == 0
    assert total(metrics, "killsnoop.events.generated") >= generated
    # Each that could not be followed by its own ring has left a gap, which says from when on.
    told = {
        one.attributes["log.record.uid"]: one
        for one in arrived
        if one.attributes.get("killsnoop.lost.reason") == "orphaned"
    }.values()
    orphaned = total(metrics, "killsnoop.events.orphaned")
    assert sum(one.attributes["killsnoop.lost.count"] for one in told) == orphaned
    for one in told:
        last = unix_ns(one.attributes["killsnoop.lost.last_time"])
        assert began < one.time < last < one.observed_time
    rare = uids(from_us(arrived, RARE_NAME))
    if not told:  # the ring was pinned
        assert len(rare) == them.sent
        assert orphaned == 0
    else:
        # One that was killed before it noted anything is told of with the one before.
        assert 1 <= len(told) <= KILLS
        assert len(rare) <= them.sent
    assert len(accounting(arrived)) == 1


def test_a_stop_in_good_order_leaves_no_gap(
    agent: RunningAgent, far_side: HttpDestination, targets: Any
) -> None:
    them = targets(TARGETS)
    for _ in range(3):
        agent.start(
            *("--print", "none", "-i", RARE_NAME),
            OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
        )
        them.signal_each(5, 0.02)
        assert agent.stop() == 0
        arrived = logs_in(far_side.got)
        metrics = newest(metrics_in(far_side.got))
        check_all(metrics, arrived)
        assert len(from_us(arrived, RARE_NAME)) == them.sent
        assert total(metrics, "killsnoop.events.submitted") >= them.sent
    assert not [one for one in arrived if one.attributes["killsnoop.event"] == "gap"]
    told = accounting(arrived)
    assert [one["records.made"] for one in told] == sorted(one["records.made"] for one in told)
    assert len(told) == 3
    assert len({one["accounting.since"] for one in told}) == 1
