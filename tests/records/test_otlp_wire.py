"""The wire primitives against the official protobuf classes, on any value."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_killsnoop.records.otlp import RECORD_ATTRIBUTE, RESOURCE_ATTRIBUTE, Key, Value

NAMES = st.text(st.characters(codec="ascii"), min_size=1, max_size=200)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=700)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
Single = str | bool | int | float


def any_value(value: Single) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(int_value=value)


def bytes_of(value: Single) -> bytes | bool | int | float:
    return value.encode() if isinstance(value, str) else value


@given(NAMES, TEXTS | NUMBERS | st.booleans() | st.floats())
@example("a", "")
@example("a", 0)
@example("a", 127)
@example("a", 128)
@example("a", 16383)
@example("a", 16384)
@example("a", 2097151)
@example("a", 2097152)
@example("a", -1)
@example("a", True)
@example("a", False)
@example("a", 0.0)
@example("a", -0.0)
@example("a", 12.5)
def test_a_single_value_is_as_the_official_classes_write_it(name: str, value: Single) -> None:
    attribute = KeyValue(key=name, value=any_value(value))
    encoded = Key(name, RESOURCE_ATTRIBUTE).encode(bytes_of(value))
    assert encoded == Resource(attributes=[attribute]).SerializeToString()
    encoded = Key(name, RECORD_ATTRIBUTE).encode(bytes_of(value))
    assert encoded == LogRecord(attributes=[attribute]).SerializeToString()


@given(NAMES, st.lists(TEXTS, max_size=20) | st.lists(NUMBERS, max_size=20))
@example("a", ["x" * 511, "x" * 512, "x" * 127, "x" * 128, "x" * 20000])
def test_an_array_is_as_the_official_classes_write_it(
    name: str, values: list[str] | list[int]
) -> None:
    array = AnyValue(array_value=ArrayValue(values=[any_value(one) for one in values]))
    expected = Resource(attributes=[KeyValue(key=name, value=array)]).SerializeToString()
    given_values: Value = tuple(bytes_of(one) for one in values)  # type: ignore[assignment]  # all of one type
    assert Key(name, RESOURCE_ATTRIBUTE).encode(given_values) == expected


@given(st.lists(st.binary(max_size=600).map(lambda b: b.decode("latin-1")), max_size=30))
def test_a_key_gives_the_same_for_the_same_value_whatever_it_encoded_before(
    values: list[str],
) -> None:
    used = Key("process.tree", RESOURCE_ATTRIBUTE)
    for value in values * 2:
        fresh = Key("process.tree", RESOURCE_ATTRIBUTE)
        assert used.string(value.encode()) == fresh.string(value.encode())
