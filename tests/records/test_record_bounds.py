"""However long its processes' words are, a record stays within what its readers take."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    REFUSED,
    RESOURCE,
    TTY,
    death,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Details, Facts, Joined, OomSizes, Process, Side
from otel_killsnoop.records.bounds import (
    LADDER,
    LOG_ATTRIBUTES_BYTES,
    RESOURCE_ATTRIBUTES,
    RESOURCE_BYTES,
)
from otel_killsnoop.records.exit import ExitEncoder
from otel_killsnoop.records.flat import Flattener
from otel_killsnoop.records.record import Encoder

LONG = {f"custom.attribute.number.{n:02d}": "v" * 290 for n in range(15)}
NUMBER = 2**63 - 1
WORD = "w" * 400
EVERYTHING = Facts(
    64, WORD, WORD, WORD, WORD, WORD, WORD, True, WORD, True, address=WORD, session=WORD, error=WORD
)
ALL_DETAILS = Details(
    b"\xff" * 64, NUMBER, NUMBER, 1, -NUMBER, NUMBER, NUMBER, OomSizes(*[-NUMBER] * 6)
)
GROUP = replace(KILL, disposition="handled", forged=True, scope="group")
CGROUP = replace(KILL, cause="cgroup.kill", call="write", disposition="blocked")
FULLEST = {
    "group": (GROUP, Details(argument=-NUMBER, group_id=NUMBER, group_size=NUMBER)),
    "refused": (replace(REFUSED, forged=True), Details(argument=-NUMBER)),
    "cgroup": (CGROUP, Details(cgroup=1)),
    "tty": (replace(TTY, has_source=True), ALL_DETAILS._replace(oom=None, namespace=0, cgroup=0)),
}
"""Kinds of signal that have a source and the most attributes."""


def size(entry: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in entry.items())


def encode(
    one: Joined,
    depth: int = 32,
    resource: dict[str, str] | None = None,
    initiator: Callable[[Side], Process | None] = lambda side: None,
) -> Any:
    encoder = Encoder(
        resource or RESOURCE,
        BOOT_ID,
        depth,
        OFFSET,
        initiator=initiator,
        cgroup=lambda number: "/c" * 2500,
    )
    return encoder.encode([one], OFFSET, OBSERVED)[0]


def other(side: Side) -> Process:
    """Another process than the side's, as long as it."""
    return replace(side.process, pid=7)


def long_ones(
    arg: bytes, count: int, depth: int, facts: Facts = KILL, details: Details | None = None
) -> Joined:
    """A signal between processes that have everything, and all of it long."""
    one = process(
        pid=2**22 - 1,
        vpid=2**22 - 2,
        comm=arg[:15],
        path=arg * 300,
        args=(arg * 20,) * count,
        args_count=count,
        user="u" * 400,
        cgroup="/" + "c" * 5000,
        pod_uid="p" * 400,
        pod_qos="q" * 400,
        systemd_unit="s" * 400,
        known_from="procfs",
        login_uid=2**32 - 1,
        login_user="l" * 400,
        audit_session=2**32 - 1,
        title=arg * 900,
    )
    side = lineage(*[one] * (depth + 2))
    return joined(side, side, facts, details, source_tid=2**22, target_tid=2**22)


@pytest.mark.parametrize(
    "arg", [b"plain words ", b'"\\\n', b"\x01\x02\x1b", b"\xff\xfe", "\u2028€".encode()]
)
@pytest.mark.parametrize("depth", [0, 8, 16, 32])
@pytest.mark.parametrize("count", [1, 20, 400])
def test_the_longest_record_is_within_lokis_limits(
    arg: bytes,
    depth: int,
    count: int,
    read: Callable[..., Any],
    loki_entry: Callable[..., dict[str, str]],
) -> None:
    assert len(RESOURCE | LONG) == RESOURCE_ATTRIBUTES
    assert sum(len(k) + len(v) for k, v in (RESOURCE | LONG).items()) <= RESOURCE_BYTES
    (one,) = read(encode(long_ones(arg, count, depth), depth, RESOURCE | LONG, other))
    entry = loki_entry(one)
    assert size(entry) < 60_000
    assert len(entry) < 100
    for side in ("killsnoop.source", "killsnoop.target"):
        said = {k.removeprefix(side + "."): v for k, v in one.resource.items()}
        args = said.get("process.command_args", [])
        assert len(json.dumps(args, ensure_ascii=False, separators=(",", ":"))) <= 16_384
        assert len(said.get("process.command_line", "").encode()) <= 2_048
        assert len(said.get("process.title", "").encode()) <= 2_048
        assert len(said.get("initiator.command_line", "").encode()) <= 2_048
        assert len(said["process.tree"].encode()) <= 1_024
        for line in said.get("process.ancestors.command_lines", []):
            assert len(line.encode()) <= 256
    cut_names = one.attributes.get("killsnoop.truncated", [])
    assert len(set(cut_names)) == len(cut_names)


