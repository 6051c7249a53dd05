"""Both sums: of the signals in the kernel, of the records in the agent; and what arrived.

`generated = filtered + folded + lost + submitted`, and
`submitted = undecodable + left out + recorded`, of whose records, with those of exits, gaps and
repeats, `recovered + made = delivered + rejected + evicted + unspooled + on disk + in memory`.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable

import otlp_binary
from far_sides import Got
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from otlp_json import LogRecord, MetricPoint, metric_points

Metrics = dict[str, Counter[str]]


def logs_in(requests: Iterable[Got]) -> list[LogRecord]:
    """The log records that a scripted far side was sent, in order."""
    return list(
        otlp_binary.log_records(one.plain() for one in requests if one.path.endswith("/v1/logs"))
    )


def metrics_in(requests: Iterable[Got]) -> list[MetricPoint]:
    """The metric points that a scripted far side was sent, in order."""
    messages = [
        ExportMetricsServiceRequest.FromString(one.plain())
        for one in requests
        if one.path.endswith("/v1/metrics")
    ]
    return list(metric_points(map(MessageToDict, messages)))


def newest(points: list[MetricPoint]) -> Metrics:
    """The last values of every metric by the value of its first attribute, of one agent."""
    last = max(point.time for point in points)
    # Each series once, however often that export was sent.
    series = {
        (point.name, *point.attributes.items()): point for point in points if point.time == last
    }
    made: Metrics = defaultdict(Counter)
    for point in series.values():
        made[point.name][next(iter(point.attributes.values()), "")] += int(point.value)
    return made


def total(metrics: Metrics, name: str) -> int:
    """The sum over a metric's attributes."""
    assert name in metrics, f"{name} was not exported"
    return metrics[name].total()


def check_both_sums(metrics: Metrics) -> None:
    """AssertionError unless every signal and every record is accounted for."""

    def events(what: str) -> int:
        return total(metrics, f"killsnoop.events.{what}")

    def records(what: str) -> int:
        return total(metrics, f"killsnoop.records.{what}")

    lost = metrics["killsnoop.events.lost"]
    ring = lost["ring_full"] + lost["ring_short"]
    assert events("generated") == (
        events("filtered") + events("folded") + ring + events("submitted")
    ), metrics
    made = metrics["killsnoop.records.made"]
    assert events("submitted") == events("undecodable") + events("left_out") + made["signal"]
    fates = ("delivered", "rejected", "evicted", "unspooled", "on_disk", "in_memory")
    assert records("recovered") + made.total() == sum(map(records, fates)), metrics


def owed(metrics: Metrics) -> int:
    """How many records a far side must have in the end: those made and found, less the lost."""
    count = total(metrics, "killsnoop.records.recovered")
    count += total(metrics, "killsnoop.records.made")
    for what in ("rejected", "evicted", "unspooled"):
        count -= total(metrics, f"killsnoop.records.{what}")
    return count


def uids(records: Iterable[LogRecord]) -> set[str]:
    """What tells a record from all others; one that was sent twice has it twice."""
    return {record.attributes["log.record.uid"] for record in records}


def check_arrivals(metrics: Metrics, arrived: list[LogRecord], duplicates: int = 0) -> None:
    """A far side has all that it is owed; so many records may have come twice."""
    assert len(uids(arrived)) == owed(metrics), metrics
    assert len(arrived) - len(uids(arrived)) <= duplicates


def from_us(records: list[LogRecord], name: str) -> list[LogRecord]:
    """The records of signals of that name that this very process has sent."""
    return [
        one
        for one in records
        if one.attributes["killsnoop.event"] == "signal"
        and one.attributes["killsnoop.signal.name"] == name
        and one.resource.get("killsnoop.source.process.pid") == os.getpid()
    ]


def gaps(records: list[LogRecord]) -> Counter[str]:
    """What the gap records say was lost, by reason."""
    told: Counter[str] = Counter()
    for one in records:
        if one.attributes["killsnoop.event"] == "gap":
            told[one.attributes["killsnoop.lost.reason"]] += one.attributes["killsnoop.lost.count"]
    return told
