"""What a far side may answer to a request, over HTTP and gRPC, and what the courier makes of it.

Each test is a step of the courier: no thread and no sleep is in it, it says how long to pause.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from raw_side import http2

from otel_killsnoop.shipping.courier import Courier
from otel_killsnoop.shipping.delivery import LONGEST_WAIT
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.spool import Spool

HOLD = 30.0
PROTOCOLS = ("http/protobuf", "grpc")
Make = Callable[..., Courier]


def exhausted(seconds: int | None, words: str = "slow down") -> Callable[..., bytes]:
    """RESOURCE_EXHAUSTED, with RetryInfo if seconds are given."""

    def rule(body: bytes, context: grpc.ServicerContext) -> bytes:
        if seconds is not None:
            status = Status(code=8, message=words)
            status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
            context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        return context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)

    return rule


def kept(spool: Spool, records: int) -> bool:
    counts = spool.counts()
    return (counts.on_disk, counts.delivered, counts.rejected) == (records, 0, 0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date", "none"])
def test_retry_after_in_both_forms(
    courier: Make, spool: Spool, http_destination: Any, said: Any, logs: Any, status: int, form: str
) -> None:
    value = "100" if form == "seconds" else formatdate(time.time() + 100, usegmt=True)
    headers = () if form == "none" else (("Retry-After", value),)
    http_destination.rule = lambda got: said(status, headers=headers)
    spool.put(logs(("a", "b")))
    one = courier(http_destination.url, "http/protobuf")
    pauses = [one.step(20) for _ in range(3)]
    if form == "seconds":
        assert pauses == [100, 100, 100]
    elif form == "date":
        assert all(0 < pause <= 100 for pause in pauses)
        assert pauses[0] > 10
    else:
        assert [1 <= 2 * pause <= 2 * n for pause, n in zip(pauses, (1, 2, 4), strict=True)]
        assert pauses[2] <= 4
    assert kept(spool, 2)


@pytest.mark.parametrize(
    ("seconds", "least", "most"), [(7, 7, 7), (9999, 300, 300), (None, 0.5, 1)]
)
def test_resource_exhausted_with_and_without_retry_info(
    courier: Make,
    spool: Spool,
    grpc_destination: Any,
    logs: Any,
    seconds: int | None,
    least: float,
    most: float,
) -> None:
    assert LONGEST_WAIT == 300
    grpc_destination.rule = exhausted(seconds)
    spool.put(logs(("a", "b")))
    assert least <= courier(grpc_destination.url, "grpc").step(20) <= most
    assert kept(spool, 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_size_limit_splits_until_it_fits_and_refuses_what_never_will(
    courier: Make,
    spool: Spool,
    http_destination: Any,
    grpc_destination: Any,
    said: Any,
    logs: Any,
    bodies: Any,
    tmp_path: Path,
    protocol: str,
) -> None:
    took: list[str] = []

    def fits(body: bytes) -> bool:
        if len(body) > 2500:
            return False
        took.extend(bodies(body))
        return True

    too_large = exhausted(None, "grpc: received message larger than max (9 vs. 4)")
    http_destination.rule = lambda got: said(200 if fits(got.plain()) else 413)
    grpc_destination.rule = lambda body, context: b"" if fits(body) else too_large(body, context)
    destination = grpc_destination if protocol == "grpc" else http_destination
    small = [f"{number}" + "." * 900 for number in range(9)]
    spool.put(logs((*small[:5], "large" * 999, *small[5:])))
    one = courier(destination.url, protocol)
    while spool.files():
        assert one.step(20) == 0
    assert took == small
    counts = spool.counts()
    assert (counts.delivered, counts.rejected) == (9, 1)
    request, answer = sorted((tmp_path / "spool" / "rejected").iterdir())
    assert bodies(unpack(request.read_bytes())) == ["large" * 999]
    assert ("larger than max" if protocol == "grpc" else "HTTP 413") in answer.read_text()


def test_one_bad_record_over_grpc_is_isolated_and_kept_with_the_answer(
    courier: Make, spool: Spool, grpc_destination: Any, logs: Any, bodies: Any, tmp_path: Path
) -> None:
    took: list[str] = []

    def rule(body: bytes, context: grpc.ServicerContext) -> bytes:
        if "bad" in bodies(body):
            return context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not this one")
        took.extend(bodies(body))
        return b""

    grpc_destination.rule = rule
    good = [str(number) for number in range(50)]
    spool.put(logs((*good[:33], "bad", *good[33:])))
    one = courier(grpc_destination.url, "grpc")
    while spool.files():
        assert one.step(20) == 0
    assert took == good
    assert (spool.counts().delivered, spool.counts().rejected) == (50, 1)
    request, answer = sorted((tmp_path / "spool" / "rejected").iterdir())
    assert bodies(unpack(request.read_bytes())) == ["bad"]
    assert answer.read_text() == "gRPC status 3 not this one\n"


HELD = {
    "401": (401, grpc.StatusCode.UNAUTHENTICATED),
    "403": (403, grpc.StatusCode.PERMISSION_DENIED),
    "404": (404, grpc.StatusCode.UNIMPLEMENTED),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", HELD)
def test_refusals_of_the_configuration_keep_everything_and_say_so_once(
    courier: Make,
    spool: Spool,
    http_destination: Any,
    grpc_destination: Any,
    said: Any,
    logs: Any,
    protocol: str,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, code = HELD[what]
    http_destination.rule = lambda got: said(status, b"who are you?")
    grpc_destination.rule = lambda body, context: context.abort(code, "who are you?")
    destination = grpc_destination if protocol == "grpc" else http_destination
    spool.put(logs(("a", "b")))
    one = courier(destination.url, protocol)
    assert [one.step(20) for _ in range(20)] == [HOLD] * 20
    assert kept(spool, 2)
    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.levelname == "ERROR"
    assert destination.url in line.getMessage()
    assert "OTEL_EXPORTER_OTLP_" in line.getMessage()
    assert "who are you?" in line.getMessage()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_login_page_is_held_and_not_followed(
    courier: Make,
    spool: Spool,
    http_destination: Any,
    raw: Any,
    said: Any,
    logs: Any,
    protocol: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login = http_destination.url.replace("/v1/logs", "/login")
    http_destination.rule = lambda got: (
        said(200, b"<h1>Log in</h1>", (("Content-Type", "text/html"),))
        if got.path.endswith("/login")
        else said(status, headers=(("Location", login),))
    )
    url = http_destination.url
    if protocol == "grpc":
        url = raw(http2(status, ("location", login))).url
    spool.put(logs(("a", "b")))
    one = courier(url, protocol)
    assert [one.step(20) for _ in range(5)] == [HOLD] * 5
    assert kept(spool, 2)
    assert {got.path for got in http_destination.got} <= {"POST /v1/logs"}
    [line] = caplog.messages
    assert f"HTTP {status}" in line
