"""Every fault of a far side against a whole agent, and what both sums say in the end.

One run: an agent ships to the faulty side while signals are sent, and is stopped; another goes on
with its spool and ships to a good one. Metrics go to a good side all the time.
"""

from __future__ import annotations

import gzip
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any, NamedTuple

import grpc
from accounts import Metrics, accounting, check_all, logs_in, metrics_in, newest, requested
from far_sides import Got, GrpcDestination, HttpDestination, Said
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from otlp_json import LogRecord
from raw_side import RawSide, Script, reset, says, silence
from real_collector import wait_until
from real_processes import RARE_NAME
from running_agent import RunningAgent

TARGETS, ROUNDS = 20, 10
PROTOBUF = (("Content-Type", "application/x-protobuf"),)
SIZE = 24_000  # bytes of a request that a side with a limit takes
NOT_NOW, NOT_HERE = "takes no records now", "will not have it"

Took = list[LogRecord]


class Side(NamedTuple):
    """url: where it is.  asked: how often somebody has been there."""

    url: str
    asked: Callable[[], int]
    stop: Callable[[], None]


Make = Callable[[Took, int], Side]
"""A side that appends to the list what it takes; the number is the pid that it dislikes."""


class Fault(NamedTuple):
    """says: what the agent's log says once, about it; empty where there is nothing to say.

    refuses: whether it has records for good, less those for that pid (`one`), or of each request
    the first (`first`).
    """

    name: str
    protocol: str
    make: Make
    says: str = ""
    refuses: str = ""

    def __str__(self) -> str:
        return f"{self.protocol.split('/')[0]}: {self.name}"


def _over_http(answer: Callable[[Took, bytes, Took, int], Said]) -> Make:
    def make(took: Took, disliked: int) -> Side:
        side = HttpDestination()

        def rule(got: Got) -> Said:
            if not got.path.endswith("/v1/logs"):
                return Said(200, b"<h1>Log in</h1>", (("Content-Type", "text/html"),))
            return answer(requested(got.plain()), got.body, took, disliked)

        side.rule = rule
        url = side.url.removesuffix("/v1/logs")
        return Side(url, lambda: len(side.got), side.stop)

    return make


def _over_grpc(answer: Callable[[Took, bytes, Took, int, Any], bytes]) -> Make:
    def make(took: Took, disliked: int) -> Side:
        side = GrpcDestination()
        side.rule = lambda body, context: answer(requested(body), body, took, disliked, context)
        return Side(side.url, lambda: len(side.got), side.stop)

    return make


def _raw(script: Script) -> Make:
    def make(_took: Took, _disliked: int) -> Side:
        side = RawSide(script)
        return Side(side.url, lambda: side.connections, side.stop)

    return make


def _status(status: int, *headers: tuple[str, str]) -> Make:
    return _over_http(lambda *_: Said(status, b"no", headers))


def _dated(status: int) -> Make:
    def later(*_: object) -> Said:
        return Said(status, headers=(("Retry-After", formatdate(time.time() + 60, usegmt=True)),))

    return _over_http(later)


def _code(code: grpc.StatusCode, words: str = "no", seconds: int | None = None) -> Make:
    def answer(*given: Any) -> bytes:
        context = given[-1]
        if seconds is not None:
            status = Status(code=code.value[0], message=words)
            status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
            context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        return bytes(context.abort(code, words))

    return _over_grpc(answer)


def _is_disliked(record: LogRecord, pid: int) -> bool:
    return record.resource.get("killsnoop.target.process.pid") == pid


def _one_http(records: Took, _body: bytes, took: Took, disliked: int) -> Said:
    if any(_is_disliked(one, disliked) for one in records):
        return Said(400, b"one of them is bad")
    took.extend(records)
    return Said()


def _one_grpc(records: Took, _body: bytes, took: Took, disliked: int, context: Any) -> bytes:
    if any(_is_disliked(one, disliked) for one in records):
        return bytes(context.abort(grpc.StatusCode.INVALID_ARGUMENT, "one of them is bad"))
    took.extend(records)
    return b""


def _size_http(records: Took, body: bytes, took: Took, _disliked: int) -> Said:
    if len(gzip.decompress(body)) > SIZE:
        return Said(413)
    took.extend(records)
    return Said()


def _size_grpc(records: Took, body: bytes, took: Took, _disliked: int, context: Any) -> bytes:
    if len(body) > SIZE:
        words = f"grpc: received message larger than max ({len(body)} vs. {SIZE})"
        return bytes(context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words))
    took.extend(records)
    return b""


def _partial() -> bytes:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 1
    response.partial_success.error_message = "the first is too old"
    return response.SerializeToString()


def _partial_http(records: Took, _body: bytes, took: Took, _disliked: int) -> Said:
    took.extend(records[1:])
    return Said(200, _partial(), PROTOBUF)


def _partial_grpc(records: Took, _body: bytes, took: Took, *_: object) -> bytes:
    took.extend(records[1:])
    return _partial()


def _pour(connection: Any, closing: Any) -> None:
    """503, with a gigabyte behind it."""
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
    for _ in range(1 << 10):
        connection.sendall(bytes(1 << 20))


