"""Every status of HTTP and gRPC has the verdict that docs/delivery.md gives it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from otel_killsnoop.shipping.delivery import LONGEST_WAIT, Answer, Kind, backoff, decide

DOC = Path(__file__).resolve().parents[2] / "docs" / "delivery.md"
NOW = 1_700_000_000.0
GRPC_NAMES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
    "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()


def documented(protocol: str) -> dict[str, str]:
    """Answer to verdict, from the rows `| HTTP | 429, 502 | wait | why |` of the document."""
    table: dict[str, str] = {}
    for row in DOC.read_text().splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if cells[0] == protocol:
            for answer in cells[1].split(", "):
                assert answer not in table, f"{answer} is in two rows of {DOC.name}"
                table[answer] = cells[2]
    return table


def said(answer: Answer) -> str:
    verdict = decide(answer, NOW)
    return verdict.kind.value + (", doubtful" if verdict.doubtful else "")


def test_the_document_and_the_code_agree_on_every_http_status() -> None:
    table = documented("HTTP")
    for status in range(100, 1000):
        keys = (str(status), f"{status // 100}xx", "other")
        expected = next(table[key] for key in keys if key in table)
        assert said(Answer(status=status)) == expected, status


def test_the_document_and_the_code_agree_on_every_grpc_status() -> None:
    table = documented("gRPC")
    assert set(table) - {"RESOURCE_EXHAUSTED larger than max"} == set(GRPC_NAMES)
    for code, name in enumerate(GRPC_NAMES):
        assert said(Answer(code=code)) == table[name], name
    too_large = Answer(code=8, message="grpc: received message larger than max (5 vs. 4)")
    assert said(too_large) == table["RESOURCE_EXHAUSTED larger than max"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # otlp.md section 3, line by line, whatever the document says.
        *((Answer(status=status), Kind.DELIVERED) for status in (200, 202, 204, 299)),
        *((Answer(status=status), Kind.WAIT) for status in (429, 502, 503, 504)),
        *((Answer(status=status), Kind.SPLIT) for status in (400, 413)),
        *((Answer(status=status), Kind.HOLD) for status in (301, 302, 307, 401, 403, 404)),
        *((Answer(code=code), Kind.WAIT) for code in (1, 4, 8, 10, 11, 14, 15)),
        *((Answer(code=code), Kind.HOLD) for code in (7, 12, 16)),
        (Answer(code=0), Kind.DELIVERED),
        (Answer(message="connection refused"), Kind.WAIT),
        (Answer(message="certificate verify failed", local=True), Kind.HOLD),
    ],
)
def test_otlp_rules(answer: Answer, expected: Kind) -> None:
    assert decide(answer, NOW).kind is expected


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", 30.0),
        (" 7 ", 7.0),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("999999", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        (format_datetime(datetime.fromtimestamp(NOW + 40, UTC), usegmt=True), 40.0),
        (format_datetime(datetime.fromtimestamp(NOW - 40, UTC), usegmt=True), None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, wait: float | None) -> None:
    assert decide(Answer(status=429, retry_after=header), NOW).wait == wait
    assert decide(Answer(status=401, retry_after=header), NOW).wait is None


@given(st.text(max_size=60), st.sampled_from([429, 503]))
def test_any_retry_after_is_a_wait_within_bounds(header: str, status: int) -> None:
    verdict = decide(Answer(status=status, retry_after=header), NOW)
    assert verdict.kind is Kind.WAIT
    assert verdict.wait is None or 0 < verdict.wait <= LONGEST_WAIT


def details(*more: object, seconds: int = 0, nanos: int = 0) -> bytes:
    status = Status(code=8, message="slow down")
    for one in (*more, RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))):
        packed = Any()
        packed.Pack(one)
        status.details.append(packed)
    return status.SerializeToString()


def test_retry_info_says_how_long_to_wait() -> None:
    asked = details(Duration(seconds=9), seconds=12, nanos=500_000_000)
    for code in (8, 14):
        verdict = decide(Answer(code=code, details=asked), NOW)
        assert (verdict.kind, verdict.wait) == (Kind.WAIT, 12.5)
    for seconds, wait in ((0, None), (-3, None), (1 << 40, LONGEST_WAIT)):
        assert decide(Answer(code=14, details=details(seconds=seconds)), NOW).wait == wait


def test_resource_exhausted_for_size_is_split_unless_it_says_when_to_retry() -> None:
    message = "grpc: received message larger than max (5000000 vs. 4194304)"
    assert decide(Answer(code=8, message=message), NOW).kind is Kind.SPLIT
    asked = details(seconds=3)
    assert decide(Answer(code=8, message=message, details=asked), NOW).kind is Kind.WAIT
    # The answer, not the request, was too large for our own side: nothing to split.
    assert decide(Answer(code=8, message=f"CLIENT: {message}"), NOW).kind is Kind.WAIT


def test_partial_success_is_delivered_less_the_refused() -> None:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 3
    response.partial_success.error_message = "too old\x1b[2J\nby a day"
    for answer in (Answer(status=200), Answer(code=0)):
        verdict = decide(answer._replace(body=response.SerializeToString()), NOW)
        assert (verdict.kind, verdict.refused) == (Kind.DELIVERED, 3)
        assert verdict.reason == "too old\\x1b[2J by a day"
    response.partial_success.rejected_log_records = -3
    assert decide(Answer(status=200, body=response.SerializeToString()), NOW).refused == 0


def test_the_words_of_a_refusal_are_its_status_message_or_its_text() -> None:
    status = Status(code=3, message="bad record").SerializeToString()
    assert decide(Answer(status=400, body=status), NOW).reason == "HTTP 400 bad record"
    html = Answer(status=502, body=b" <h1>Bad\x00 Gateway</h1>\n", protobuf=False)
    assert decide(html, NOW).reason == "HTTP 502 <h1>Bad\\x00 Gateway</h1>"
    bare = Answer(status=404, message="Not Found", body=b"\xff\xff")
    assert decide(bare, NOW).reason == "HTTP 404 Not Found"


@given(st.binary(max_size=80), st.booleans(), st.sampled_from([200, 400, 503]), st.text())
def test_no_answer_raises(junk: bytes, protobuf: bool, status: int, message: str) -> None:
    for answer in (
        Answer(status=status, body=junk, protobuf=protobuf, message=message),
        Answer(code=status % 17, body=junk, details=junk, message=message),
    ):
        verdict = decide(answer, NOW)
        assert re.fullmatch(r"[^\n]{0,700}", verdict.reason)
        assert verdict.reason.isprintable()


def test_backoff_doubles_to_its_cap_for_ever() -> None:
    assert [backoff(attempt, 1.0) for attempt in (1, 2, 3, 5, 6)] == [1, 2, 4, 16, 30]
    for attempt in (7, 1024, 5_000, 10**9):
        assert backoff(attempt, 1.0) == 30.0
        assert backoff(attempt, 0.0) == 15.0


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.floats(0.001, 5))
def test_backoff_is_always_a_time_within_its_cap(attempt: int, random: float, base: float) -> None:
    pause = backoff(attempt, random, base, 30.0)
    assert math.isfinite(pause)
    assert base / 2 <= pause <= 30.0
