"""An ExportLogsServiceRequest in two halves, cut between log records, each byte for byte as it was.

Resources and scopes are repeated in both halves where both have records of theirs; what holds no
record of a half is left out of it. A log record itself is never decoded.
"""

from __future__ import annotations

from otel_killsnoop.model import Request
from otel_killsnoop.shipping import wire

# The way down to a record: request.resource_logs, ResourceLogs.scope_logs, ScopeLogs.log_records.
_PATH = (1, 2, 2)


def halve(body: bytes) -> list[Request]:
    """Two requests with the first and the second half of the records, in order.

    One request (the body itself) when it holds fewer than two. `OtlpError` when the bytes are
    not an ExportLogsServiceRequest down to the record.
    """
    view = memoryview(body)
    _, records = _take(view, 0, 0, 0, 0)
    if records < 2:
        return [Request(body, records)]
    middle = records // 2
    left, _ = _take(view, 0, 0, middle, 0)
    right, _ = _take(view, 0, middle, records, 0)
    return [Request(left, middle), Request(right, records - middle)]


def _take(message: memoryview, depth: int, low: int, high: int, at: int) -> tuple[bytes, int]:
    """The message with only records low:high of the whole request in it, and the next number.

    at: the number of the message's first record.  Empty if none of its records is wanted.
    """
    parts: list[bytes | memoryview] = []
    wanted = False
    for one in wire.fields(message):
        if one.field != _PATH[depth] or one.kind != wire.LENGTH:
            parts.append(message[one.start : one.end])
            continue
        if depth == len(_PATH) - 1:
            if low <= at < high:
                parts.append(message[one.start : one.end])
                wanted = True
            at += 1
            continue
        inner, at = _take(message[one.value : one.end], depth + 1, low, high, at)
        if inner:
            parts.append(wire.length_delimited(one.field, inner))
            wanted = True
    return (b"".join(parts) if wanted else b""), at