HTTP, GRPC = "http/protobuf", "grpc"
_LOGIN = ("Location", "/login")
_Code = grpc.StatusCode
_BROKEN = {
    "accepts and is silent": silence,
    "reset within the body": reset,
    "1 byte a second": says(b"", b"HTTP/1.1 200 OK\r\nX: y", 1.0),
    "endless headers": says(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "garbage": says(b"", b"\x00\xff\x1b[2J" * 99),
}
FAULTS = (
    Fault("429, Retry-After in seconds", HTTP, _status(429, ("Retry-After", "60")), NOT_NOW),
    Fault("429, Retry-After as a date", HTTP, _dated(429), NOT_NOW),
    Fault("503, Retry-After in seconds", HTTP, _status(503, ("Retry-After", "60")), NOT_NOW),
    Fault("503, Retry-After as a date", HTTP, _dated(503), NOT_NOW),
    Fault("RESOURCE_EXHAUSTED, RetryInfo", GRPC, _code(_Code.RESOURCE_EXHAUSTED, "", 60), NOT_NOW),
    Fault("RESOURCE_EXHAUSTED alone", GRPC, _code(_Code.RESOURCE_EXHAUSTED), NOT_NOW),
    Fault("400 for one record", HTTP, _over_http(_one_http), refuses="one"),
    Fault("INVALID_ARGUMENT for one record", GRPC, _over_grpc(_one_grpc), refuses="one"),
    Fault("413", HTTP, _over_http(_size_http)),
    Fault("RESOURCE_EXHAUSTED for size", GRPC, _over_grpc(_size_grpc)),
    Fault("401", HTTP, _status(401), NOT_HERE),
    Fault("403", HTTP, _status(403), NOT_HERE),
    Fault("404", HTTP, _status(404), NOT_HERE),
    Fault("redirect to a login page", HTTP, _status(302, _LOGIN), NOT_HERE),
    Fault("UNAUTHENTICATED", GRPC, _code(_Code.UNAUTHENTICATED), NOT_HERE),
    Fault("PERMISSION_DENIED", GRPC, _code(_Code.PERMISSION_DENIED), NOT_HERE),
    Fault("UNIMPLEMENTED", GRPC, _code(_Code.UNIMPLEMENTED), NOT_HERE),
    Fault("partial success", HTTP, _over_http(_partial_http), refuses="first"),
    Fault("partial success", GRPC, _over_grpc(_partial_grpc), refuses="first"),
    Fault("an answer of 1 GB", HTTP, _raw(_pour), NOT_NOW),
    *(
        Fault(name, way, _raw(script), NOT_NOW)
        for name, script in _BROKEN.items()
        for way in (HTTP, GRPC)
    ),
)


class Outcome(NamedTuple):
    """arrived: what both far sides have taken.  told: the last accounting record.

    sent: signals of the workload.  refused: records that the faulty side has refused for good.
    log: the agent's.
    """

    metrics: Metrics
    arrived: Took
    told: dict[str, Any]
    sent: int
    refused: int
    log: str


@contextmanager
def _good_side() -> Iterator[HttpDestination]:
    side = HttpDestination()
    try:
        yield side
    finally:
        side.stop()


def undergo(fault: Fault, agent: RunningAgent, them: Any) -> Outcome:
    """Run it, both sums checked. them: `Targets`."""
    took: Took = []
    disliked = them.processes[0].pid
    side = fault.make(took, disliked)
    try:
        with _good_side() as metrics, _good_side() as good:
            first_round = them.sent
            agent.start(
                *("--print", "none", "-i", RARE_NAME),
                OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=fault.protocol,
                OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=_logs_url(fault, side),
                OTEL_EXPORTER_OTLP_LOGS_TIMEOUT="500",
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=_of_metrics(metrics),
            )
            them.signal_each(ROUNDS, 0.05)
            wait_until(lambda: bool(side.asked()), 20, "a request", agent.log)
            if fault.refuses == "one":
                kept = agent.spool / "rejected"
                wait_until(
                    lambda: len(list(kept.glob("*.txt"))) == ROUNDS, 20, "all refused", agent.log
                )
            os.kill(agent.pid, signal.SIGTERM)
            time.sleep(0.02)
            assert agent.stop() == 0  # asked twice: it does not wait for anyone
            log = agent.log()
            agent.start(
                *("--print", "none", "-i", RARE_NAME),
                OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=good.url,
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=_of_metrics(metrics),
            )
            them.signal_each(ROUNDS, 0.05)
            assert agent.stop() == 0
            arrived = took + logs_in(good.got)
            last = newest(metrics_in(metrics.got))
    finally:
        side.stop()
    refused = last["killsnoop.records.rejected"].total()
    check_all(last, arrived, duplicates=0 if took else 4 * TARGETS)
    return Outcome(last, arrived, accounting(arrived)[-1], them.sent - first_round, refused, log)


def _logs_url(fault: Fault, side: Side) -> str:
    return side.url if fault.protocol == GRPC else f"{side.url}/v1/logs"


def _of_metrics(side: HttpDestination) -> str:
    return side.url.replace("/v1/logs", "/v1/metrics")
