"""How fast a spool drains into the real Collector after an outage, and what it holds a MiB."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from outage import NUMBER, Outage, undergo
from pairs import Pairs
from real_collector import REPOSITORY, Collector
from report import Row, table
from running_agent import RunningAgent

SECONDS, RATE, PAIRS = 60, 1000, 200
PROTOCOLS = ("http/protobuf", "grpc")


def run(rounds: int) -> None:
    """Two rounds: each takes two minutes."""
    made = subprocess.run(
        [REPOSITORY / "tools" / "collector"], stdout=subprocess.PIPE, check=True, text=True
    )
    speed = {one: Row(f"drained over {one}", "records/s") for one in PROTOCOLS}
    a_mib = Row("held in the spool", "records/MiB")
    files = Row("records in a request", "records")
    with Pairs(NUMBER, PAIRS) as pairs:
        for _ in range(min(2, rounds)):
            for protocol, row in speed.items():
                end = _once(made.stdout.strip(), pairs, protocol)
                row.values.append(end.kept / end.drained)
                a_mib.values.append(end.kept / (end.kept_bytes / (1 << 20)))
                files.values.append(end.kept / end.files)
    title = f"an outage of {SECONDS} s at {RATE:,}/s from {PAIRS} pairs, the real Collector"
    notes = (
        "From the first file to leave the spool to the last; the Collector writes what it gets to",
        "files on this machine. Nothing was lost, and both sums held, or there would be no table.",
    )
    table(title, [*speed.values(), a_mib, files], notes)


def _once(binary: str, pairs: Pairs, protocol: str) -> Outage:
    with tempfile.TemporaryDirectory() as place:
        for name in ("collector", "agent"):
            Path(place, name).mkdir()
        real = Collector(binary, Path(place, "collector"))
        agent = RunningAgent(Path(place, "agent"))
        real.start()
        try:
            return undergo(agent, real, pairs, protocol, SECONDS, RATE)
        finally:
            agent.end()
            real.stop()
