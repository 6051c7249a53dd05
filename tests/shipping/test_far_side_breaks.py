"""What is no answer: silence, breaking off, garbage, floods; it ends in time and loses nothing.

Each test is a step of the courier: no thread and no sleep is in it, it says how long to pause.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_side import Script, hang_up, http2, reset, says, silence

from otel_killsnoop.shipping.courier import PATIENCE, Courier
from otel_killsnoop.shipping.delivery import Answer
from otel_killsnoop.shipping.spool import Spool

PROTOCOLS = ("http/protobuf", "grpc")
HOLD = 30.0
Make = Callable[..., Courier]


def kept(spool: Spool, records: int) -> bool:
    counts = spool.counts()
    return (counts.on_disk, counts.delivered, counts.rejected) == (records, 0, 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(silence, id="accepts and is silent"),
        pytest.param(hang_up, id="hangs up"),
        pytest.param(reset, id="resets within the request"),
        pytest.param(says(b"HTTP/1.1 2"), id="resets within the status line"),
        pytest.param(says(b"", b"HTTP/1.1 200 OK\r\nX: y", 0.02), id="a byte now and then"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="endless headers"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 999), id="one endless header"),
        pytest.param(says(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="endless continue"),
        pytest.param(says(b"", b"\x00\xff\x1b[2J" * 99), id="garbage"),
        pytest.param(says(b"", b"\r\n"), id="nothing but line ends"),
    ],
)
def test_what_is_no_answer_ends_in_time_and_loses_nothing(
    courier: Make, spool: Spool, raw: Any, logs: Any, protocol: str, script: Script
) -> None:
    side = raw(script)
    spool.put(logs(("a" * 100_000, "b")))
    one = courier(side.url, protocol, timeout=0.3)
    for attempt in (1, 2):
        pause = one.step(20)  # that it comes back is the point: nothing above ends by itself
        assert 0.5 * attempt <= pause <= attempt
    assert side.connections
    assert kept(spool, 2)


def memory(which: str) -> int:
    """KiB of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{which}:")[1].split()[0])


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param((), b"x" * (1 << 20), id="plain"),
        pytest.param(
            (("Content-Encoding", "gzip"),), gzip.compress(bytes(64 << 20)) * 16, id="gzip"
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 503])
def test_an_answer_of_a_gigabyte_costs_no_memory(
    courier: Make,
    spool: Spool,
    raw: Any,
    logs: Any,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    status: int,
) -> None:
    poured = []

    def pour(connection: Any, closing: Any) -> None:
        connection.recv(1 << 16)
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {1 << 30}"]
        lines += [f"{name}: {value}" for name, value in headers]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range((1 << 30) // len(body)):
            connection.sendall(body)
            poured.append(len(body))

    spool.put(logs(("a", "b")))
    one = courier(raw(pour).url, "http/protobuf")
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    pause = one.step(20)
    assert memory("VmHWM") - before < 16 << 10
    assert sum(poured) < 32 << 20
    assert (pause == 0) == (status == 200)
    assert spool.counts().delivered == (2 if status == 200 else 0)


@pytest.mark.parametrize("status", [200, 500])
def test_a_web_page_over_grpc_is_no_word_about_the_records(
    courier: Make, spool: Spool, raw: Any, logs: Any, status: int
) -> None:
    side = raw(http2(status, ("content-type", "text/html"), body=b"<h1>Welcome</h1>"))
    spool.put(logs(("a", "b")))
    one = courier(side.url, "grpc", timeout=2)
    for _ in range(PATIENCE - 1):
        one.step(20)
    assert kept(spool, 2)


class Refusing:
    """A transport that has the same answer for everything."""

    packed = True
    destination = "http://there"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def post(self, body: bytes, timeout: float) -> Answer:
        return self.answer

    def abort(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("answer", [Answer(status=503), Answer(code=14), Answer(message="broken")])
def test_the_pause_is_right_at_attempt_5000(spool: Spool, logs: Any, answer: Answer) -> None:
    spool.put(logs(("a", "b")))
    one = Courier(spool, Refusing(answer), base=1.0, longest=30.0, hold=HOLD)
    pauses = [one.step(20) for _ in range(5000)]
    for attempt, pause in enumerate(pauses):
        cap = min(2.0**attempt, 30.0) if attempt < 10 else 30.0
        assert cap / 2 <= pause <= cap, attempt + 1
    assert len(set(pauses[-100:])) > 50, "no jitter: many agents come back as one"
    assert kept(spool, 2)
