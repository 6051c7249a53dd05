"""Splitting against the opentelemetry-proto classes: nothing is lost, changed or moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otel_killsnoop.errors import OtlpError
from otel_killsnoop.model import Request
from otel_killsnoop.shipping.packing import pack, unpack
from otel_killsnoop.shipping.split import halve


@st.composite
def requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    number = 0
    for resource_number in range(draw(st.integers(0, 4))):
        resource = message.resource_logs.add(schema_url=draw(st.sampled_from(["", "https://s"])))
        if draw(st.booleans()):
            attribute = resource.resource.attributes.add(key=draw(st.text(max_size=5)))
            attribute.value.int_value = resource_number
        for scope_number in range(draw(st.integers(0, 3))):
            scope = resource.scope_logs.add(schema_url=draw(st.sampled_from(["", "https://t"])))
            scope.scope.version = str(scope_number)
            for _ in range(draw(st.integers(0, 5))):
                record = scope.log_records.add(time_unix_nano=number)
                record.body.string_value = draw(st.text(max_size=200))
                number += 1
    return message


Flat = list[tuple[bytes, bytes, str, str, bytes]]


def flat(serialised: bytes) -> Flat:
    """Each record as bytes, with all that it inherits."""
    return [
        (
            resource.resource.SerializeToString(),
            scope.scope.SerializeToString(),
            resource.schema_url,
            scope.schema_url,
            record.SerializeToString(),
        )
        for resource in ExportLogsServiceRequest.FromString(serialised).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@given(requests())
def test_halves_together_are_the_whole(message: ExportLogsServiceRequest) -> None:
    body = message.SerializeToString()
    whole = flat(body)
    halves = halve(body)
    assert [half.records for half in halves] == [len(flat(half.body)) for half in halves]
    if len(whole) < 2:
        assert halves == [Request(body, len(whole))]
        return
    left, right = halves
    assert flat(left.body) + flat(right.body) == whole
    assert 0 <= right.records - left.records <= 1
    for half in halves:  # nothing empty is carried along
        for resource in ExportLogsServiceRequest.FromString(half.body).resource_logs:
            assert resource.scope_logs
            assert all(scope.log_records for scope in resource.scope_logs)


@given(requests())
def test_splitting_to_the_end_gives_each_record_alone(message: ExportLogsServiceRequest) -> None:
    todo, alone = [message.SerializeToString()], []
    while todo:
        halves = halve(todo.pop())
        if len(halves) == 1:
            alone += flat(halves[0].body)
        else:
            todo += [half.body for half in reversed(halves)]
    assert alone == flat(message.SerializeToString())


def test_fields_that_are_not_known_yet_go_along(logs: Callable[..., Request]) -> None:
    unknown = b"\xf8\x07\x05"  # field 127, varint 5
    for half in halve(logs(("a", "b")).body + unknown):
        assert half.body.endswith(unknown)


@given(st.binary(max_size=100))
def test_junk_is_an_otlp_error_or_a_request(junk: bytes) -> None:
    try:
        halves = halve(junk)
    except OtlpError:
        return
    assert all(half.records >= 0 for half in halves)


@given(st.data())
def test_a_damaged_request_never_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(data.draw(requests()).SerializeToString() or b"\x0a\x00")
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    try:
        halve(bytes(body))
    except OtlpError:
        return


@given(st.binary(max_size=2000))
def test_packing_is_reversible_and_damage_is_seen(body: bytes) -> None:
    packed = pack(body)
    assert unpack(packed) == body
    for damaged in (packed[:-1], packed + b"\x00", packed[1:], b""):
        with pytest.raises(OtlpError):
            unpack(damaged)
