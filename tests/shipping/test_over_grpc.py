"""The gRPC transport against a real gRPC server in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from otel_killsnoop import __version__
from otel_killsnoop.shipping.delivery import Kind, decide
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.grpc import GrpcTransport
from otel_killsnoop.shipping.transport import connect


@pytest.fixture
def post(grpc_destination: Any) -> Callable[..., Any]:
    """post(body, **of the endpoint): one answer of the scripted server."""

    def once(body: bytes = b"body", timeout: float = 5.0, **more: Any) -> Any:
        signal = more.pop("signal", "logs")
        transport = connect(Endpoint(signal, "grpc", grpc_destination.url, **more))
        try:
            return transport.post(body, timeout)
        finally:
            transport.close()

    return once


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_what_is_sent(grpc_destination: Any, post: Callable[..., Any], compression: str) -> None:
    answer = post(b"a request" * 99, headers=(("X-Tenant", "one"),), compression=compression)
    assert (answer.code, answer.status) == (0, None)
    (got,) = grpc_destination.got
    assert got.path == "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
    assert got.body == b"a request" * 99
    assert got.headers["x-tenant"] == "one"
    assert got.headers["user-agent"].startswith(f"otel-killsnoop/{__version__} ")


@pytest.mark.parametrize(
    ("signal", "method"),
    [("metrics", "metrics.v1.MetricsService"), ("traces", "trace.v1.TraceService")],
)
def test_other_signals_have_their_services(
    grpc_destination: Any, post: Callable[..., Any], signal: str, method: str
) -> None:
    post(signal=signal)
    assert grpc_destination.got[0].path == f"/opentelemetry.proto.collector.{method}/Export"


@pytest.mark.parametrize("status", [one for one in grpc.StatusCode if one.value[0]])
def test_every_status_comes_back_with_its_message(
    grpc_destination: Any, post: Callable[..., Any], status: grpc.StatusCode
) -> None:
    grpc_destination.rule = lambda body, context: context.abort(status, "because")
    answer = post()
    assert (answer.code, answer.message) == (status.value[0], "because")


def test_retry_info_in_the_trailers(grpc_destination: Any, post: Callable[..., Any]) -> None:
    status = Status(code=8, message="slow")
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=3)))
    trailer = ("grpc-status-details-bin", status.SerializeToString())

    def rule(body: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((trailer,))
        return context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow")

    grpc_destination.rule = rule
    verdict = decide(post(), 0)
    assert (verdict.kind, verdict.wait) == (Kind.WAIT, 3.0)


def test_a_request_over_the_servers_limit_is_to_be_split(post: Callable[..., Any]) -> None:
    assert decide(post(bytes(5 << 20)), 0).kind is Kind.SPLIT


def test_an_answer_over_our_limit_is_not(grpc_destination: Any, post: Callable[..., Any]) -> None:
    grpc_destination.rule = lambda body, context: bytes(5 << 20)
    assert decide(post(), 0).kind is Kind.WAIT


def test_partial_success(grpc_destination: Any, post: Callable[..., Any]) -> None:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 2
    grpc_destination.rule = lambda body, context: response.SerializeToString()
    assert decide(post(), 0).refused == 2


def test_a_slow_server_ends_with_the_deadline(
    grpc_destination: Any, post: Callable[..., Any]
) -> None:
    release = threading.Event()
    grpc_destination.rule = lambda body, context: bytes(release.wait(10))
    answer = post(timeout=0.1)
    release.set()
    assert answer.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


def test_nobody_listens_then_somebody_does(grpc_destination: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    transport = GrpcTransport(Endpoint("logs", "grpc", f"http://127.0.0.1:{port}"))
    assert decide(transport.post(b"x", 5), 0).kind is Kind.WAIT
    transport.close()


def test_abort_ends_a_call_and_the_next_one_works(grpc_destination: Any) -> None:
    arrived, release = threading.Event(), threading.Event()

    def never(body: bytes, context: grpc.ServicerContext) -> bytes:
        arrived.set()
        release.wait(10)
        return b""

    grpc_destination.rule = never
    transport = GrpcTransport(Endpoint("logs", "grpc", grpc_destination.url, timeout=30))
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(transport.post(b"x", 30)))
    thread.start()
    assert arrived.wait(10)
    transport.abort()
    thread.join(10)
    assert not thread.is_alive()
    release.set()
    assert decide(answers[0], 0).kind is Kind.WAIT
    assert transport.post(b"x", 5).code == 0
    transport.close()


@pytest.mark.parametrize(
    "broken",
    [
        {"url": "http://"},
        {"url": "https://127.0.0.1:1", "certificate": "/nowhere/ca.pem"},
        {"headers": (("bad name", "x"),)},
        {"headers": (("x", "a\nb"),)},
        {"headers": (("x", "ü"),)},
        {"url": "http://[::1"},
        {"url": "http://host:99999"},
    ],
)
def test_what_cannot_be_sent_is_held_not_raised(
    grpc_destination: Any, broken: dict[str, Any]
) -> None:
    parts = {"signal": "logs", "protocol": "grpc", "url": grpc_destination.url} | broken
    transport = GrpcTransport(Endpoint(**parts))
    assert decide(transport.post(b"x", 5), 0).kind is Kind.HOLD
    assert grpc_destination.got == []
    transport.close()
