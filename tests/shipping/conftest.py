"""Real servers, real request bytes and a real spool for the shipping tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from far_sides import GrpcDestination, HttpDestination, Said
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from raw_side import RawSide, Script

from otel_killsnoop.model import Request
from otel_killsnoop.shipping.courier import Courier
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import connect


@pytest.fixture
def said() -> type[Said]:
    return Said


@pytest.fixture
def http_destination() -> Iterator[HttpDestination]:
    destination = HttpDestination()
    yield destination
    destination.stop()


@pytest.fixture
def https_destination() -> Iterator[Callable[[Any], HttpDestination]]:
    """https_destination(ssl_context): the same behind TLS."""
    made: list[HttpDestination] = []

    def make(tls: Any) -> HttpDestination:
        made.append(HttpDestination(tls))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def grpc_destination() -> Iterator[GrpcDestination]:
    destination = GrpcDestination()
    yield destination
    destination.stop()


@pytest.fixture
def courier(spool: Spool) -> Iterator[Callable[..., Courier]]:
    """courier(url, protocol): one for the spool, with the agent's own times."""
    made = []

    def make(url: str, protocol: str, timeout: float = 20.0) -> Courier:
        made.append(connect(Endpoint("logs", protocol, url, timeout=timeout)))
        return Courier(spool, made[-1], base=1.0, longest=30.0, hold=30.0)

    yield make
    for one in made:
        one.close()


@pytest.fixture
def raw() -> Iterator[Callable[[Script], RawSide]]:
    """raw(script): a far side below HTTP."""
    made: list[RawSide] = []

    def make(script: Script) -> RawSide:
        made.append(RawSide(script))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool") as spool:
        yield spool


def _logs(*groups: tuple[str, ...]) -> Request:
    """A request with one ResourceLogs a group, and a record for each body in it."""
    message = ExportLogsServiceRequest()
    for number, bodies in enumerate(groups):
        resource = message.resource_logs.add(schema_url="https://example.invalid/schema")
        resource.resource.attributes.add(key="group").value.int_value = number
        scope = resource.scope_logs.add()
        scope.scope.name = "otel_killsnoop"
        for body in bodies:
            scope.log_records.add(time_unix_nano=number + 1).body.string_value = body
    return Request(message.SerializeToString(), sum(map(len, groups)))


def _bodies(serialised: bytes) -> list[str]:
    """The bodies of all records in a serialised request, in order."""
    return [
        record.body.string_value
        for resource in ExportLogsServiceRequest.FromString(serialised).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@pytest.fixture
def logs() -> Callable[..., Request]:
    return _logs


@pytest.fixture
def bodies() -> Callable[[bytes], list[str]]:
    return _bodies
