"""OTLP as JSON, the file exporter's format, flattened to tuples. Times are Unix nanoseconds."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple


class LogRecord(NamedTuple):
    """One log record as the Collector delivered it."""

    resource: dict[str, Any]
    attributes: dict[str, Any]
    body: Any
    event_name: str
    time: int
    observed_time: int
    severity_number: int
    severity_text: str
    scope: str
    trace_id: str


class MetricPoint(NamedTuple):
    """One data point. value: a number, or the whole point's dict for a histogram."""

    name: str
    kind: str
    unit: str
    attributes: dict[str, Any]
    value: Any
    time: int
    resource: dict[str, Any]


def log_records(lines: Iterator[dict[str, Any]]) -> Iterator[LogRecord]:
    """Every log record in export requests as OTLP/JSON objects."""
    for line in lines:
        for of_resource in line["resourceLogs"]:
            resource = _attributes(of_resource.get("resource", {}))
            for of_scope in of_resource.get("scopeLogs", []):
                for record in of_scope.get("logRecords", []):
                    yield LogRecord(
                        resource=resource,
                        attributes=_attributes(record),
                        body=_value(record.get("body", {})),
                        event_name=record.get("eventName", ""),
                        time=int(record.get("timeUnixNano", 0)),
                        observed_time=int(record.get("observedTimeUnixNano", 0)),
                        severity_number=record.get("severityNumber", 0),
                        severity_text=record.get("severityText", ""),
                        scope=of_scope.get("scope", {}).get("name", ""),
                        trace_id=record.get("traceId", ""),
                    )


def metric_points(lines: Iterator[dict[str, Any]]) -> Iterator[MetricPoint]:
    """Every data point in export requests as OTLP/JSON objects."""
    kinds = ("sum", "gauge", "histogram", "exponentialHistogram")
    for line in lines:
        for of_resource in line["resourceMetrics"]:
            resource = _attributes(of_resource.get("resource", {}))
            for of_scope in of_resource.get("scopeMetrics", []):
                for metric in of_scope.get("metrics", []):
                    kind = next(kind for kind in kinds if kind in metric)
                    for point in metric[kind].get("dataPoints", []):
                        yield MetricPoint(
                            name=metric["name"],
                            kind=kind,
                            unit=metric.get("unit", ""),
                            attributes=_attributes(point),
                            value=_number(point),
                            time=int(point["timeUnixNano"]),
                            resource=resource,
                        )


def _number(point: dict[str, Any]) -> Any:
    if "asInt" in point:
        return int(point["asInt"])
    return point.get("asDouble", point)


def _attributes(owner: dict[str, Any]) -> dict[str, Any]:
    pairs = owner.get("attributes", [])
    found = {pair["key"]: _value(pair.get("value", {})) for pair in pairs}
    assert len(found) == len(pairs), "an attribute's key came twice"
    return found


def _value(value: dict[str, Any]) -> Any:
    """An OTLP/JSON AnyValue as a Python value; an empty one is None."""
    for kind, content in value.items():
        match kind:
            case "intValue":
                return int(content)
            case "arrayValue":
                return [_value(one) for one in content.get("values", [])]
            case "kvlistValue":
                return {pair["key"]: _value(pair["value"]) for pair in content.get("values", [])}
            case "bytesValue":
                return base64.b64decode(content)
            case _:
                return content
    return None
