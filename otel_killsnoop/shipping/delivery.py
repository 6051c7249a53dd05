"""The delivery rules: what an answer to an OTLP request means for the records in it.

Pure: an `Answer` in, a `Verdict` out; no socket, clock or thread. docs/delivery.md holds the
same table for people, with the reason of each deviation from the OTLP specification, and a test
holds the two together. The principle: a record is given up only for an answer about the record.
"""

from __future__ import annotations

import enum
import math
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from otel_killsnoop.errors import OtlpError
from otel_killsnoop.model import text
from otel_killsnoop.shipping import wire

LONGEST_WAIT = 300.0  # seconds; a Retry-After beyond it is a mistake, or an attack
_REASON_LIMIT = 300  # characters of the destination's words that go into a log line


class Kind(enum.Enum):
    """What to do. A SPLIT of a single record is its rejection."""

    DELIVERED = "delivered"
    WAIT = "wait"
    SPLIT = "split"
    HOLD = "hold"


class Answer(NamedTuple):
    """What came back for one request, from whichever transport.

    status: HTTP status, None over gRPC.  code: gRPC status number, None over HTTP.  Both None:
    no answer came; then `local` says that the cause is on this side or in the configuration (an
    unreadable key, a certificate that is not trusted), not in the network.
    message: the transport's words, or gRPC's status message.  retry_after: that header, as it is.
    details: gRPC's grpc-status-details-bin.  body: the beginning of the HTTP body, or gRPC's
    answer message, as bytes.  protobuf: whether the body's content type says it is protobuf.
    """

    status: int | None = None
    code: int | None = None
    message: str = ""
    retry_after: str | None = None
    details: bytes = b""
    body: bytes = b""
    protobuf: bool = True
    local: bool = False


class Verdict(NamedTuple):
    """What the answer means.

    wait: seconds the destination asked for (above 0, at most LONGEST_WAIT), None if it did not.
    refused: records the destination took none of, though it took the request (partial success).
    doubtful: the answer blames nobody (HTTP 500, gRPC INTERNAL): it may be the record's fault or
    the destination's, so a single record is tried some more before it is given up.
    reason: one printable line about what was answered.
    """

    kind: Kind
    wait: float | None = None
    refused: int = 0
    doubtful: bool = False
    reason: str = ""


_HTTP = (
    dict.fromkeys((408, 425, 429, 502, 503, 504), Kind.WAIT)
    | dict.fromkeys((401, 403, 404, 405, 406, 407, 410, 411, 415, 421, 426, 431, 501), Kind.HOLD)
    | dict.fromkeys((400, 413, 422), Kind.SPLIT)
)

# gRPC status numbers.
OK, CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 0, 1, 3, 4, 5
PERMISSION_DENIED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED = 7, 8, 10, 11, 12
UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED = 14, 15, 16

_GRPC = (
    {OK: Kind.DELIVERED, RESOURCE_EXHAUSTED: Kind.WAIT, INVALID_ARGUMENT: Kind.SPLIT}
    | dict.fromkeys(
        (CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS), Kind.WAIT
    )
    | dict.fromkeys((UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND, UNIMPLEMENTED), Kind.HOLD)
)
_TOO_LARGE = "larger than max"
_OWN_LIMIT = "CLIENT:"  # grpc's word for its own side's limit: then the answer was too large


def decide(answer: Answer, now: float) -> Verdict:
    """The verdict on an answer; now: Unix seconds, against which a Retry-After date is read."""
    if answer.code is not None:
        return _decide_grpc(answer, answer.code)
    if answer.status is not None:
        return _decide_http(answer, answer.status, now)
    reason = line(answer.message or "no answer")
    return Verdict(Kind.HOLD if answer.local else Kind.WAIT, reason=reason)


def _decide_http(answer: Answer, status: int, now: float) -> Verdict:
    if 200 <= status <= 299:
        return _delivered(answer)
    reason = line(f"HTTP {status} {_error_text(answer)}")
    if not 400 <= status <= 599:
        return Verdict(Kind.HOLD, reason=reason)  # a redirect, or nothing that speaks OTLP
    kind = _HTTP.get(status)
    if kind is None:
        return Verdict(Kind.SPLIT, doubtful=True, reason=reason)
    wait = retry_after(answer.retry_after, now) if kind is Kind.WAIT else None
    return Verdict(kind, wait, reason=reason)


def _decide_grpc(answer: Answer, code: int) -> Verdict:
    if code == OK:
        return _delivered(answer)
    reason = line(f"gRPC status {code} {answer.message}")
    kind = _GRPC.get(code)
    if kind is None:
        return Verdict(Kind.SPLIT, doubtful=True, reason=reason)
    wait = _retry_info(answer.details) if kind is Kind.WAIT else None
    message = answer.message
    too_large = _TOO_LARGE in message and _OWN_LIMIT not in message
    if code == RESOURCE_EXHAUSTED and wait is None and too_large:
        return Verdict(Kind.SPLIT, reason=reason)
    return Verdict(kind, wait, reason=reason)


def _delivered(answer: Answer) -> Verdict:
    """Delivered, less what partial_success says was refused.

    An unreadable body changes nothing: the status has said that the records were taken.
    """
    try:
        partial = wire.last(answer.body, 1) if answer.protobuf else b""
        refused = wire.integer(partial, 1)
        words = text(wire.last(partial, 2))
    except OtlpError:
        return Verdict(Kind.DELIVERED)
    return Verdict(Kind.DELIVERED, refused=max(0, refused), reason=line(words))


def _error_text(answer: Answer) -> str:
    """What the body of a refusal says: a google.rpc.Status, or text; else the reason phrase."""
    if answer.protobuf:
        try:
            return text(wire.last(answer.body, 2)) or answer.message
        except OtlpError:
            return answer.message
    return text(answer.body).strip() or answer.message


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, a number or a date; None if it asks nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Beyond 18 digits only the cap is left to say, and int() has a limit of its own.
        return _bounded(float(value[-18:]) if len(value) <= 18 else LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
        return _bounded((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _retry_info(details: bytes) -> float | None:
    """Seconds that a google.rpc.RetryInfo among the status details asks for."""
    try:
        for one in wire.every(details, 3):
            if wire.last(one, 1).endswith(b"/google.rpc.RetryInfo"):
                delay = wire.last(wire.last(one, 2), 1)
                return _bounded(wire.integer(delay, 1) + wire.integer(delay, 2) / 1e9)
    except OtlpError:
        return None
    return None


def _bounded(seconds: float) -> float | None:
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None


def line(words: str) -> str:
    """The words as one printable line of bounded length: they come from the network."""
    shown = " ".join(words.split())
    cut = shown if len(shown) <= _REASON_LIMIT else shown[:_REASON_LIMIT] + "..."
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)


def backoff(attempt: int, random: float, base: float = 1.0, longest: float = 30.0) -> float:
    """Seconds to wait after the attempt-th failure in a row (from 1), at most `longest`.

    Doubles each time; random in [0, 1) spreads it over the upper half, so that many agents
    do not come back as one.  Right for any attempt: the power is never computed beyond need.
    """
    doublings = max(0, attempt - 1)
    enough = doublings >= math.log2(longest / base)
    return (longest if enough else base * 2.0**doublings) * (0.5 + random / 2)
