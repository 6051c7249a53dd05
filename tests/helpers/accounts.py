"""Both sums: of the signals in the kernel, of the records in the agent; and what arrived.

`generated = filtered + folded + lost + submitted`, and
`submitted + reread = undecodable + left out + recorded + orphaned`, of whose records, with those
of exits, gaps, repeats and accounts, `recovered + made + unnoted = delivered + rejected + evicted +
unspooled + missing + on disk + in memory`: over all agents with a spool, those killed too. By the
metrics, by the accounting record that is sent last, and by what the far side has.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import otlp_binary
from far_sides import Got
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from otlp_json import LogRecord, MetricPoint, metric_points

Metrics = dict[str, Counter[str]]

MADE = ("recovered", "made", "unnoted")
LOST = ("rejected", "evicted", "unspooled", "missing")
FATES = ("delivered", *LOST, "on_disk", "in_memory")


def requested(plain: bytes) -> list[LogRecord]:
    """The log records of one serialised request."""
    return list(otlp_binary.log_records([plain]))


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
    assert events("submitted") + events("reread") == (
        events("undecodable") + events("left_out") + made["signal"] + events("orphaned")
    ), metrics
    found = records("recovered") + records("unnoted")
    assert found + made.total() == sum(map(records, FATES)), metrics


def owed(metrics: Metrics) -> int:
    """How many records a far side must have in the end: those made and found, less the lost."""
    count = sum(total(metrics, f"killsnoop.records.{what}") for what in MADE)
    return count - sum(total(metrics, f"killsnoop.records.{what}") for what in LOST)


def accounting(records: Iterable[LogRecord]) -> list[dict[str, Any]]:
    """The accounts that agents told when they stopped, in order, without the prefix."""
    return [
        {name.removeprefix("killsnoop."): value for name, value in one.attributes.items()}
        for one in records
        if one.attributes["killsnoop.event"] == "accounting"
    ]


def check_record(told: dict[str, Any]) -> int:
    """AssertionError unless an accounting record adds up; how many records it says are owed."""

    def events(*names: str) -> int:
        return sum(told[f"events.{name}"] for name in names)

    def records(*names: str) -> int:
        return sum(told[f"records.{name}"] for name in names)

    assert events("generated") == events("filtered", "folded", "lost", "submitted"), told
    assert events("submitted", "reread") == (
        events("undecodable", "left_out", "recorded", "orphaned")
    ), told
    assert records(*MADE) == records(*FATES), told
    return records(*MADE) - records(*LOST)


def uids(records: Iterable[LogRecord]) -> set[str]:
    """What tells a record from all others; one that was sent twice has it twice."""
    return {record.attributes["log.record.uid"] for record in records}


def check_arrivals(metrics: Metrics, arrived: list[LogRecord], duplicates: int = 0) -> None:
    """A far side has all that it is owed; so many records may have come twice."""
    assert len(uids(arrived)) == owed(metrics), metrics
    assert len(arrived) - len(uids(arrived)) <= duplicates


def check_all(metrics: Metrics, arrived: list[LogRecord], duplicates: int = 0) -> None:
    """The end of a test with an agent that has stopped, whose far side has all that it shipped.

    Both sums by the last metrics, by the last record, and by the logs alone.
    """
    check_both_sums(metrics)
    check_arrivals(metrics, arrived, duplicates)
    told = accounting(arrived)[-1]
    assert len(uids(arrived)) == check_record(told), told
    for name, value in told.items():
        if name.startswith("events.") and name not in ("events.lost", "events.recorded"):
            assert value == total(metrics, f"killsnoop.{name}"), name
    assert told["events.recorded"] == metrics["killsnoop.records.made"]["signal"]
    for what in (*MADE, *LOST):
        assert told[f"records.{what}"] == total(metrics, f"killsnoop.records.{what}"), what


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
