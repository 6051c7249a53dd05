"""Our counts as OTLP metrics, read back by the official classes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from made_signals import KILL, RESOURCE, SEGV
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from otel_killsnoop.model import NUMBERS, Ended, KernelCounts, ShippingCounts, TableCounts
from otel_killsnoop.records.attributes import METRICS
from otel_killsnoop.records.metric_table import KEPT
from otel_killsnoop.records.metrics import Counts, Metrics
from otel_killsnoop.records.words import EVENTS, LOSSES

Points = dict[tuple[str, ...], int]

NOTHING = Counts(KernelCounts(), ShippingCounts(), TableCounts(), {}, 0)


def by_number(**counts: int) -> tuple[int, ...]:
    values = [0] * NUMBERS
    for number, count in counts.items():
        values[int(number[1:])] = count
    return tuple(values)


SOME = Counts(
    KernelCounts(
        generated=by_number(_9=17, _17=6, _40=2),
        filtered=by_number(_17=6),
        folded=by_number(_9=1),
        lost=by_number(_9=3, _40=1),
        submitted=by_number(_9=13, _40=1),
        table_lost={"fork": 4},
        recursion_misses={"signal": 5},
    ),
    ShippingCounts(100, 13, 90, 2, 1, 20, 7, {"delivered": 3, "split": 1}, 3, 14),
    TableCounts(entries=500, bytes=300_000, evicted=8, partial=9, masked=10),
    {KILL: 10, replace(KILL, call="tgkill", scope="thread"): 2, SEGV: 1},
    11,
    {"signal": 13, "attempt": 2, "gap": 4},
    left_out=12,
    ended=Ended(reread=15, orphaned=16, unnoted=18),
)


def points(body: bytes) -> dict[str, Points]:
    message = ExportMetricsServiceRequest.FromString(body)
    (resource,) = message.resource_metrics
    read = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert read == RESOURCE
    (scope,) = resource.scope_metrics
    assert scope.scope.name == "otel_killsnoop"
    made: dict[str, Points] = {}
    table = {one.name: one for one in METRICS}
    for metric in scope.metrics:
        told = table[metric.name]
        assert metric.unit == told.unit
        assert metric.sum.is_monotonic == (told.kind == "counter")
        cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        assert metric.sum.aggregation_temporality == cumulative
        series = made[metric.name] = {}
        for point in metric.sum.data_points:
            assert {one.key for one in point.attributes} <= set(told.by)
            series[tuple(one.value.string_value for one in point.attributes)] = point.as_int
        assert len(series) == len(metric.sum.data_points)
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., Metrics]]:
    """start(read, send): Metrics that export only when told, and are stopped in the end."""
    made = []

    def one(read: Callable[[], Counts], send: Callable[[bytes], bool]) -> Metrics:
        made.append(Metrics(RESOURCE, read, send, interval_ms=3_600_000))
        return made[-1]

    yield one
    for metrics in made:
        metrics.shutdown()


def exported(start: Callable[..., Metrics], counts: Counts) -> dict[str, Points]:
    sent: list[bytes] = []

    def send(body: bytes) -> bool:
        sent.append(body)
        return True

    start(lambda: counts, send).export()
    return points(sent[0])


def test_every_count_arrives(start: Callable[..., Metrics]) -> None:
    made = exported(start, SOME)
    assert made.keys() == {one.name for one in METRICS}
    assert made["killsnoop.signals"]["SIGKILL", "user", "delivered"] == 12
    assert made["killsnoop.signals"]["SIGSEGV", "fault", "delivered"] == 1
    assert made["killsnoop.events.lost"] == {
        ("ring_full",): 4,
        ("ring_short",): 0,
        ("skipped",): 5,
        ("attempts",): 0,
        ("lives",): 4,
        ("unread",): 0,
        ("undecodable",): 11,
        ("unspooled",): 7,
        ("evicted",): 1,
        ("rejected",): 2,
        ("orphaned",): 16,
        ("missing",): 14,
    }
    assert made["killsnoop.events.generated"]["SIGKILL",] == 17
    assert made["killsnoop.events.generated"]["SIGRTMIN+6",] == 2
    assert made["killsnoop.events.filtered"]["SIGCHLD",] == 6
    assert made["killsnoop.events.folded"]["SIGKILL",] == 1
    assert made["killsnoop.events.submitted"]["SIGKILL",] == 13
    single = {name: series[()] for name, series in made.items() if () in series}
    assert single == {
        "killsnoop.events.undecodable": 11,
        "killsnoop.events.left_out": 12,
        "killsnoop.events.reread": 15,
        "killsnoop.events.orphaned": 16,
        "killsnoop.records.missing": 14,
        "killsnoop.records.unnoted": 18,
        "killsnoop.records.recovered": 100,
        "killsnoop.records.spooled": 13,
        "killsnoop.records.delivered": 90,
        "killsnoop.records.rejected": 2,
        "killsnoop.records.evicted": 1,
        "killsnoop.records.on_disk": 20,
        "killsnoop.records.in_memory": 3,
        "killsnoop.records.unspooled": 7,
        "killsnoop.table.entries": 500,
        "killsnoop.table.memory": 300_000,
        "killsnoop.table.evicted": 8,
        "killsnoop.table.partial": 9,
        "killsnoop.arguments.masked": 10,
        "otel.sdk.log.created": 23,
    }
    assert made["killsnoop.records.made"] == {
        ("signal",): 13,
        ("attempt",): 2,
        ("exit",): 0,
        ("gap",): 4,
        ("accounting",): 0,
        ("repeats",): 0,
    }
    assert made["killsnoop.table.events.lost"] == {("fork",): 4}
    assert made["killsnoop.recursion.misses"] == {("signal",): 5}
    assert made["killsnoop.requests"] == {
        ("delivered",): 3,
        ("retried",): 0,
        ("rejected",): 0,
        ("split",): 1,
    }
    spool = ("killsnoop_spool", "killsnoop_spool/0")
    sender = ("otlp_http_log_exporter", "otlp_http_log_exporter/0")
    assert made["otel.sdk.processor.log.queue.size"] == {spool: 23}
    assert made["otel.sdk.processor.log.processed"] == {
        spool: 92,
        (*spool, "queue_full"): 1,
        (*spool, "spool_error"): 7,
    }
    assert made["otel.sdk.exporter.log.exported"] == {sender: 90, (*sender, "rejected"): 2}


def test_series_start_at_zero(start: Callable[..., Metrics]) -> None:
    made = exported(start, NOTHING)
    assert made["killsnoop.events.lost"] == {(reason,): 0 for reason in LOSSES}
    assert made["killsnoop.records.made"] == {(event,): 0 for event in EVENTS}
    assert made["killsnoop.events.generated"]["SIGKILL",] == 0
    assert len(made["killsnoop.events.generated"]) == 31
    assert made["killsnoop.signals"]["SIGKILL", "oom", "delivered"] == 0
    assert set().union(*(series.values() for series in made.values())) == {0}


def test_counters_that_go_on_keep_their_start(start: Callable[..., Metrics]) -> None:
    """A value of several agents, said to be new, would be counted as an increase of all of it."""
    sent: list[bytes] = []
    before = time.time_ns()
    metrics = Metrics(RESOURCE, lambda: SOME, lambda body: not sent.append(body), since=4711)
    metrics.shutdown()
    (resource,) = ExportMetricsServiceRequest.FromString(sent[-1]).resource_metrics
    begins: dict[str, set[int]] = {}
    for metric in resource.scope_metrics[0].metrics:
        begins[metric.name] = {point.start_time_unix_nano for point in metric.sum.data_points}
    assert begins.keys() == {one.name for one in METRICS}
    for name, times in begins.items():
        if name in KEPT:
            assert times == {4711}, name
        else:
            assert min(times) >= before, name
    assert "killsnoop.events.generated" in KEPT
    assert "killsnoop.signals" not in KEPT


def test_one_export_is_of_one_moment(start: Callable[..., Metrics]) -> None:
    """Counts that never stand still, and yet every export's sums agree with each other."""
    reads = 0

    def read() -> Counts:
        nonlocal reads
        reads += 1
        moved = by_number(_9=reads)
        shipping = ShippingCounts(spooled=reads, on_disk=reads)
        return NOTHING._replace(
            kernel=KernelCounts(generated=moved, submitted=moved),
            shipping=shipping,
            signals={KILL: reads},
        )

    sent: list[bytes] = []

    def send(body: bytes) -> bool:
        sent.append(body)
        return True

    metrics = start(read, send)
    for number in (1, 2, 3):
        metrics.export()
        made = points(sent[-1])
        assert made["killsnoop.events.generated"]["SIGKILL",] == number
        assert made["killsnoop.events.submitted"]["SIGKILL",] == number
        assert made["killsnoop.records.spooled"][()] == number
        assert made["killsnoop.signals"]["SIGKILL", "user", "delivered"] == number


