"""However long its processes' words are, a record stays within what its readers take."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    RESOURCE,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Joined, Process
from otel_killsnoop.records.bounds import (
    LADDER,
    RESOURCE_ATTRIBUTES,
    RESOURCE_BYTES,
    array_size,
    cut,
    cut_array,
    utf8,
    utf8_text,
)
from otel_killsnoop.records.flat import Flattener
from otel_killsnoop.records.record import Encoder

LONG = {f"custom.attribute.number.{n:02d}": "v" * 180 for n in range(27)}


def size(entry: dict[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in entry.items())


def encode(one: Joined, depth: int = 32, resource: dict[str, str] | None = None) -> Any:
    return Encoder(resource or RESOURCE, BOOT_ID, depth, OFFSET).encode([one], OFFSET, OBSERVED)[0]


def long_ones(arg: bytes, count: int, depth: int) -> Joined:
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
        systemd_unit="s" * 400,
        known_from="procfs",
    )
    side = lineage(*[one] * (depth + 2))
    return joined(side, side, KILL, source_tid=2**22, target_tid=2**22)


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
    (one,) = read(encode(long_ones(arg, count, depth), depth, RESOURCE | LONG))
    entry = loki_entry(one)
    assert size(entry) < 60_000
    assert len(entry) < 100
    for side in ("killsnoop.source", "killsnoop.target"):
        said = {k.removeprefix(side + "."): v for k, v in one.resource.items()}
        args = said.get("process.command_args", [])
        assert len(json.dumps(args, ensure_ascii=False, separators=(",", ":"))) <= 16_384
        assert len(said.get("process.command_line", "").encode()) <= 2_048
        assert len(said["process.tree"].encode()) <= 1_024
        for line in said.get("process.ancestors.command_lines", []):
            assert len(line.encode()) <= 256
    cut_names = one.attributes.get("killsnoop.truncated", [])
    assert len(set(cut_names)) == len(cut_names)


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


@given(st.binary(max_size=300), st.integers(0, 300))
@example("€".encode() * 4, 4)
def test_a_cut_never_splits_a_character(raw: bytes, limit: int) -> None:
    whole = utf8(raw)
    part = cut(whole, limit)
    assert len(part) <= limit
    assert whole.decode().startswith(part.decode())
    assert len(part) == len(whole) or len(whole.decode()[: len(part.decode()) + 1].encode()) > limit


@given(st.text(st.characters(), max_size=30))
@example("\ud83d\ude00 \udc80 \ud800")
def test_any_text_becomes_valid(text: str) -> None:
    made = utf8_text(text).decode()
    if text.isascii():
        assert made == text
    assert "\ufffd" in made or made == text


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=8), st.integers(2, 200)
)
@settings(max_examples=300)
def test_an_array_is_cut_at_its_limit_and_no_earlier(words: list[str], limit: int) -> None:
    values = tuple(word.encode() for word in words)
    kept = cut_array(values, limit)
    assert (kept is values) == (array_size(values) <= limit)
    assert array_size(kept) <= limit
    *firsts, last = kept or (b"",)
    assert tuple(firsts) == values[: len(firsts)]
    assert kept == () or values[len(firsts)].startswith(last)
    if kept and last != values[len(kept) - 1]:
        longer = values[len(kept) - 1].decode()[: len(last.decode()) + 1].encode()
        assert array_size((*firsts, longer)) > limit


def test_flat_and_wire_are_cut_alike(read: Callable[..., Any]) -> None:
    one = long_ones(b'"\\\n', 400, 32)
    (wire,) = read(encode(one))
    flat = Flattener(RESOURCE, BOOT_ID, 32, OFFSET).flat(one, OFFSET)
    assert {k: flat[k] for k in wire.resource | wire.attributes} == wire.resource | wire.attributes
