"""A destination that is not what it should be: everything is kept until somebody puts it right."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import check_all, from_us, gaps, logs_in, metrics_in, newest
from far_sides import Got, HttpDestination, Said
from real_collector import wait_until
from real_processes import RARE_NAME
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

HTML = (("Content-Type", "text/html"),)


@pytest.mark.parametrize("status", [302, 401])
def test_kept_tried_slowly_and_told_in_one_line(
    agent: RunningAgent, far_side: HttpDestination, targets: Any, status: int
) -> None:
    login = far_side.url.replace("/v1/logs", "/login")

    def wrong(got: Got) -> Said:
        if got.path.endswith("/login"):
            return Said(200, b"<h1>Log in</h1>", HTML)
        return Said(status, b"<h1>Who are you?</h1>", (*HTML, ("Location", login)))

    far_side.rule = wrong
    them = targets(20)
    agent.start(
        *("--print", "none", "-i", RARE_NAME),
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
    )
    them.signal_each(10, 0.1)
    wait_until(lambda: bool(far_side.got), 20, "a request", agent.log)
    assert agent.stop() == 0
    # It tried at the beginning, and once more at the end; it followed nothing.
    assert {one.path for one in far_side.got} <= {"POST /v1/logs", "POST /v1/metrics"}
    assert len([one for one in far_side.got if one.path.endswith("/v1/logs")]) <= 3
    [line] = [one for one in agent.log().splitlines() if "will not have it" in one]
    assert f"HTTP {status}" in line
    assert "OTEL_EXPORTER_OTLP_" in line
    assert "stay in the spool" in agent.log()

    # Somebody puts it right, and starts the agent again.
    far_side.rule = lambda got: Said()
    far_side.got.clear()
    agent.start(
        *("--print", "none", "-i", RARE_NAME),
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
    )
    them.signal_each(10, 0.1)
    assert agent.stop() == 0
    arrived = logs_in(far_side.got)
    metrics = newest(metrics_in(far_side.got))
    check_all(metrics, arrived)
    assert metrics["killsnoop.records.recovered"].total() == 0, "the ledger told of them"
    assert len(from_us(arrived, RARE_NAME)) == them.sent == 400
    assert not gaps(arrived)