def test_it_exports_by_itself_and_once_more_at_the_end() -> None:
    sent: list[bytes] = []
    first = threading.Event()

    def send(body: bytes) -> bool:
        sent.append(body)
        first.set()
        return True

    metrics = Metrics(RESOURCE, lambda: SOME, send, interval_ms=20)
    assert first.wait(10)
    metrics.shutdown()
    done = len(sent)
    assert done >= 2
    assert points(sent[-1]) == points(sent[0])


def test_stopping_does_not_wait_for_a_sender_that_hangs() -> None:
    release, given_up = threading.Event(), threading.Event()

    def hang(_: bytes) -> bool:
        if not release.wait(60):
            given_up.set()
        return True

    metrics = Metrics(RESOURCE, lambda: SOME, hang, interval_ms=3_600_000)
    metrics.shutdown(timeout_ms=200)
    assert not given_up.is_set()
    release.set()


def test_a_sender_that_fails_stops_nothing(
    start: Callable[..., Metrics], caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [False, OSError("no route"), True]
    sent: list[bytes] = []

    def send(body: bytes) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        sent.append(body)
        return bool(answer)

    metrics = start(lambda: SOME, send)
    for _ in range(3):
        metrics.export()
    assert len(sent) == 2
    assert "no route" in caplog.text
    answers.append(True)  # for the last export, when it is stopped


def test_the_sdk_is_loaded_only_when_metrics_are_wanted() -> None:
    """In an interpreter of its own: what the encoder's modules import, and what metrics do."""
    code = """
import sys
import otel_killsnoop.records.record, otel_killsnoop.records.flat, otel_killsnoop.records.gap
import otel_killsnoop.records.fields, otel_killsnoop.records.metrics
import otel_killsnoop.records.resource, otel_killsnoop.records.exit
loaded = [name for name in sys.modules if name.startswith(("opentelemetry", "google", "grpc"))]
assert not loaded, loaded
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
from otel_killsnoop.model import Ended, KernelCounts, ShippingCounts, TableCounts
counts = otel_killsnoop.records.metrics.Counts(
    KernelCounts(), ShippingCounts(), TableCounts(), {}, 0)
resource = otel_killsnoop.records.resource.agent_resource("/")
metrics = otel_killsnoop.records.metrics.Metrics(resource, lambda: counts, bool, 3_600_000)
metrics.export()
print(resident())
metrics.shutdown()
assert "grpc" not in sys.modules and "requests" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 36 * 1024  # kilobytes: what the official HTTP exporter takes
