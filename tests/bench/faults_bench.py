"""The table of faults: what both sums say at the end of each, with a real agent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from accounts import uids
from faults import FAULTS, TARGETS, Outcome, undergo
from ignoring import Targets
from running_agent import RunningAgent

EVENTS = ("generated", "filtered", "folded", "lost", "submitted")
READ = ("submitted", "reread", "undecodable", "left_out", "recorded", "orphaned")
RECORDS = (
    *("recovered", "made", "unnoted", "delivered", "rejected", "evicted", "unspooled"),
    *("missing", "on_disk", "in_memory"),
)


def run(_rounds: int) -> None:
    """Once each: they are counts, not times."""
    print("\n== faults of a far side: the last accounting record of the agent, and what arrived")
    print("   generated = filtered + folded + lost + submitted")
    print("   submitted + reread = undecodable + left out + recorded + orphaned")
    print("   recovered + made + unnoted = delivered + rejected + evicted + unspooled + missing")
    print("                                + on disk + in memory")
    print("   arrived: different records that the far sides took, + those that came twice")
    them = Targets(TARGETS, 20)
    try:
        for fault in FAULTS:
            with tempfile.TemporaryDirectory() as place:
                agent = RunningAgent(Path(place))
                try:
                    _print(str(fault), undergo(fault, agent, them))
                finally:
                    agent.end()
    finally:
        them.end()


def _print(name: str, end: Outcome) -> None:
    def sum_of(kind: str, left: int, names: tuple[str, ...]) -> str:
        values = [str(end.told[f"{kind}.{one}"]) for one in names]
        return f"{' + '.join(values[:left])} = {' + '.join(values[left:])}"

    different = len(uids(end.arrived))
    arrived = f"{different} + {len(end.arrived) - different}"
    print(
        f"{name:34}  {sum_of('events', 1, EVENTS):30}  {sum_of('events', 2, READ):28}  "
        f"{sum_of('records', 3, RECORDS):46}  {arrived}",
        flush=True,
    )
