"""Requests, read back by the official classes: their text, their size, what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from made_signals import (
    BOOT_ID,
    OBSERVED,
    OFFSET,
    RESOURCE,
    SEGV,
    joined,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Joined
from otel_killsnoop.records.record import Encoder

DEPTH = 3


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(RESOURCE, BOOT_ID, DEPTH, OFFSET)


def test_a_record_by_its_text(encoder: Encoder, read: Callable[..., Any]) -> None:
    source = usual_lineage(process(pid=42, comm=b"bash", args=(b"bash",)), 2)
    target = usual_lineage(process(), 1)
    (request,) = encoder.encode(
        [joined(source, target), joined(None, target, SEGV)], OFFSET, OBSERVED
    )
    killed, failed = read(request)
    assert killed.record.body.string_value == "SIGKILL from bash[42] to nginx[1234]"
    assert (killed.record.severity_number, killed.record.severity_text) == (13, "WARN")
    assert failed.record.body.string_value == "SIGSEGV to nginx[1234] (fault)"
    assert (failed.record.severity_number, failed.record.severity_text) == (17, "ERROR")
    assert not any(name.startswith("killsnoop.source") for name in failed.resource)
    assert not any(name.startswith("killsnoop.source") for name in failed.attributes)
    assert killed.resource["killsnoop.source.process.tree"] == "bash[42] < bash[4702] < systemd[1]"
    assert killed.resource["killsnoop.target.process.creation.time"] == "2026-09-22T14:13:20.123Z"


def test_records_of_a_pair_share_one_resource(read: Callable[..., Any], encoder: Encoder) -> None:
    one, other = usual_lineage(process(), 2), usual_lineage(process(pid=2), 2)
    batch = [
        joined(*pair, sequence=n)
        for n, pair in enumerate([(one, other), (other, one), (None, one)] * 10)
    ]
    (request,) = encoder.encode(batch, OFFSET, OBSERVED)
    assert len(read(request)) == 30
    assert request.body.count(b"host.id") == 3


def test_the_same_batch_gives_the_same_bytes_from_cold_and_warm_caches() -> None:
    source, target = usual_lineage(process(pid=42), 5), usual_lineage(process(), 4)
    batch = [joined(source, target, sequence=n, source_tid=42 + n % 2) for n in range(10)]
    warm = Encoder(RESOURCE, BOOT_ID, 8, OFFSET)
    first = warm.encode(batch, OFFSET, OBSERVED)
    assert warm.encode(batch, OFFSET, OBSERVED) == first
    assert Encoder(RESOURCE, BOOT_ID, 8, OFFSET).encode(batch, OFFSET, OBSERVED) == first


@pytest.mark.parametrize("limit", [1, 5_000, 20_000, 1_000_000])
def test_requests_keep_to_their_size_and_lose_no_record(
    read: Callable[..., Any], limit: int
) -> None:
    encoder = Encoder(RESOURCE, BOOT_ID, 8, OFFSET, max_request_bytes=limit)
    sides = [usual_lineage(process(pid=pid), 8) for pid in range(1, 12)]
    batch = [
        joined(sides[n % 11], sides[n * 7 % 11], sequence=n, target_tid=n % 3 + 1)
        for n in range(997)
    ]
    requests = encoder.encode(batch, OFFSET, OBSERVED)
    assert all(len(one.body) <= limit or one.records == 1 for one in requests)
    if limit > 10_000:
        # Full, but for what the next record would have needed at most.
        assert all(len(one.body) > limit - 6_000 for one in requests[:-1])
    uids = [record.attributes["log.record.uid"] for one in requests for record in read(one)]
    assert sorted(uids) == [f"{BOOT_ID}-{n:016x}" for n in range(997)]


def test_no_signals_make_no_request(encoder: Encoder) -> None:
    empty: list[Joined] = []
    assert encoder.encode(empty, OFFSET, OBSERVED) == []


def test_the_tree_is_cut_where_asked(read: Callable[..., Any]) -> None:
    target = usual_lineage(process(), 8)
    for depth in (0, 1, 7, 8, 32):
        encoder = Encoder(RESOURCE, BOOT_ID, depth, OFFSET)
        (one,) = read(encoder.encode([joined(None, target)], OFFSET, OBSERVED)[0])
        tree = one.resource["killsnoop.target.process.tree"]
        assert tree.endswith("systemd[1]" if depth >= 8 else " < ...")
        pids = one.resource.get("killsnoop.target.process.ancestors.pids", [])
        assert len(pids) == min(depth, 8)
        assert tree.count(" < ") == min(depth, 8) + (depth < 8)