@pytest.mark.parametrize("kind", FULLEST)
@pytest.mark.parametrize("arg", [b"plain words ", b"\x01\x02\x1b"])
@pytest.mark.parametrize("count", [1, 400])
def test_the_fullest_kinds_are_within_lokis_limits(
    kind: str,
    arg: bytes,
    count: int,
    read: Callable[..., Any],
    loki_entry: Callable[..., dict[str, str]],
) -> None:
    one = long_ones(arg, count, 32, *FULLEST[kind])
    (got,) = read(encode(one, 32, RESOURCE | LONG, other))
    entry = loki_entry(got)
    assert "killsnoop_source_initiator_pid" in entry
    assert size(entry) < 60_000
    assert len(entry) < 100


@pytest.mark.parametrize("count", [1, 400])
def test_no_facts_and_details_make_a_record_too_long(
    count: int, read: Callable[..., Any], loki_entry: Callable[..., dict[str, str]]
) -> None:
    """All that there is at once, which the kernel never says: Loki takes it still."""
    one = long_ones(b"\x01\x02\x1b", count, 32, EVERYTHING, ALL_DETAILS)
    (got,) = read(encode(one, 32, RESOURCE | LONG, other))
    entry = loki_entry(got)
    assert got.attributes.keys() >= {f"killsnoop.oom.{part}" for part in OomSizes._fields}
    of_sides = {name.replace(".", "_") for name in got.resource}
    own = {name: value for name, value in entry.items() if name not in of_sides}
    assert size(own) <= LOG_ATTRIBUTES_BYTES
    assert size(entry) < 60_000
    assert len(entry) < 128


def test_a_cgroups_path_that_is_too_long_is_cut_and_named(read: Callable[..., Any]) -> None:
    one = joined(lineage(process(args=(b"x" * 3000,))), lineage(process()), *FULLEST["cgroup"])
    (got,) = read(encode(one))
    assert got.attributes["killsnoop.signal.cgroup"] == "/c" * 512
    assert got.attributes["killsnoop.truncated"] == [
        "killsnoop.source.process.command_line",
        "killsnoop.signal.cgroup",
    ]


def test_a_title_and_an_initiator_that_are_too_long_are_named(read: Callable[..., Any]) -> None:
    source = lineage(process(title=b"t" * 3000))
    initiator = process(pid=7, args=(b"i" * 3000,))
    (got,) = read(encode(joined(source, lineage(process())), initiator=lambda side: initiator))
    assert got.resource["killsnoop.source.process.title"] == "t" * 2048
    assert got.resource["killsnoop.source.initiator.command_line"] == "i" * 2048
    assert got.attributes["killsnoop.truncated"] == [
        "killsnoop.source.process.title",
        "killsnoop.source.initiator.command_line",
    ]


def test_the_longest_death_is_within_lokis_limits(
    read: Callable[..., Any], loki_entry: Callable[..., dict[str, str]]
) -> None:
    target = long_ones(b"\x01\x02\x1b", 400, 32).target
    assert target is not None
    encoder = ExitEncoder(RESOURCE | LONG, BOOT_ID, 32, OFFSET)
    (got,) = read(encoder.encode([death(target, killer=NUMBER)], OFFSET, OBSERVED)[0])
    assert size(loki_entry(got)) < 60_000
    assert len(loki_entry(got)) < 100
    assert "killsnoop.target.process.command_args" in got.attributes["killsnoop.truncated"]


