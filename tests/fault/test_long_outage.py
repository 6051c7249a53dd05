"""The real Collector is down for ten minutes at 1,000 signals a second; in `make test` for 10 s."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from accounts import total
from outage import NUMBER, undergo
from pairs import Pairs
from real_collector import Collector
from running_agent import RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

PAIRS, RATE = 200, 1000
A_MIB = 2500  # records that it holds at the least; docs/delivery.md says how many it is


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("seconds", [10, pytest.param(600, marks=pytest.mark.nightly)])
def test_all_that_was_kept_arrives(
    agent: RunningAgent, collector: Callable[..., Collector], protocol: str, seconds: int
) -> None:
    with Pairs(NUMBER, PAIRS) as pairs:
        end = undergo(agent, collector(), pairs, protocol, seconds, RATE)
    assert end.ours == end.sent == RATE * (seconds + 1)
    assert end.kept >= RATE * (seconds - 1)
    assert total(end.metrics, "killsnoop.records.evicted") == 0
    assert end.kept / (end.kept_bytes / (1 << 20)) > A_MIB, (end.kept, end.kept_bytes, end.files)
    assert end.log.count("takes no records now") == 1
    assert end.log.count("takes records again") == 1
