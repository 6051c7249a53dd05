"""How the tests of records read what was encoded: by the official classes alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_killsnoop.model import Request


class Read(NamedTuple):
    """One record as a receiver has it."""

    resource: dict[str, Any]
    attributes: dict[str, Any]
    record: LogRecord


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None, "an attribute has no value"
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def _dict(attributes: RepeatedCompositeFieldContainer[KeyValue]) -> dict[str, Any]:
    read = {one.key: _plain(one.value) for one in attributes}
    assert len(read) == len(attributes), "an attribute is there twice"
    return read


def _read(request: Request) -> Iterator[Read]:
    message = ExportLogsServiceRequest()
    message.ParseFromString(request.body)
    assert message.SerializeToString() == request.body
    for group in message.resource_logs:
        for scope in group.scope_logs:
            assert (scope.scope.name, scope.scope.version) == ("otel_killsnoop", "0.1.0")
            for record in scope.log_records:
                yield Read(_dict(group.resource.attributes), _dict(record.attributes), record)


@pytest.fixture(scope="session")
def read() -> Callable[[Request], list[Read]]:
    """read(request): its records, after holding the bytes to what the official classes write."""

    def checked(request: Request) -> list[Read]:
        records = list(_read(request))
        assert len(records) == request.records
        return records

    return checked


def _as_loki_stores(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    # Go writes these two, and all control characters, as escapes.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    for short, long in (("\\b", "\\u0008"), ("\\f", "\\u000c")):
        text = text.replace(short, long)
    return text


@pytest.fixture(scope="session")
def loki_entry() -> Callable[[Read], dict[str, str]]:
    """loki_entry(one): the structured metadata that Loki would keep of it, at worst."""

    def entry(one: Read) -> dict[str, str]:
        stored = {
            name.replace(".", "_"): _as_loki_stores(value)
            for name, value in (one.resource | one.attributes).items()
        }
        return stored | {
            "severity_number": str(one.record.severity_number),
            "severity_text": one.record.severity_text,
            "observed_timestamp": str(one.record.observed_time_unix_nano),
            "scope_name": "otel_killsnoop",
            "scope_version": "0.1.0",
            "event_name": one.record.event_name,
        }

    return entry