def test_what_is_trimmed_goes_in_order(read: Callable[..., Any]) -> None:
    """Ever longer arguments: first the ancestors' lines suffer, then the lines, then they."""
    seen = []
    for length in (10, 200, 7_000, 15_000):
        one = process(args=(b"\x01" * 300, b"a" * length), args_count=2)
        (got,) = read(encode(joined(lineage(*[one] * 34), lineage(*[one] * 34))))
        lines = got.resource.get("killsnoop.source.process.ancestors.command_lines")
        line = got.resource.get("killsnoop.source.process.command_line")
        args = got.resource["killsnoop.source.process.command_args"]
        seen.append((len(lines[0]) if lines else 0, len(line or ""), len(args[1])))
    assert [one[2] for one in seen] == [10, 200, 7_000, 16_384 - 7 - 6 * 300]
    ancestor_limits = [limits.ancestor for limits in LADDER]
    assert all(one[0] in ancestor_limits for one in seen)
    assert [one[0] for one in seen] == sorted([one[0] for one in seen], reverse=True)
    assert seen[-1][0] < 256
    assert [one[1] for one in seen] == [311, 501, 2_048, 2_048]


def test_what_is_cut_is_named(read: Callable[..., Any]) -> None:
    source = lineage(process(args=(b"x" * 3000,)), process(args=(b"y" * 300,)))
    target = lineage(process(args=(b"a", b"b"), args_count=900, args_cut=True))
    (one,) = read(encode(joined(source, target)))
    assert one.attributes["killsnoop.truncated"] == [
        "killsnoop.source.process.command_line",
        "killsnoop.source.process.ancestors.command_lines",
        "killsnoop.target.process.command_args",
        "killsnoop.target.process.command_line",
    ]
    assert one.resource["killsnoop.target.process.args_count"] == 900
    (one,) = read(encode(joined(None, usual_lineage(process(), 8))))
    assert "killsnoop.truncated" not in one.attributes


def test_withheld_arguments_leave_the_command_and_the_count(read: Callable[..., Any]) -> None:
    target = lineage(process(args=(b"mysql",), args_count=3))
    (one,) = read(encode(joined(None, target)))
    said = {name.removeprefix("killsnoop.target.process.") for name in one.resource}
    assert one.resource["killsnoop.target.process.command"] == "mysql"
    assert one.resource["killsnoop.target.process.args_count"] == 3
    assert not said & {"command_args", "command_line"}


def ancestors(*told: tuple[int, bytes, bytes]) -> list[Process]:
    return [
        process(pid=pid, comm=comm, args=tuple(line.split(b" ")), args_count=line.count(b" ") + 1)
        for pid, comm, line in told
    ]


def test_a_usual_record_is_small(
    read: Callable[..., Any], loki_entry: Callable[..., dict[str, str]]
) -> None:
    """An administrator, logged in by ssh and then root by sudo, kills a web server's worker."""
    killer = process(
        pid=4711,
        vpid=4711,
        parent_pid=4702,
        comm=b"pkill",
        path=b"/usr/bin/pkill",
        args=(b"pkill", b"-9", b"-f", b"nginx: worker"),
        args_count=4,
        uid=0,
        user="root",
        cgroup="/user.slice/user-1000.slice/session-3.scope",
        systemd_unit="session-3.scope",
    )
    shell = ancestors(
        (4702, b"bash", b"/bin/bash"),
        (4701, b"sudo", b"sudo -s"),
        (4700, b"sudo", b"sudo -s"),
        (4640, b"bash", b"-bash"),
        (4639, b"sshd", b"sshd: deploy@pts/0"),
        (4571, b"sshd", b"sshd: deploy [priv]"),
        (812, b"sshd", b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),
        (1, b"systemd", b"/sbin/init"),
    )
    server = ancestors(
        (1200, b"nginx", b"nginx: master process nginx"),
        (1, b"systemd", b"/sbin/init"),
    )
    request = encode(joined(lineage(killer, *shell), lineage(process(), *server)), 8)
    (one,) = read(request)
    assert one.resource["killsnoop.source.process.tree"].count(" < ") == 8
    assert len(request.body) <= 3_100
    assert size(loki_entry(one)) <= 3_100


def test_flat_and_wire_are_cut_alike(read: Callable[..., Any]) -> None:
    one = long_ones(b'"\\\n', 400, 32, EVERYTHING, ALL_DETAILS)
    (wire,) = read(encode(one, initiator=other))
    flattener = Flattener(RESOURCE, BOOT_ID, 32, OFFSET, other, lambda number: "/c" * 2500)
    flat = flattener.flat(one, OFFSET)
    assert {k: flat[k] for k in wire.resource | wire.attributes} == wire.resource | wire.attributes
