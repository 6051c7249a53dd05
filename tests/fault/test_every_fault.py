"""Every fault of a far side, under a whole agent: nothing lost, and both sums say so."""

from __future__ import annotations

from typing import Any

import pytest
from accounts import from_us, gaps
from faults import FAULTS, ROUNDS, TARGETS, Fault, undergo
from real_processes import RARE_NAME
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_both_sums_hold_and_the_log_has_one_line(
    agent: RunningAgent, targets: Any, fault: Fault
) -> None:
    them = targets(TARGETS)
    end = undergo(fault, agent, them)
    rare = from_us(end.arrived, RARE_NAME)
    if fault.refuses == "one":
        assert end.refused == ROUNDS
    elif fault.refuses == "first":
        assert end.refused > 0
    else:
        assert end.refused == 0
        assert not gaps(end.arrived)
    if fault.refuses == "first":  # which may be those of deaths or of others' signals
        assert end.sent - end.refused <= len(rare) < end.sent
    else:
        assert len({one.attributes["log.record.uid"] for one in rare}) == end.sent - end.refused
    if fault.refuses == "first":  # a gap record that was the first of its request was refused too
        assert gaps(end.arrived)["rejected"] <= end.refused
    else:
        assert gaps(end.arrived)["rejected"] == end.refused
    lines = [line for line in end.log.splitlines() if " WARN" in line or " ERROR" in line]
    if fault.says:
        assert len([line for line in lines if fault.says in line]) == 1, end.log
