"""collector-config.yaml in a real Collector: valid, complete, and true to what it promises."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from real_collector import REPOSITORY, Collector

pytestmark = pytest.mark.collector


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def logs_request(uid: str) -> logs_service_pb2.ExportLogsServiceRequest:
    arguments = ArrayValue(values=[AnyValue(string_value=word) for word in ("sleep", "100")])
    record = LogRecord(
        time_unix_nano=1_700_000_000_123_456_789,
        observed_time_unix_nano=1_700_000_001_000_000_000,
        severity_number=13,
        severity_text="WARN",
        body=AnyValue(string_value="SIGKILL from bash[42] to sleep[43]"),
        event_name="killsnoop.signal",
        attributes=[
            text("log.record.uid", uid),
            KeyValue(key="killsnoop.signal.number", value=AnyValue(int_value=9)),
            KeyValue(key="arguments", value=AnyValue(array_value=arguments)),
        ],
    )
    scope_logs = ScopeLogs(log_records=[record])
    scope_logs.scope.name = "otel_killsnoop"
    resource = Resource(attributes=[text("service.name", "otel-killsnoop")])
    return logs_service_pb2.ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope_logs])]
    )


def post(url: str, body: bytes) -> int:
    request = urllib.request.Request(
        url, data=body, headers={"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def test_is_valid_with_nothing_set(collector_binary: str, tmp_path: Path) -> None:
    config = REPOSITORY / "collector-config.yaml"
    done = subprocess.run(
        [collector_binary, "validate", f"--config={config}"],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_record_comes_through_whole(collector: Callable[..., Collector]) -> None:
    running = collector()
    assert post(running.http_url + "/v1/logs", logs_request("over-http").SerializeToString()) == 200
    (record,) = running.wait_records()
    assert record.resource == {"service.name": "otel-killsnoop"}
    assert record.attributes == {
        "log.record.uid": "over-http",
        "killsnoop.signal.number": 9,
        "arguments": ["sleep", "100"],
        "event.name": "killsnoop.signal",  # the transform's, for backends that drop the name
    }
    assert record.body == "SIGKILL from bash[42] to sleep[43]"
    assert record.event_name == "killsnoop.signal"
    assert record.time == 1_700_000_000_123_456_789
    assert record.observed_time == 1_700_000_001_000_000_000
    assert (record.severity_number, record.severity_text) == (13, "WARN")
    assert record.scope == "otel_killsnoop"


def test_takes_grpc(collector: Callable[..., Collector]) -> None:
    running = collector()
    with grpc.insecure_channel(running.grpc_url.removeprefix("http://")) as channel:
        stub = logs_service_pb2_grpc.LogsServiceStub(channel)
        answer = stub.Export(logs_request("over-grpc"), timeout=10)
    assert answer.partial_success.rejected_log_records == 0
    (record,) = running.wait_records()
    assert record.attributes["log.record.uid"] == "over-grpc"


def test_metrics_go_their_own_way(collector: Callable[..., Collector]) -> None:
    running = collector()
    point = NumberDataPoint(
        as_int=3, time_unix_nano=1_700_000_000_000_000_000, attributes=[text("name", "SIGKILL")]
    )
    metric = Metric(
        name="killsnoop.signals",
        unit="{signal}",
        sum=Sum(data_points=[point], aggregation_temporality=2, is_monotonic=True),
    )
    request = metrics_service_pb2.ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])]
    )
    assert post(running.http_url + "/v1/metrics", request.SerializeToString()) == 200
    (arrived,) = running.wait_metrics()
    assert (arrived.name, arrived.kind, arrived.unit) == ("killsnoop.signals", "sum", "{signal}")
    assert (arrived.attributes, arrived.value) == ({"name": "SIGKILL"}, 3)
    assert running.records() == []


def test_what_it_has_taken_outlives_it(collector: Callable[..., Collector]) -> None:
    """The queue is on disk: what was accepted while the backend was away survives a kill."""
    running = collector(LOKI_OTLP_ENDPOINT="http://127.0.0.1:9")  # nobody listens there
    uids = [f"record-{number}" for number in range(20)]
    for uid in uids:
        assert post(running.http_url + "/v1/logs", logs_request(uid).SerializeToString()) == 200
    running.kill()
    running.environment["LOKI_OTLP_ENDPOINT"] = running.backend_url
    running.start()
    records = running.wait_records(20)
    assert sorted(record.attributes["log.record.uid"] for record in records) == sorted(uids)
