"""The real Collector is away while many pairs send, and comes back: what was kept, how it drains.

For a test, and for the bench that prints the figures of the very same.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from accounts import Metrics, check_all, gaps, newest, owed, uids
from otlp_json import LogRecord, log_records
from pairs import Pairs
from real_collector import Collector, Tail, wait_until
from running_agent import RunningAgent

NUMBER, NAME = 60, "SIGRTMIN+26"  # not that of the floods, which may run beside it
KEPT = ("killsnoop.event", "killsnoop.lost.reason", "killsnoop.lost.count", "log.record.uid")


class Outage(NamedTuple):
    """sent: signals in all.  kept: records in the spool when the Collector came back.

    kept_bytes: what they took, in whole blocks.  files: how many requests they were.  drained:
    seconds from the first of them to leave the spool to the last.  late: by how much the slowest
    sender was.  arrived: without what takes room.  ours: records of our signals among them.
    """

    sent: int
    kept: int
    kept_bytes: int
    files: int
    drained: float
    late: float
    metrics: Metrics
    arrived: list[LogRecord]
    ours: int
    log: str


class Arrivals:
    """What is at the Collector's backend, without what takes room: there may be a million."""

    def __init__(self, collector: Collector, senders: set[int]) -> None:
        self._tail = Tail(collector.directory / "logs.jsonl")
        self._senders = senders
        self.records: list[LogRecord] = []
        self._ours: set[str] = set()

    def look(self) -> int:
        """How many different records of our signals there are."""
        for one in log_records(self._tail.new_lines()):
            if one.resource.get("killsnoop.source.process.pid") in self._senders:
                self._ours.add(one.attributes["log.record.uid"])
            event = one.attributes["killsnoop.event"]
            attributes = one.attributes
            if event != "accounting":
                attributes = {name: attributes[name] for name in KEPT if name in attributes}
            self.records.append(one._replace(resource={}, attributes=attributes, body=""))
        return len(self._ours)


def undergo(
    agent: RunningAgent, real: Collector, pairs: Pairs, protocol: str, seconds: int, rate: int
) -> Outage:
    """The Collector runs; it is away for so many seconds, at so many signals a second.

    Both sums are checked, and that nothing was lost.
    """
    agent.start(
        *("--print", "none", "-i", NAME),
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=real.grpc_url if protocol == "grpc" else real.http_url,
    )
    arrivals = Arrivals(real, pairs.pids)
    pairs.begin(rate, rate)
    pairs.end()
    wait_until(lambda: arrivals.look() == rate, 60, "the first second", agent.log)
    real.stop()
    pairs.begin(rate, rate * seconds)
    late = pairs.end()
    time.sleep(1)  # for what is on its way into the spool
    files = [one.name for one in agent.spool.glob("*.otlp.gz")]
    kept = sum(int(name.split("-")[1]) for name in files)
    size = sum(-(-int(name.split("-")[2].split(".")[0]) // 4096) * 4096 for name in files)
    oldest = min(files)
    real.start()
    wait_until(lambda: not (agent.spool / oldest).exists(), 60, "the first to be sent", agent.log)
    began = time.monotonic()
    wait_until(lambda: not list(agent.spool.glob("*.otlp.gz")), 600, "all to be sent", agent.log)
    drained = time.monotonic() - began
    assert agent.stop() == 0
    sent = rate * (seconds + 1)

    def all_there() -> bool:
        arrivals.look()
        points = real.metrics()
        return bool(points) and len(uids(arrivals.records)) == owed(newest(points)) >= sent

    wait_until(all_there, 300, "the last metrics and the records that they count", agent.log)
    metrics = newest(real.metrics())
    # The answer to the request in flight may have died with the Collector.
    check_all(metrics, arrivals.records, duplicates=2048)
    assert not gaps(arrivals.records)
    return Outage(
        *(sent, kept, size, len(files), drained, late, metrics),
        *(arrivals.records, arrivals.look(), agent.log()),
    )
