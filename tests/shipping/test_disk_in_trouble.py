"""A disk that takes nothing: the spool goes on from memory, to its bound, and recovers alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_collector import wait_until
from trouble import SmallDisk

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.sender import Sender
from otel_killsnoop.shipping.spool import MEMORY, Spool
from otel_killsnoop.shipping.transport import connect

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
RANDOM = 9000  # bytes that gzip cannot make fewer


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """2 MiB; the spool is in it."""
    one = SmallDisk(tmp_path / "disk")
    yield one
    one.gone()


@pytest.fixture
def sending(http_destination: Any) -> Iterator[Callable[[Spool], Sender]]:
    """sending(spool): a started sender to the scripted destination."""
    started: list[Sender] = []

    def start(spool: Spool) -> Sender:
        to = connect(Endpoint("logs", "http/protobuf", http_destination.url))
        started.append(Sender(spool, to, base=0.005, longest=0.02, hold=0.02))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop(0)


def request(number: int, size: int = RANDOM) -> Request:
    return Request(b"%06d " % number + os.urandom(size), 1)


def arrived(destination: Any) -> list[int]:
    return [int(got.plain()[:6]) for got in destination.got]


def balanced(counts: ShippingCounts) -> bool:
    fates = counts.delivered + counts.rejected + counts.evicted + counts.on_disk
    return counts.recovered + counts.spooled == fates


@as_root
def test_a_full_disk_does_not_keep_records_from_being_sent(
    disk: SmallDisk, sending: Any, http_destination: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "otel_killsnoop.shipping")
    with Spool(disk.path / "spool", retry=0.01) as spool:
        filler = disk.fill()
        sender = sending(spool)
        for number in range(50):
            spool.put(request(number))
        assert sender.drain(20)
        assert arrived(http_destination) == list(range(50))
        counts = sender.counts()
        assert (counts.spooled, counts.delivered, counts.in_memory) == (50, 50, 0)
        filler.unlink()
        spool.put(request(50))
        assert sender.drain(20)
    assert [one.levelname for one in caplog.records] == ["ERROR", "INFO"], caplog.messages
    told, over = caplog.messages
    assert "No space left on device" in told
    assert f"at most {MEMORY >> 20} MiB" in told
    assert "can be written again" in over


@as_root
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_what_waits_in_memory_gets_to_the_disk_as_soon_as_it_can(
    disk: SmallDisk, sending: Any, http_destination: Any, said: Any, trouble: str
) -> None:
    """Nobody puts meanwhile, and the destination is away: it is the sender who looks."""
    http_destination.rule = lambda got: said(503)
    with Spool(disk.path / "spool", retry=0.02) as spool:
        spool.put(request(0))
        if trouble == "full":
            filler = disk.fill()
        else:
            disk.read_only(True)
        sender = sending(spool)
        for number in range(1, 21):
            spool.put(request(number))
        counts = sender.counts()
        assert (counts.on_disk, counts.in_memory, counts.spooled) == (1, 20, 1)
        if trouble == "full":
            filler.unlink()
        else:
            disk.read_only(False)
        wait_until(lambda: sender.counts().in_memory == 0, 20, "the memory to be empty")
        counts = sender.counts()
        assert (counts.on_disk, counts.spooled) == (21, 21)
        assert balanced(counts)
        sender.stop(0)
    http_destination.rule = lambda got: said()
    http_destination.got.clear()
    with Spool(disk.path / "spool") as spool:
        assert spool.counts().recovered == 21
        assert sending(spool).drain(20)
    assert arrived(http_destination) == list(range(21))


@as_root
def test_the_spools_own_files_fill_the_disk_and_then_the_memory(
    disk: SmallDisk, sending: Any, http_destination: Any, said: Any
) -> None:
    http_destination.rule = lambda got: said(503)
    with Spool(disk.path / "spool", memory=20 * RANDOM, retry=0) as spool:
        sender = sending(spool)
        put = 0
        while spool.counts().in_memory < 19:  # a request is a little over RANDOM
            spool.put(request(put))
            put += 1
        with pytest.raises(SpoolError, match=r"No space left.*free some space"):
            spool.put(request(put))
        counts = sender.counts()
        assert counts.in_memory == 19
        assert counts.on_disk == put - 19 > 100
        assert counts.evicted == 0
        assert balanced(counts)
        http_destination.rule = lambda got: said()
        http_destination.got.clear()
        assert sender.drain(30)
        counts = sender.counts()
        assert (counts.delivered, counts.in_memory, counts.on_disk) == (put, 0, 0)
    assert sorted(arrived(http_destination)) == list(range(put))


@as_root
def test_files_that_a_read_only_disk_does_not_let_go_of_go_later(
    disk: SmallDisk, sending: Any, http_destination: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(disk.path / "spool", retry=0.01) as spool:
        for number in range(20):
            spool.put(request(number))
        disk.read_only(True)
        sender = sending(spool)
        assert sender.drain(20)
        counts = sender.counts()
        assert (counts.delivered, counts.on_disk) == (20, 0)
        assert len(list((disk.path / "spool").glob("*.otlp.gz"))) == 20
        assert len([one for one in caplog.messages if "removing" in one]) == 1, "one line each"
        disk.read_only(False)
        wait_until(
            lambda: not list((disk.path / "spool").glob("*.otlp.gz")), 20, "the files to be gone"
        )
    assert arrived(http_destination) == list(range(20))


@as_root
def test_what_is_in_memory_at_the_end_is_saved_or_counted(disk: SmallDisk) -> None:
    spool = Spool(disk.path / "spool")
    filler = disk.fill()
    for number in range(3):
        spool.put(request(number))
    filler.unlink()
    assert spool.save() == 0
    assert spool.counts().on_disk == 3
    disk.fill()
    spool.close()
    spool = Spool(disk.path / "spool")
    for number in range(4):
        spool.put(request(number))
    assert spool.save() == 4
    counts = spool.counts()
    assert (counts.recovered, counts.unspooled, counts.in_memory) == (3, 4, 0)
    spool.close()


def test_a_request_that_is_larger_than_the_limit_is_sent_from_memory(
    tmp_path: Path, sending: Any, http_destination: Any
) -> None:
    with Spool(tmp_path / "spool", limit=20_000, retry=0.01) as spool:
        for number in (0, 1):
            spool.put(request(number, 5000))
        spool.put(request(2, 50_000))
        counts = spool.counts()
        assert (counts.on_disk, counts.in_memory) == (2, 1), "what could not fit evicted others"
        assert sending(spool).drain(20)
    assert sorted(arrived(http_destination)) == [0, 1, 2]
