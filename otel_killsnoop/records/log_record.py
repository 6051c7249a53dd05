"""The fields of one LogRecord that every kind of record has, and its attributes, as bytes."""

from __future__ import annotations

from functools import cache
from struct import Struct

from otel_killsnoop.records import severity
from otel_killsnoop.records.attributes import ACCOUNTING, EXIT, LOG
from otel_killsnoop.records.bounds import LOG_ATTRIBUTES_BYTES, RECORD_BYTES
from otel_killsnoop.records.envelope import Envelope
from otel_killsnoop.records.otlp import RECORD_ATTRIBUTE, Key, field, tag, varint
from otel_killsnoop.records.process import Named

KEYS = {one.name: Key(one.name, RECORD_ATTRIBUTE) for one in LOG + EXIT + ACCOUNTING}

TIME = tag(1, 1)

_FIXED64 = Struct("<Q").pack


def time_field(unix_ns: int) -> bytes:
    """LogRecord.time_unix_nano."""
    return TIME + _FIXED64(unix_ns)


def observed_field(observed_ns: int) -> bytes:
    """LogRecord.observed_time_unix_nano."""
    return tag(11, 1) + _FIXED64(observed_ns)


def lead(level: severity.Severity, body: bytes) -> bytes:
    """LogRecord's severity and body fields."""
    text = b"\x0a" + varint(len(body))
    return b"".join((_severity(level), b"\x2a", varint(len(text) + len(body)), text, body))


@cache
def _severity(level: severity.Severity) -> bytes:
    return tag(2, 0) + varint(level.number) + field(3, level.text.encode())


def encoded(values: Named) -> bytes:
    """LogRecord's attributes of these names, one after another."""
    return b"".join([KEYS[name].encode(value) for name, value in values])


def side_budget(envelope: Envelope) -> int:
    """Bytes that Loki may count for both sides together."""
    return RECORD_BYTES - LOG_ATTRIBUTES_BYTES - len(envelope.encoded)
