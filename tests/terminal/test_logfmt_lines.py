"""The seed tool's keys and values, as slog writes them and Loki's strict parser reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from any_signals import any_signals
from hypothesis import given, settings
from hypothesis import strategies as st
from made_signals import KILL, SEGV, joined, lineage, process

from otel_killsnoop.model import Joined, text
from otel_killsnoop.terminal.gonames import go_name
from otel_killsnoop.terminal.logfmt import quoted

Shown = Callable[..., str]

# Only what both Go's strconv.Unquote and Loki's logfmt reader accept.
PAIR = re.compile(
    r"([A-Za-z0-9._]+)="
    r'("(?:[^"\\\x00-\x1f]|\\["\\bfnrt]|\\u[0-9a-f]{4})*"'
    r'|[^\s"=\x00-\x20]+)'
)
TERM = replace(KILL, number=15, name="SIGTERM")
INITIATOR = process(pid=812, comm=b"kube let", args=(b"kubelet", b"--x=1"), args_count=2)


def parse(line: str) -> dict[str, str]:
    """The pairs of one line; any deviation is a failure, a key that is there twice too."""
    assert line.endswith("\n")
    rest = line[:-1]
    pairs: dict[str, str] = {}
    while True:
        found = PAIR.match(rest)
        assert found is not None, rest
        key, value = found.groups()
        assert key not in pairs
        pairs[key] = json.loads(value) if value.startswith('"') else value
        rest = rest[found.end() :]
        if not rest:
            return pairs
        assert rest.startswith(" "), rest
        rest = rest[1:]


def sample() -> Joined:
    bash = process(pid=4702, comm=b"bash", args=(b"-bash",), args_count=1, parent_pid=4690)
    pkill = process(pid=4711, comm=b"pkill", args=(b"pkill", b"yes"), args_count=2, uid=0)
    yes = process(comm=b"yes", args=(b"yes",), parent_pid=4702, uid=1000)
    return joined(lineage(pkill, bash, complete=False), lineage(yes, bash), TERM)


def test_a_line_has_the_seed_tools_keys_in_its_order_then_ours(shown: Shown) -> None:
    assert shown("logfmt", sample()) == (
        'time=2026-11-25T12:03:41.208123456Z level=INFO msg="snooped signal" '
        "signal=15 signal.string=terminated "
        'source.pid=4711 source.cmdline="[pkill yes]" source.comm=pkill '
        "source.parent.pid=4702 source.parent.cmdline=[-bash] source.parent.comm=bash "
        "source.parent.parent.pid=4690 "
        "target.pid=1234 target.cmdline=[yes] target.comm=yes "
        "target.parent.pid=4702 target.parent.cmdline=[-bash] target.parent.comm=bash "
        "signal.name=SIGTERM signal.code=SI_USER cause=user call=kill result=delivered "
        "source.uid=0 target.uid=1000\n"
    )


def test_without_a_source_there_are_no_source_keys_and_no_call(shown: Shown) -> None:
    pairs = parse(shown("logfmt", joined(None, lineage(process()), SEGV)))
    assert not [key for key in pairs if key.startswith("source")]
    assert pairs["cause"] == "fault"
    assert "call" not in pairs


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_ancestors_go_no_further_than_asked(shown: Shown, depth: int) -> None:
    members = [process(pid=100 - level) for level in range(4)]
    pairs = parse(shown("logfmt", joined(None, lineage(*members)), depth))
    pids = [value for key, value in pairs.items() if key.endswith("pid")]
    assert pids == ["100", "99", "98", "97"][: depth + 1]


def test_what_is_unknown_is_absent(shown: Shown) -> None:
    nameless = process(comm=b"", args=(), args_count=0)
    pairs = parse(shown("logfmt", joined(None, lineage(nameless))))
    assert [key for key in pairs if key.startswith("target")] == ["target.pid", "target.uid"]


def test_a_command_line_with_something_missing_says_so(shown: Shown) -> None:
    cut = process(args=(b"a", b"b"), args_count=9, args_cut=True)
    long = process(args=(b"x" * 20_000,))
    pairs = parse(shown("logfmt", joined(lineage(cut, long), lineage(long))))
    assert pairs["source.cmdline"] == "[a b...]"
    assert pairs["source.parent.cmdline"] == f"[{'x' * 1024}...]"
    assert pairs["target.cmdline"] == f"[{'x' * 16384}...]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", '""'),
        ("-bash", "-bash"),
        ("a\\b", "a\\b"),
        ("a b", '"a b"'),
        ("a\\ b", '"a\\\\ b"'),
        ("x=1", '"x=1"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a\nb\r\t\b\f", '"a\\nb\\r\\t\\b\\f"'),
        ("\x07\x0b\x1b\x7f\x9b", '"\\u0007\\u000b\\u001b\\u007f\\u009b"'),
        ("\u202e\u00a0", '"\\u202e\\u00a0"'),
        ("日本é", "日本é"),
        ("\ufffd", '"\ufffd"'),
        ("\U000e0001", '"\\\\U000e0001"'),
    ],
)
def test_values_are_quoted_where_slog_would(value: str, expected: str) -> None:
    assert quoted(value) == expected


def test_a_lone_surrogate_is_replaced() -> None:
    assert quoted("\udcff") == quoted("\ufffd")


def test_a_stream_for_ascii_gets_escapes_instead() -> None:
    assert quoted("né", ascii_only=True) == '"n\\u00e9"'
    assert quoted("né b\\", ascii_only=True) == '"n\\u00e9 b\\\\"'


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, ""),
        (1, "hangup"),
        (5, "trace/breakpoint trap"),
        (9, "killed"),
        (11, "segmentation fault"),
        (15, "terminated"),
        (19, "stopped (signal)"),
        (31, "bad system call"),
        (32, "signal 32"),
        (34, "signal 34"),
        (64, "signal 64"),
    ],
)
def test_signals_are_named_as_by_go(number: int, expected: str) -> None:
    assert go_name(number) == expected


def test_signal_zero_has_an_empty_name(shown: Shown) -> None:
    line = shown("logfmt", joined(None, lineage(process()), replace(KILL, number=0, name="SIG0")))
    assert ' signal=0 signal.string="" ' in line


def seen(value: bytes) -> str:
    """What a reader of the line gets for these bytes."""
    return "".join(
        c if c.isprintable() or ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in text(value)
    )


@given(any_signals())
@settings(max_examples=200, deadline=None)
def test_any_line_parses_back(shown: Shown, one: Joined) -> None:
    pairs = parse(shown("logfmt", one, initiator=lambda side: INITIATOR))
    if one.target is None:
        assert not [key for key in pairs if key.startswith("target")]
        return
    process = one.target.process
    assert pairs["target.pid"] == str(process.pid)
    assert pairs.get("target.comm", "") == seen(process.comm)
    if process.args and not process.args_cut:
        assert pairs["target.cmdline"] == f"[{seen(b' '.join(process.args))}]"


@given(st.text(st.characters()))
def test_any_value_is_one_valid_value(value: str) -> None:
    assert PAIR.fullmatch(f"k={quoted(value)}")
    assert PAIR.fullmatch(f"k={quoted(value, ascii_only=True)}")
