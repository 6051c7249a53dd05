"""Requests, read back by the official classes, against a plain retelling of what they must say."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    RESOURCE,
    SEGV,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Joined, Process, Side
from otel_killsnoop.records.attributes import names
from otel_killsnoop.records.record import Encoder

DEPTH = 3

raw = st.binary(max_size=15) | st.sampled_from([b"nginx", b"a)\n b", "ü€𝄞".encode(), b"\xff\xfe"])
texts = st.none() | st.text(max_size=20)
arguments = st.lists(st.binary(max_size=40), max_size=5).map(tuple)


@st.composite
def processes(draw: st.DrawFn) -> Process:
    args = draw(arguments)
    return process(
        pid=draw(st.integers(1, 2**22)),
        start=draw(st.integers(0, 2**60)),
        vpid=draw(st.integers(0, 2**22)),
        parent_pid=draw(st.integers(0, 2**22)),
        comm=draw(raw),
        path=draw(st.binary(max_size=40)),
        args=args,
        args_count=len(args) + draw(st.integers(0, 2)),
        args_cut=draw(st.booleans()),
        uid=draw(st.integers(0, 2**32 - 1)),
        user=draw(texts),
        cgroup=draw(texts),
        container_id=draw(texts),
        pod_uid=draw(texts),
        systemd_unit=draw(texts),
        known_from=draw(st.sampled_from(["exec", "fork", "procfs", "partial"])),
    )


sides = st.builds(
    lambda chain, complete: lineage(*chain, complete=complete),
    st.lists(processes(), min_size=1, max_size=6),
    st.booleans(),
)


def shown(value: bytes | str) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in value)


def expected_side(prefix: str, side: Side) -> tuple[dict[str, Any], set[str]]:
    """What the design says of a side, told slowly; and which of it is cut."""
    one = side.process
    chain: list[Side] = []
    above = side.parent
    while above is not None and len(chain) < DEPTH:
        chain.append(above)
        above = above.parent
    args = [shown(a) for a in one.args]
    withheld = len(args) == 1 < one.args_count and not one.args_cut
    born = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=(one.start + OFFSET) // 1000)
    complete = above is None and (chain[-1] if chain else side).complete
    labels = [f"{shown(s.process.comm)}[{s.process.pid}]" for s in (side, *chain)]
    said = {
        "process.pid": one.pid,
        "process.vpid": one.vpid if one.vpid not in (0, one.pid) else None,
        "process.parent_pid": one.parent_pid or None,
        "process.creation.time": born.strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{born.microsecond // 1000:03d}Z"
        if one.start
        else None,
        "process.executable.name": shown(one.comm),
        "process.executable.path": shown(one.path) or None,
        "process.command": args[0] if withheld else None,
        "process.command_args": args if args and not withheld else None,
        "process.command_line": shown(b" ".join(one.args)) if args and not withheld else None,
        "process.args_count": one.args_count or None,
        "process.user.id": one.uid,
        "process.user.name": None if one.user is None else shown(one.user),
        "container.id": None if one.container_id is None else shown(one.container_id),
        "process.linux.cgroup": shown(one.cgroup)
        if one.cgroup is not None and one.container_id is None
        else None,
        "k8s.pod.uid": None if one.pod_uid is None else shown(one.pod_uid),
        "systemd.unit": None if one.systemd_unit is None else shown(one.systemd_unit),
        "process.known_from": one.known_from if one.known_from != "exec" else None,
        "process.tree": " < ".join(labels) + ("" if complete else " < ..."),
        "process.ancestors.pids": [s.process.pid for s in chain] or None,
        "process.ancestors.names": [shown(s.process.comm) for s in chain] or None,
        "process.ancestors.command_lines": [shown(b" ".join(s.process.args)) for s in chain]
        if any(b" ".join(s.process.args) for s in chain)
        else None,
    }
    cut = {"process.command_args", "process.command_line"} if one.args_cut and args else set()
    return (
        {f"{prefix}.{name}": value for name, value in said.items() if value is not None},
        {f"{prefix}.{name}" for name in cut},
    )


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(RESOURCE, BOOT_ID, DEPTH, OFFSET)


@given(
    st.lists(
        st.tuples(
            st.none() | sides,
            sides,
            st.sampled_from([KILL, SEGV]),
            st.integers(0, 2**62),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_attribute_of_any_processes(
    read: Callable[..., Any], drawn: list[tuple[Side | None, Side, Any, int, bool]]
) -> None:
    encoder = Encoder(RESOURCE, BOOT_ID, DEPTH, OFFSET)
    batch = []
    for number, (source, target, facts, time, other_threads) in enumerate(drawn * 2):
        changes = {"source_tid": 77, "target_tid": 99} if other_threads else {}
        batch.append(joined(source, target, facts, time=time, sequence=number, **changes))
    (request,) = encoder.encode(batch, OFFSET, OBSERVED)
    records = {one.attributes["log.record.uid"]: one for one in read(request)}
    assert len(records) == len(batch)
    for signal, source, target in batch:
        one = records[f"{BOOT_ID}-{signal.sequence:016x}"]
        sides = [expected_side("killsnoop.target", target)]
        if source is not None:
            sides.append(expected_side("killsnoop.source", source))
        resource = RESOURCE | {name: value for said, _ in sides for name, value in said.items()}
        assert one.resource == resource
        facts = signal.facts
        expected = {
            "killsnoop.event": "signal",
            "killsnoop.signal.number": facts.number,
            "killsnoop.signal.name": facts.name,
            "killsnoop.signal.code": facts.code,
            "killsnoop.signal.cause": facts.cause,
            "killsnoop.signal.scope": facts.scope,
            "killsnoop.signal.result": facts.result,
            "killsnoop.target.thread.id": signal.target_tid,
            "log.record.uid": f"{BOOT_ID}-{signal.sequence:016x}",
        }
        if facts.call:
            expected["killsnoop.signal.call"] = facts.call
        if source is not None:
            expected["killsnoop.source.thread.id"] = signal.source_tid
        cut = set().union(*(cut for _, cut in sides))
        assert set(one.attributes.pop("killsnoop.truncated", [])) == cut
        assert one.attributes == expected
        assert (one.resource.keys() | one.attributes.keys()) <= names()
        assert one.record.time_unix_nano == signal.time + OFFSET
        assert one.record.observed_time_unix_nano == OBSERVED
        assert one.record.event_name == "killsnoop.signal"
        to = f"{shown(target.process.comm)}[{target.process.pid}]"
        if source is None:
            body = f"{facts.name} to {to} ({facts.cause})"
        else:
            by = f"{shown(source.process.comm)}[{source.process.pid}]"
            body = f"{facts.name} from {by} to {to}"
        assert one.record.body.string_value == body


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
