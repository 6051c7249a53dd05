"""Any signals, read back by the official classes, against a plain retelling of what they say."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from any_signals import details
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    REFUSED,
    RESOURCE,
    SEGV,
    TESTED,
    joined,
    lineage,
    process,
)

from otel_killsnoop.model import Details, Facts, Process, Side, Signal
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
        pod_qos=draw(texts),
        systemd_unit=draw(texts),
        known_from=draw(st.sampled_from(["exec", "fork", "procfs", "partial"])),
        login_uid=draw(st.none() | st.integers(0, 2**32 - 1)),
        login_user=draw(texts),
        audit_session=draw(st.none() | st.integers(0, 2**32 - 1)),
        title=draw(st.none() | st.binary(max_size=40)),
        ended=draw(st.booleans()),
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
        "process.title": None if one.title is None else shown(one.title),
        "process.user.id": one.uid,
        "process.user.name": None if one.user is None else shown(one.user),
        "user.login": None if one.login_user is None else shown(one.login_user),
        "user.login_id": one.login_uid,
        "session.id": one.audit_session,
        "container.id": None if one.container_id is None else shown(one.container_id),
        "process.linux.cgroup": shown(one.cgroup)
        if one.cgroup is not None and one.container_id is None
        else None,
        "k8s.pod.qos_class": None if one.pod_qos is None else shown(one.pod_qos),
        "k8s.pod.uid": None if one.pod_uid is None else shown(one.pod_uid),
        "systemd.unit": None if one.systemd_unit is None else shown(one.systemd_unit),
        "process.known_from": one.known_from if one.known_from != "exec" else None,
        "process.tree": " < ".join(labels) + ("" if complete else " < ..."),
        "process.ancestors.pids": [s.process.pid for s in chain] or None,
        "process.ancestors.names": [shown(s.process.comm) for s in chain] or None,
        "process.ancestors.ended": [s.process.pid for s in chain if s.process.ended] or None,
        "process.ancestors.command_lines": [shown(b" ".join(s.process.args)) for s in chain]
        if any(b" ".join(s.process.args) for s in chain)
        else None,
    }
    cut = {"process.command_args", "process.command_line"} if one.args_cut and args else set()
    return (
        {f"{prefix}.{name}": value for name, value in said.items() if value is not None},
        {f"{prefix}.{name}" for name in cut},
    )


PATHS = {1: "/system.slice/app.service", 2: "/\udcffü"}

some_facts = st.builds(
    replace,
    st.sampled_from([KILL, SEGV]),
    disposition=st.none() | st.sampled_from(["default", "ignored", "handled", "blocked"]),
    forged=st.booleans(),
    address=st.none() | st.sampled_from(["null_page", "other"]),
    session=st.none() | st.sampled_from(["leader_exit", "orphaned_group"]),
)
some_attempts = st.builds(
    replace, st.sampled_from([REFUSED, TESTED]), error=st.none() | st.sampled_from(["EPERM"])
)


def expected_kind(facts: Facts) -> dict[str, Any]:
    """What is said of a kind in each of its records, told slowly."""
    said = {
        "killsnoop.event": "signal",
        "killsnoop.signal.number": facts.number,
        "killsnoop.signal.name": facts.name,
        "killsnoop.signal.code": facts.code,
        "killsnoop.signal.cause": facts.cause,
        "killsnoop.signal.call": facts.call,
        "killsnoop.signal.scope": facts.scope,
        "killsnoop.signal.result": facts.result,
        "killsnoop.target.signal.disposition": facts.disposition,
        "killsnoop.signal.forged": True if facts.forged else None,
        "killsnoop.signal.fault.address": facts.address,
        "killsnoop.signal.session.reason": facts.session,
        "error.type": facts.error,
    }
    return {name: value for name, value in said.items() if value is not None}


def expected_details(details: Details | None) -> dict[str, Any]:
    """What is said of the details, told slowly."""
    if details is None:
        return {}
    path = PATHS.get(details.cgroup)
    group = f"{BOOT_ID}-{details.group_id:016x}"
    said: dict[str, Any] = {
        "killsnoop.signal.tty": shown(details.tty) or None,
        "killsnoop.signal.session.pid": details.session_pid or None,
        "killsnoop.signal.namespace": details.namespace or None,
        "killsnoop.signal.cgroup": None if path is None else shown(path),
        "killsnoop.signal.argument": details.argument,
        "killsnoop.signal.group.id": group if details.group_id else None,
        "killsnoop.signal.group.size": details.group_size or None,
    }
    if details.repeats:
        seconds, rest = divmod(details.last + OFFSET, 10**9)
        when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        said |= {
            "killsnoop.signal.count": details.repeats,
            "killsnoop.signal.last_time": f"{when}.{rest:09d}Z",
        }
    if oom := details.oom:
        said |= {
            "killsnoop.oom.total_vm": oom.total_vm,
            "killsnoop.oom.anon_rss": oom.anon_rss,
            "killsnoop.oom.file_rss": oom.file_rss,
            "killsnoop.oom.shmem_rss": oom.shmem_rss,
            "killsnoop.oom.page_tables": oom.page_tables,
            "killsnoop.oom.score_adj": oom.score_adj,
        }
    return {name: value for name, value in said.items() if value is not None}


def expected_initiator(source: Side) -> dict[str, Any]:
    """The parent is taken for the initiator here; a source without one is its own."""
    if source.parent is None:
        return {}
    one = source.parent.process
    line = shown(b" ".join(one.args))
    said = {"pid": one.pid, "name": shown(one.comm), "command_line": line or None}
    itself = (one.pid, one.start) == (source.process.pid, source.process.start)
    return {
        f"killsnoop.source.initiator.{name}": value
        for name, value in said.items()
        if value is not None and not itself
    }


def parent_of(side: Side) -> Process:
    return side.parent.process if side.parent else side.process


def expected_body(signal: Signal, source: Side | None, target: Side | None) -> str:
    """For kill(2) and no call."""
    facts, argument = signal.facts, signal.details.argument if signal.details else None
    words = [facts.name]
    if source is not None:
        words.append(f"from {shown(source.process.comm)}[{source.process.pid}]")
    if target is not None:
        words.append(f"to {shown(target.process.comm)}[{target.process.pid}]")
    elif argument is not None and argument > 0:
        words.append(f"to {argument}")
    elif argument is not None:
        words.append(
            {0: "to its group", -1: "to all processes"}.get(argument, f"to group {-argument}")
        )
    if facts.result in ("refused", "tested"):
        words.append(facts.result)
        if facts.result == "refused" and facts.error:
            words.append(f"({facts.error})")
    elif source is None:
        words.append(f"({facts.cause})")
    return " ".join(words)


drawn_signals = st.tuples(
    st.none() | sides,
    sides,
    some_facts,
    st.none() | details(),
    st.integers(0, 2**62),
    st.booleans(),
)
drawn_attempts = st.tuples(
    sides,
    st.none() | sides,
    some_attempts,
    st.none() | details(),
    st.integers(0, 2**62),
    st.booleans(),
)


@given(st.lists(drawn_signals | drawn_attempts, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_attribute_of_any_processes(
    read: Callable[..., Any],
    drawn: list[tuple[Side | None, Side | None, Facts, Details | None, int, bool]],
) -> None:
    encoder = Encoder(RESOURCE, BOOT_ID, DEPTH, OFFSET, initiator=parent_of, cgroup=PATHS.get)
    batch = []
    for number, (source, target, facts, some, time, other_threads) in enumerate(drawn * 2):
        changes = {"source_tid": 77, "target_tid": 99} if other_threads else {}
        batch.append(joined(source, target, facts, some, time=time, sequence=number, **changes))
    (request,) = encoder.encode(batch, OFFSET, OBSERVED)
    records = {one.attributes["log.record.uid"]: one for one in read(request)}
    assert len(records) == len(batch)
    for signal, source, target in batch:
        one = records[f"{BOOT_ID}-{signal.sequence:016x}"]
        resource: dict[str, Any] = dict(RESOURCE)
        expected = expected_kind(signal.facts) | expected_details(signal.details)
        expected["log.record.uid"] = f"{BOOT_ID}-{signal.sequence:016x}"
        all_cut: set[str] = set()
        if target is not None:
            said, cut = expected_side("killsnoop.target", target)
            resource |= said
            all_cut |= cut
            expected["killsnoop.target.thread.id"] = signal.target_tid
        if source is not None:
            said, cut = expected_side("killsnoop.source", source)
            resource |= said | expected_initiator(source)
            all_cut |= cut
            expected["killsnoop.source.thread.id"] = signal.source_tid
        assert one.resource == resource
        assert set(one.attributes.pop("killsnoop.truncated", [])) == all_cut
        assert one.attributes == expected
        assert one.attributes.get("killsnoop.signal.forged", True) is True
        assert (one.resource.keys() | one.attributes.keys()) <= names()
        assert one.record.time_unix_nano == signal.time + OFFSET
        assert one.record.observed_time_unix_nano == OBSERVED
        assert one.record.event_name == "killsnoop.signal"
        assert one.record.body.string_value == expected_body(signal, source, target)
