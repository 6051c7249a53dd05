"""What a filter keeps: each key against signals with and without what it asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_signals import KILL, SEGV, joined, lineage, process

from otel_killsnoop.filter_keys import KEYS
from otel_killsnoop.matching import KNOWN, READS, Filter
from otel_killsnoop.model import Joined, Signal
from otel_killsnoop.settings import load

CONTAINER = "4813c0ed0a96" + "7" * 52
POD = "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"
SOURCE = process(
    comm=b"runc", uid=0, user="root", systemd_unit="docker.service", pod_uid=None
)  # in no container and no pod
TARGET = process(
    comm=b"tmux: server",
    uid=1000,
    user="deploy-7",
    container_id=CONTAINER,
    pod_uid=POD,
    systemd_unit="a b.service",
)
FACTS = replace(KILL, disposition="handled")
ONE = joined(lineage(SOURCE), lineage(TARGET), FACTS)
FAULT = joined(None, lineage(TARGET), SEGV)


def attempt() -> Joined:
    """A kill(2) that meant no process that exists."""
    facts = replace(KILL, number=0, name="SIG0", result="refused", error="ESRCH")
    signal: Signal = ONE.signal._replace(facts=facts)
    return Joined(signal, ONE.source, None)


def made(*, exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()) -> Filter:
    keep = load({"exclude": exclude, "include": include}, {}, False).keep
    assert keep is not None
    return keep


def holds(expression: str, one: Joined) -> bool:
    """Whether it does, by excluding it and by including it; always left to user space."""
    excluded = not made(exclude=(f"{expression} result=*",)).keeps(one)
    included = made(include=(f"{expression} result=*",)).keeps(one)
    assert excluded == included
    return included


HOLD = (
    "signal=KILL,TERM",
    "signal!=TERM",
    "signal=K*",
    "cause=user",
    "call=kill",
    "result=delivered,ignored",
    "scope=process",
    "target.disposition=handled",
    "source.comm=runc",
    "source.comm=ru*,sh",
    "source.comm!=sh",
    'target.comm="tmux: server"',
    'target.comm="tmux: "*',
    "source.uid=0",
    "target.uid=33,1000",
    "source.user=root",
    "target.user=deploy-*",
    "source.container!=*",
    "target.container=*",
    f"target.container={CONTAINER}",
    "target.container=4813c0ed0a96",
    "target.container=4813*",
    "source.pod!=" + POD,
    "target.pod=" + POD.upper(),
    "source.unit=docker.service",
    'target.unit="a b.service"',
    "signal=KILL source.uid=0 target.uid=1000",
)


@pytest.mark.parametrize("expression", HOLD)
def test_what_holds(expression: str) -> None:
    assert holds(expression, ONE)


@pytest.mark.parametrize("expression", [one for one in HOLD if " s" not in one])
def test_its_negation_does_not(expression: str) -> None:
    key, sign, rest = expression.partition("!=" if "!=" in expression else "=")
    assert not holds(key + ("=" if sign == "!=" else "!=") + rest, ONE)


@pytest.mark.parametrize(
    "expression",
    [
        "signal=TERM",
        "cause=oom",
        "call=tkill",
        "target.disposition=default",
        "source.comm=run",
        "source.comm=runc1*",
        "target.comm=runc",
        "source.uid=1000",
        "source.user=roo",
        "source.container=4813c0ed0a96",
        "target.container=4813c0ed0a97",
        "source.pod=*",
        "target.unit=a*c",
        "signal=KILL source.uid=0 target.uid=0",
        "source.uid=0 source.uid!=0",
    ],
)
def test_what_does_not_hold(expression: str) -> None:
    if expression == "target.unit=a*c":
        expression = 'target.unit="a*c"'  # a star in quotes is itself
    assert not holds(expression, ONE)


def test_what_is_not_there_matches_nothing() -> None:
    for key in KEYS:
        if key.startswith("source.") or key in ("call", "target.disposition"):
            assert not holds(f"{key}=*", FAULT), key
            assert holds(f"{key}!=*", FAULT), key
    assert holds("source.uid!=0 target.uid=1000 cause=fault", FAULT)


def test_an_attempt_may_have_no_target() -> None:
    assert holds("signal=0 source.comm=runc target.uid!=0", attempt())
    assert not holds("target.comm=*", attempt())


def test_several_options_are_alternatives_and_exclude_takes_away() -> None:
    either = {"include": ("cause=fault", "source.comm=runc cause=user")}
    assert made(**either).keeps(ONE)
    assert made(**either).keeps(FAULT)
    assert not made(**either).keeps(attempt()._replace(source=None))
    both = made(**either, exclude=("target.uid=5", "target.disposition=handled"))
    assert not both.keeps(ONE)
    assert both.keeps(FAULT)


def test_what_is_left_out_is_counted_each_time() -> None:
    keep = made(exclude=("cause=fault",))
    assert [keep.keeps(one) for one in (FAULT, ONE, FAULT, FAULT)] == [False, True, False, False]
    assert keep.left_out == 3


def test_a_process_that_changes_is_judged_anew() -> None:
    keep = made(exclude=("source.uid=0 cause=user",))
    assert not keep.keeps(ONE)
    changed = joined(lineage(replace(SOURCE, uid=33)), lineage(TARGET), FACTS)
    assert keep.keeps(changed)
    assert not keep.keeps(ONE)


def test_the_memory_of_pairs_is_bounded() -> None:
    keep = made(exclude=("source.uid=7 cause=user",))
    pairs = [
        joined(lineage(process(pid=pid, uid=pid % 11)), lineage(TARGET), FACTS)
        for pid in range(1, 2 * KNOWN + 10)
    ]
    for one in pairs * 2:
        assert keep.keeps(one) == (one.signal.source_pid % 11 != 7)
        assert len(keep._verdicts) <= KNOWN
    assert keep.left_out == 2 * sum(one.signal.source_pid % 11 == 7 for one in pairs)


def test_filters_of_the_same_expressions_are_equal() -> None:
    one, other = made(exclude=("cause=fault",)), made(exclude=("cause=fault",))
    one.keeps(FAULT)
    assert one == other
    assert one != made(include=("cause=fault",))
    assert one != "cause=fault"


def test_every_key_can_be_read() -> None:
    assert set(READS) == set(KEYS)
    for key in KEYS:
        holds(f"{key}=*", ONE)


TERMS = st.lists(st.sampled_from(HOLD), min_size=1, max_size=3).map(" ".join)


@given(st.lists(TERMS, min_size=1, max_size=3), st.sampled_from([ONE, FAULT]))
@settings(deadline=None)
def test_exclude_is_the_opposite_of_include(expressions: list[str], one: Joined) -> None:
    texts = tuple(f"{text} result=*" for text in expressions)
    assert made(include=texts).keeps(one) is not made(exclude=texts).keeps(one)
