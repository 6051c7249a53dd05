"""The sender against the real Collector: what it refuses is split, what is good arrives once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from otel_killsnoop.model import Request
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.sender import Sender
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import connect

LARGE = 450  # records of 50 KB: together more than the 4 MiB of gRPC and the 20 MiB of HTTP

pytestmark = [
    pytest.mark.collector,
    pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"]),
]


def endpoints(collector: Any, protocol: str) -> tuple[Endpoint, Endpoint]:
    """Of logs and of metrics."""
    if protocol == "grpc":
        return (
            Endpoint("logs", protocol, collector.grpc_url),
            Endpoint("metrics", protocol, collector.grpc_url),
        )
    base = collector.http_url
    return (
        Endpoint("logs", protocol, f"{base}/v1/logs"),
        Endpoint("metrics", protocol, f"{base}/v1/metrics"),
    )


def metric() -> bytes:
    message = ExportMetricsServiceRequest()
    one = message.resource_metrics.add().scope_metrics.add().metrics.add(name="killsnoop.test")
    one.sum.aggregation_temporality = 2
    one.sum.data_points.add(as_int=7, time_unix_nano=1)
    return message.SerializeToString()


def test_everything_good_arrives_once_through_an_outage(
    collector: Callable[..., Any], spool: Spool, logs: Callable[..., Request], protocol: str
) -> None:
    real = collector()
    to_logs, to_metrics = endpoints(real, protocol)
    sender = Sender(spool, connect(to_logs), connect(to_metrics), base=0.05, longest=0.2)
    sender.start()
    spool.put(logs(("before 1", "before 2"), ("before 3",)))
    sender.offer_metrics(metric())
    assert sender.drain(10)
    real.stop()
    spool.put(logs(("during 1",)))
    # One record's body is of a wire type that protobuf does not have: only it may be refused.
    broken = logs(("good 1", "good 2"), ("broken", "good 3"))
    spool.put(broken._replace(body=broken.body.replace(b"\x0a\x06broken", b"\x0f\x06broken")))
    spool.put(logs(tuple(f"large {n}" + "." * 50_000 for n in range(LARGE))))
    spool.put(logs(("after 1",)))
    real.start()
    assert sender.drain(30)
    assert sender.stop(5)
    counts = sender.counts()
    assert (counts.delivered, counts.rejected, counts.on_disk) == (8 + LARGE, 1, 0)
    assert counts.requests["metrics_delivered"] == 1
    arrived = [str(record.body).rstrip(".") for record in real.wait_records(8 + LARGE)]
    assert sorted(arrived) == sorted(
        [
            *("before 1", "before 2", "before 3", "during 1", "after 1"),
            *("good 1", "good 2", "good 3"),
            *(f"large {n}" for n in range(LARGE)),
        ]
    )
    assert real.wait_metrics()[0].value == 7


def test_a_wrong_path_is_held_not_lost(
    collector: Callable[..., Any], spool: Spool, logs: Callable[..., Request], protocol: str
) -> None:
    real = collector()
    url = f"{real.http_url}/v1/wrong"  # for gRPC: a port where plain HTTP is spoken
    sender = Sender(spool, connect(Endpoint("logs", protocol, url)), base=0.01, longest=0.05)
    sender.start()
    spool.put(logs(("kept",)))
    assert not sender.drain(0.5)
    sender.stop(0.1)
    counts = sender.counts()
    assert (counts.on_disk, counts.rejected, counts.delivered) == (1, 0, 0)
