"""The language of --exclude and --include: what each text means, and what cannot be meant."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop import unixsignals
from otel_killsnoop.errors import UsageError
from otel_killsnoop.filter_keys import KEYS, WORDS
from otel_killsnoop.filters import Expression, Term, parse
from otel_killsnoop.options import Given
from otel_killsnoop.tracer import calls


def parsed(*texts: str) -> tuple[Expression, ...]:
    faults: list[UsageError] = []
    found = parse(Given(texts, "--exclude", True), faults)
    assert faults == []
    return found


def term(text: str) -> Term:
    ((found,),) = parsed(text)
    return found


def faults(*texts: str, origin: str = "--exclude") -> list[str]:
    found: list[UsageError] = []
    parse(Given(texts, origin, True), found)
    return [str(fault) for fault in found]


def test_terms_stand_between_blanks_and_values_between_commas() -> None:
    (one,) = parsed("signal=CHLD,URG  source.comm!=runc\ttarget.unit=a.service\n")
    assert one == (
        Term("signal", False, False, frozenset({17, 23}), ()),
        Term("source.comm", True, False, frozenset({b"runc"}), ()),
        Term("target.unit", False, False, frozenset({"a.service"}), ()),
    )


def test_several_expressions_by_semicolons_and_by_repeating() -> None:
    by_repeating = parsed("signal=KILL source.uid=0", "result=refused", "call=kill")
    assert len(by_repeating) == 3
    assert parsed(" ;signal=KILL source.uid=0; result=refused;;call=kill; ") == by_repeating


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("9", {9}),
        ("0", {0}),
        ("kill,SIGTERM", {9, 15}),
        ("SIGRTMIN+3", {37}),
        ("RTMIN*", set(range(34, 65))),
        ("sigtt*", {21, 22}),
        ("SIG*", set(range(1, 65))),
        ("all", set(range(65))),
        ("*", set(range(65))),
    ],
)
def test_signals(text: str, numbers: set[int]) -> None:
    assert term(f"signal={text}") == Term("signal", False, False, frozenset(numbers), ())


@pytest.mark.parametrize(
    ("text", "exact", "prefixes", "is_any"),
    [
        ("cause=oom,PIPE", {"oom", "pipe"}, (), False),
        ("cause=p*", {"pipe", "pdeathsig", "pidns", "ptrace"}, (), False),
        ("call=*", set(), (), True),
        ("Source.Comm=runc,kworker*", {b"runc"}, (b"kworker",), False),
        ('source.comm="tmux: server"', {b"tmux: server"}, (), False),
        ('source.comm="tmux: "*', set(), (b"tmux: ",), False),
        (r'source.comm="a\"b\\c\d*;,"', {rb"a\"b\c\d*;,".replace(rb"\"", b'"')}, (), False),
        (r"target.unit=dev-a\x2db.mount", {r"dev-a\x2db.mount"}, (), False),
        ("source.user=a=b", {"a=b"}, (), False),
        ("source.uid=0,4294967295", {0, 4294967295}, (), False),
        ("target.uid=*", set(), (), True),
        ("source.container=4813C0ED0A96", set(), ("4813c0ed0a96",), False),
        ("source.container=48*", set(), ("48",), False),
        ("target.pod=275ECB36-5aa8*", set(), ("275ecb36-5aa8",), False),
        ("target.disposition=blocked", {"blocked"}, (), False),
    ],
)
def test_values(text: str, exact: set[object], prefixes: tuple[object, ...], is_any: bool) -> None:
    found = term(text)
    assert (found.exact, found.prefixes, found.any) == (exact, prefixes, is_any)


def test_a_command_name_may_be_any_bytes() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert term(f"source.comm={name}").exact == {b"caf\xe9"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "an empty expression: --exclude (write one such as signal=TERM, or leave the option"),
        (" ; ", "an empty expression: --exclude ("),
        ("KILL", "no term of a filter: --exclude KILL (write key=value without blanks"),
        ("=KILL", "no term of a filter: --exclude =KILL ("),
        ("!=KILL", "no term of a filter: --exclude !=KILL ("),
        ("signal=KILL and", "no term of a filter: --exclude and ("),
        ("xyzzy=KILL", "no such key of a filter: --exclude xyzzy=KILL (there are signal, cause, "),
        ('"signal=KILL"', 'no term of a filter: --exclude "signal=KILL" ('),
        ("sinal=9", "no such key of a filter: --exclude sinal=9 (did you mean signal?)"),
        ("comm=a", "no such key of a filter: --exclude comm=a (did you mean source.comm or target"),
        ("source.com=a", "no such key of a filter: --exclude source.com=a (did you mean source.co"),
        ("disposition=default", "no such key of a filter: --exclude disposition=default (did you"),
        ("signal=", "an empty value: --exclude signal= (give one, or * for any)"),
        ("signal=9,", "an empty value: --exclude signal= (give one"),
        ('source.user=""', 'an empty value: --exclude source.user="" ('),
        ("signal=FOO", "no such Unix signal: --exclude signal=FOO (give a number from 0 to 64"),
        ("signal!=65", "no such Unix signal: --exclude signal!=65 ("),
        ("signal=FOO*", "no such Unix signal: --exclude signal=FOO* ("),
        ("signal=3*", "no such Unix signal: --exclude signal=3* ("),
        ("cause=usr", "no such cause: --exclude cause=usr (did you mean user?)"),
        ("scope=x*", "no such scope: --exclude scope=x* (give one of process, thread, group)"),
        ("target.disposition=ignore", "no such disposition: --exclude target.disposition=ignore ("),
        ("source.uid=root", "not a user id: --exclude source.uid=root (give its number"),
        ("source.uid=10*", "not a user id: --exclude source.uid=10* ("),
        ("source.uid=-1", "not a user id: --exclude source.uid=-1 ("),
        ("source.uid=4294967296", "a user id out of range: --exclude source.uid=4294967296 ("),
        ("source.uid=٤", "not a user id: --exclude source.uid=٤ ("),
        ("target.container=4813c0ed0a9", "not a container's id: --exclude target.container=4813c0"),
        ("target.container=web-server-1", "not a container's id: --exclude target.container=web-"),
        ("source.comm=a*b", "a * that is not at the end: --exclude source.comm=a*b (quote it"),
        ('source.comm=a"b"', 'a value that is only quoted in part: --exclude source.comm=a"b" ('),
        ('source.comm="a', 'a quote without an end: --exclude source.comm="a (end it by "'),
    ],
)
def test_what_cannot_be_meant(text: str, fault: str) -> None:
    (told,) = faults(text)
    assert told.startswith(fault)


def test_a_command_name_that_is_too_long_can_match_nothing() -> None:
    for value in ("systemd-journald", "systemd-journald*"):
        assert faults(f"source.comm={value}") == [
            "a command name of 16 bytes matches nothing: "
            f"--exclude source.comm={value} (the kernel keeps the first 15: give 'systemd-journal')"
        ]


def test_all_faults_of_an_expression_are_told() -> None:
    told = faults("signal=FOO,9,BAR source.id=1; target.uid=x", origin="KILLSNOOP_EXCLUDE")
    assert [line.partition(" (")[0] for line in told] == [
        "no such Unix signal: KILLSNOOP_EXCLUDE=signal=FOO",
        "no such Unix signal: KILLSNOOP_EXCLUDE=signal=BAR",
        "no such key of a filter: KILLSNOOP_EXCLUDE=source.id=1",
        "not a user id: KILLSNOOP_EXCLUDE=target.uid=x",
    ]


def test_the_calls_are_all_that_have_a_name() -> None:
    tables = (
        calls.table(machine, compat)
        for machine in ("x86_64", "aarch64", "riscv64")
        for compat in (False, True)
    )
    assert set(WORDS["call"]) == {name for table in tables if table for name in table.values()}


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(key=st.sampled_from(["source.user", "target.unit"]), name=NAMES, negated=st.booleans())
@settings(deadline=None)
def test_any_value_can_be_quoted(key: str, name: str, negated: bool) -> None:
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    found = term(f'{key}{"!=" if negated else "="}"{escaped}"')
    assert found == Term(key, negated, False, frozenset({name}), ())


PIECES = (*KEYS, "=", "!=", ",", " ", ";", '"', "*", "\\", "9", "KILL", "a", "\udcff", "\n")


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join))
@settings(deadline=None, max_examples=500)
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[UsageError] = []
    expressions = parse(Given((text,), "--include", True), found)
    assert expressions or found
    if not found:
        assert all(expressions)
        assert {term.key for one in expressions for term in one} <= set(KEYS)
    assert all(fault.what and fault.on and fault.cure for fault in found)


def test_signal_names_of_the_table_are_all_known() -> None:
    for number, name in unixsignals.NAMES.items():
        assert term(f"signal={name}").exact == {number}
