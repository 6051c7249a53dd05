"""Spool, courier, thread and transports together, against real servers."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.sender import Sender
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import connect

QUICK = {"base": 0.005, "longest": 0.02, "hold": 0.02}


@pytest.fixture
def sender(spool: Spool) -> Iterator[Callable[..., Sender]]:
    """sender(url, protocol, **timing): a started sender for the spool."""
    started: list[Sender] = []

    def start(
        url: str, protocol: str = "http/protobuf", metrics: str = "", **more: float
    ) -> Sender:
        logs = connect(Endpoint("logs", protocol, url))
        other = connect(Endpoint("metrics", protocol, metrics)) if metrics else None
        started.append(Sender(spool, logs, other, **(QUICK | more)))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop(0)


def balanced(counts: ShippingCounts) -> bool:
    fates = counts.delivered + counts.rejected + counts.evicted + counts.on_disk
    return counts.recovered + counts.spooled == fates


def eventually(condition: Callable[[], object]) -> bool:
    for _ in range(1000):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_all_arrives_in_order_and_the_spool_is_empty(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, bodies: Any
) -> None:
    requests = [logs((f"{n} a", f"{n} b")) for n in range(20)]
    for request in requests[:10]:
        spool.put(request)
    one = sender(http_destination.url)
    for request in requests[10:]:
        spool.put(request)
    assert one.drain(10)
    assert [got.plain() for got in http_destination.got] == [r.body for r in requests]
    counts = one.counts()
    assert (counts.delivered, counts.on_disk) == (40, 0)
    assert counts.requests["delivered"] == 20


def test_a_put_wakes_an_idle_sender(
    spool: Spool, sender: Any, http_destination: Any, logs: Any
) -> None:
    one = sender(http_destination.url)
    for number in range(3):
        spool.put(logs((str(number),)))
        assert eventually(lambda n=number: one.counts().delivered == n + 1)


@pytest.mark.parametrize("status", [429, 500, 503, 404])
def test_trouble_keeps_everything_until_it_is_over(
    spool: Spool,
    sender: Any,
    http_destination: Any,
    logs: Any,
    said: Any,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "otel_killsnoop.shipping")
    answers = iter([said(status)] * 4)
    http_destination.rule = lambda got: next(answers, said())
    for number in range(3):
        spool.put(logs((str(number),)))
    one = sender(http_destination.url)
    assert eventually(lambda: one.counts().delivered == 3)
    counts = one.counts()
    assert counts.rejected == counts.on_disk == 0
    assert len(http_destination.got) == 3 + 4
    assert len({got.body for got in http_destination.got}) == 3, "re-sent, but not the same"
    said_so = [record.levelname for record in caplog.records]
    assert said_so == ["ERROR" if status == 404 else "WARNING", "INFO"], caplog.messages


def test_retry_after_is_waited_for(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, said: Any
) -> None:
    http_destination.rule = lambda got: said(429, headers=(("Retry-After", "200"),))
    spool.put(logs(("a",)))
    one = sender(http_destination.url)
    assert eventually(lambda: one.counts().requests["retried"] == 1)
    spool.put(logs(("b",)))  # wakes the thread, but does not cut the pause short
    assert not one.drain(0)
    assert not one.stop(5)
    assert len(http_destination.got) <= 3, "only drain and stop may try before the time"
    assert one.counts().on_disk == 2


def test_one_bad_record_is_found_and_only_it_is_refused(
    spool: Spool,
    sender: Any,
    http_destination: Any,
    logs: Any,
    bodies: Any,
    said: Any,
    tmp_path: Path,
) -> None:
    words = Status(code=3, message="bad record").SerializeToString()
    kind = (("Content-Type", "application/x-protobuf"),)
    good: list[str] = []

    def rule(got: Any) -> Any:
        if "bad" in bodies(got.plain()):
            return said(400, words, kind)
        good.extend(bodies(got.plain()))
        return said()

    http_destination.rule = rule
    first = [f"{n}" for n in range(30)]
    spool.put(logs((*first, "bad"), ("x", "y"), ("z",)))
    spool.put(logs(("last",)))
    one = sender(http_destination.url)
    assert one.drain(10)
    assert good == [*first, "x", "y", "z", "last"]
    counts = one.counts()
    assert (counts.delivered, counts.rejected) == (34, 1)
    assert balanced(counts)
    assert counts.requests["rejected"] == 1
    kept = sorted((tmp_path / "spool" / "rejected").iterdir())
    assert bodies(unpack(kept[0].read_bytes())) == ["bad"]
    assert kept[0].name.endswith("-000030.otlp.gz")
    assert kept[1].read_text() == "HTTP 400 bad record\n"


def test_a_crash_while_splitting_loses_nothing(
    spool: Spool,
    sender: Any,
    http_destination: Any,
    logs: Any,
    bodies: Any,
    said: Any,
    tmp_path: Path,
) -> None:
    def rule(got: Any) -> Any:
        here = bodies(got.plain())
        if len(here) == 4:
            return said(413)
        return said(503 if "c" in here else 200)

    http_destination.rule = rule
    spool.put(logs(("a", "b", "c", "d")))
    one = sender(http_destination.url)
    assert eventually(lambda: one.counts().requests["retried"])
    one.stop(0)
    counts = one.counts()
    assert (counts.delivered, counts.on_disk) == (0, 4), "half a file is no delivery"
    spool.close()
    with Spool(tmp_path / "spool") as again:
        assert again.counts().recovered == 4


@pytest.mark.parametrize("transport", ["http/protobuf", "grpc"])
def test_partial_success_is_counted_and_not_sent_again(
    spool: Spool,
    sender: Any,
    http_destination: Any,
    grpc_destination: Any,
    logs: Any,
    said: Any,
    transport: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 2
    response.partial_success.error_message = "too old"
    kind = (("Content-Type", "application/x-protobuf"),)
    http_destination.rule = lambda got: said(200, response.SerializeToString(), kind)
    grpc_destination.rule = lambda body, context: response.SerializeToString()
    destination = grpc_destination if transport == "grpc" else http_destination
    spool.put(logs(("a", "b", "c")))
    spool.put(logs(("d",)))
    one = sender(destination.url, transport)
    assert one.drain(10)
    counts = one.counts()
    assert (counts.delivered, counts.rejected) == (1, 3), "no more than there were"
    assert len(destination.got) == 2
    assert "refused 2 of 3 records for good: too old" in caplog.text


def test_grpc_over_its_size_limit_is_split_until_it_fits(
    spool: Spool, sender: Any, grpc_destination: Any, logs: Any, bodies: Any
) -> None:
    large = [str(n) * (1 << 20) for n in range(9)]
    spool.put(logs(tuple(large)))
    one = sender(grpc_destination.url, "grpc")
    assert one.drain(20)
    arrived = [body for got in grpc_destination.got for body in bodies(got.body)]
    assert arrived == large
    assert one.counts().delivered == 9


def test_a_file_that_is_no_request_is_set_aside(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, said: Any, tmp_path: Path
) -> None:
    http_destination.rule = lambda got: said(400 if b"junk" in got.plain() else 200)
    spool.put(Request(b"junk, and no protobuf", 5))
    spool.put(logs(("good",)))
    one = sender(http_destination.url)
    assert one.drain(10)
    counts = one.counts()
    assert (counts.delivered, counts.rejected) == (1, 5)
    assert counts.requests["set_aside"] == 1
    assert len(list((tmp_path / "spool" / "set-aside").iterdir())) == 1


def test_a_file_that_vanishes_stops_nothing(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, tmp_path: Path
) -> None:
    spool.put(logs(("gone", "gone")))
    spool.put(logs(("good",)))
    min((tmp_path / "spool").glob("*.otlp.gz")).unlink()
    one = sender(http_destination.url)
    assert eventually(lambda: one.counts().delivered == 1)
    assert one.counts().rejected == 2
    assert balanced(one.counts())


def test_evicting_under_way_keeps_the_counts(
    http_destination: Any, logs: Any, said: Any, tmp_path: Path
) -> None:
    http_destination.rule = lambda got: said(503)
    with Spool(tmp_path / "small", limit=5 * 4096) as spool:
        one = Sender(spool, connect(Endpoint("logs", "http/protobuf", http_destination.url)))
        one.start()
        for number in range(50):
            spool.put(logs((str(number), "x")))
            assert balanced(one.counts())
        http_destination.rule = lambda got: said()
        assert one.drain(10)
        one.stop(1)
        counts = one.counts()
        assert balanced(counts)
        assert counts.evicted == 100 - counts.delivered >= 90 - 2


def test_metrics_go_between_and_the_newest_wins(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, said: Any
) -> None:
    url = http_destination.url
    http_destination.rule = lambda got: said(503 if got.path == "POST /v1/logs" else 200)
    spool.put(logs(("a",)))
    one = sender(url, metrics=url.replace("logs", "metrics"))
    assert eventually(lambda: one.counts().requests["retried"])
    one.offer_metrics(b"first")
    assert eventually(lambda: one.counts().requests["metrics_delivered"] == 1)
    sent = [got for got in http_destination.got if got.path == "POST /v1/metrics"]
    assert [got.plain() for got in sent] == [b"first"]


def test_metrics_are_given_up_after_a_couple_of_tries_and_counted(
    spool: Spool, sender: Any, http_destination: Any, said: Any
) -> None:
    http_destination.rule = lambda got: said(503)
    one = sender(http_destination.url, metrics=http_destination.url)
    one.offer_metrics(b"first")
    assert eventually(lambda: one.counts().requests["metrics_dropped"] == 1)
    assert len(http_destination.got) == 2
    http_destination.rule = lambda got: said()
    one.offer_metrics(b"second")
    assert eventually(lambda: one.counts().requests["metrics_delivered"] == 1)
    assert one.counts().spooled == 0


def test_stop_sends_what_is_left(
    spool: Spool, sender: Any, http_destination: Any, logs: Any
) -> None:
    one = sender(http_destination.url, metrics=http_destination.url)
    for number in range(30):
        spool.put(logs((str(number),)))
    one.offer_metrics(b"the last counts")
    assert one.stop(10)
    assert one.counts().delivered == 30
    assert b"the last counts" in [got.plain() for got in http_destination.got]


def test_stop_leaves_a_dead_destination_and_keeps_the_records(
    spool: Spool, sender: Any, logs: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    spool.put(logs(("a", "b")))
    one = sender(f"http://127.0.0.1:{port}/v1/logs", base=500.0, longest=1000.0)
    assert not one.stop(100)  # returns long before: no try is due in that time
    assert one.counts().on_disk == 2


def test_stop_ends_a_post_that_hangs(
    spool: Spool, sender: Any, http_destination: Any, logs: Any, said: Any
) -> None:
    arrived = threading.Event()

    def never(got: object) -> Any:
        arrived.set()
        http_destination.closing.wait(30)
        return said(raw=b"")

    http_destination.rule = never
    spool.put(logs(("a", "b")))
    one = sender(http_destination.url)
    assert arrived.wait(10)
    assert not one.stop(0.1)
    assert not any(thread.name == "sender" for thread in threading.enumerate())
    assert one.counts().on_disk == 2


def test_a_defect_of_ours_is_told_and_survived(
    spool: Spool,
    sender: Any,
    http_destination: Any,
    logs: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real, failures = spool.read, iter([ZeroDivisionError("a defect")])

    def read(entry: Any) -> bytes:
        for failure in failures:
            raise failure
        return real(entry)

    monkeypatch.setattr(spool, "read", read)
    spool.put(logs(("a",)))
    one = sender(http_destination.url)
    assert eventually(lambda: one.counts().delivered == 1)
    assert "ZeroDivisionError: a defect" in caplog.text


def test_a_sender_without_metrics_takes_none(sender: Any, http_destination: Any) -> None:
    with pytest.raises(ValueError, match="no transport for metrics"):
        sender(http_destination.url).offer_metrics(b"x")
