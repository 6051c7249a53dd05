"""OTLP logs as they are sent, read with the official classes: quick enough for floods."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from otlp_json import LogRecord


def log_records(bodies: Iterable[bytes]) -> Iterator[LogRecord]:
    """Every log record in export requests as bytes."""
    for body in bodies:
        for of_resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            resource = _attributes(of_resource.resource.attributes)
            for of_scope in of_resource.scope_logs:
                for record in of_scope.log_records:
                    yield LogRecord(
                        resource=resource,
                        attributes=_attributes(record.attributes),
                        body=_value(record.body),
                        event_name=record.event_name,
                        time=record.time_unix_nano,
                        observed_time=record.observed_time_unix_nano,
                        severity_number=record.severity_number,
                        severity_text=record.severity_text,
                        scope=of_scope.scope.name,
                        trace_id=record.trace_id.hex(),
                    )


def unix_ns(text: str) -> int:
    """Of a time with nanoseconds, as some attributes have it."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    parsed = time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")
    return calendar.timegm(parsed) * 10**9 + int(rest)


def _attributes(pairs: Any) -> dict[str, Any]:
    found = {pair.key: _value(pair.value) for pair in pairs}
    assert len(found) == len(pairs), "an attribute's key came twice"
    return found


def _value(value: Any) -> Any:
    """An AnyValue as a Python value; an empty one is None."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
