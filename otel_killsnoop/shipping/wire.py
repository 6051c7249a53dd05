"""Protobuf's wire format, read from bytes: as much of it as delivery needs.

The answers of a destination are three messages of two or three fields, and a request is split
by moving whole byte ranges: neither needs message objects, and a record that is not decoded
cannot change. Whatever bytes are given, the result is fields or `OtlpError`, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from otel_killsnoop.errors import OtlpError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field: it occupies start:end of the bytes, and its payload value:end.

    number: the varint's value when kind is VARINT, else 0.
    """

    field: int
    kind: int
    number: int
    start: int
    value: int
    end: int


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise OtlpError("protobuf bytes end within a number", f"byte {at}")


def fields(data: bytes | memoryview) -> Iterator[Field]:
    """The fields of one message, in their order; `OtlpError` where the bytes stop being one."""
    at = 0
    while at < len(data):
        start = at
        key, at = _varint(data, at)
        field, kind = key >> 3, key & 7
        number, value = 0, at
        if kind == VARINT:
            number, at = _varint(data, at)
        elif kind == LENGTH:
            size, value = _varint(data, at)
            at = value + size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise OtlpError("bytes are not protobuf", f"wire type {kind} at byte {start}")
        if not field or at > len(data):
            raise OtlpError("bytes are not protobuf", f"field {field} at byte {start}")
        yield Field(field, kind, number, start, value, at)


def last(data: bytes, field: int) -> bytes:
    """The payload of the last length-delimited field of that number; empty if there is none."""
    found = b""
    for one in fields(data):
        if one.field == field and one.kind == LENGTH:
            found = data[one.value : one.end]
    return found


def every(data: bytes, field: int) -> list[bytes]:
    """The payloads of all length-delimited fields of that number."""
    return [
        data[one.value : one.end]
        for one in fields(data)
        if one.field == field and one.kind == LENGTH
    ]


def integer(data: bytes, field: int) -> int:
    """The signed 64-bit value of the last varint field of that number; 0 if there is none."""
    found = 0
    for one in fields(data):
        if one.field == field and one.kind == VARINT:
            found = one.number
    return found - (1 << 64) if found >> 63 else found


def length_delimited(field: int, payload: bytes) -> bytes:
    """One length-delimited field with that payload, as bytes."""
    head = bytearray()
    for value in (field << 3 | LENGTH, len(payload)):
        while value > 0x7F:
            head.append(value & 0x7F | 0x80)
            value >>= 7
        head.append(value)
    return bytes(head) + payload
