"""Which filters the kernel decides, and which are left: Settings of whole configurations."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_signals import KILL, joined, lineage, process
from real_collector import REPOSITORY

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Facts
from otel_killsnoop.settings import ConfigurationFaults, Settings, load

EVERYDAY = {17, 23, 28, 27, 26}
USUAL = set(range(1, 65)) - EVERYDAY


def loaded(**values: object) -> Settings:
    return load(values, {}, False)


@pytest.mark.parametrize(
    ("values", "recorded", "zero"),
    [
        ({"exclude": ("signal=TERM,KILL",)}, USUAL - {9, 15}, False),
        ({"exclude": ("signal=TERM; signal=KILL",)}, USUAL - {9, 15}, False),
        ({"exclude": ("signal=TERM,KILL signal!=KILL",)}, USUAL - {15}, False),
        ({"exclude": ("signal!=TERM,CHLD",)}, {15}, False),
        ({"exclude": ("signal=RTMIN*",)}, USUAL & set(range(34)), False),
        ({"exclude": ("signal=TERM",), "include_signals": ("TERM,0",)}, set(), True),
        ({"exclude": ("signal=0",), "include_signals": ("all",)}, set(range(1, 65)), False),
        ({"include": ("signal=TERM",)}, {15}, False),
        ({"include": ("signal=TERM", "signal=KILL")}, {9, 15}, False),
        ({"include": ("signal!=TERM",)}, USUAL - {15}, False),
        ({"include": ("signal=CHLD,0",)}, {17}, True),
        ({"include": ("signal=CHLD",), "exclude_signals": ("17",)}, set(), False),
        ({"include": ("signal=CHLD,KILL",), "include_signals": ("9",)}, {9}, False),
        ({"include": ("signal=CHLD,KILL",), "exclude": ("signal=KILL",)}, {17}, False),
        ({"include": ("signal=*",), "attempts": "off"}, set(range(1, 65)), False),
    ],
    ids=str,
)
def test_signals_alone_are_left_to_the_kernel(
    values: dict[str, object], recorded: set[int], zero: bool
) -> None:
    made = loaded(**values)
    assert (made.recorded, made.zero, made.keep) == (recorded, zero, None)
    assert made.ignore_source_comm == ()


def test_excluded_source_names_are_left_to_the_kernel() -> None:
    made = loaded(exclude=("source.comm=runc,sh", 'source.comm="tmux: server",sh'))
    assert (made.recorded, made.keep) == (USUAL, None)
    assert made.ignore_source_comm == (b"runc", b"sh", b"tmux: server")
    both = loaded(ignore_source_comm=("bash,sh",), exclude=("source.comm=runc,sh",))
    assert both.ignore_source_comm == (b"bash", b"sh", b"runc")


@pytest.mark.parametrize(
    "values",
    [
        {"exclude": ("source.comm=runc*",)},
        {"exclude": ("source.comm=*",)},
        {"exclude": ("source.comm!=runc",)},
        {"exclude": ("source.comm=runc source.comm=sh",)},
        {"exclude": ("source.comm=runc cause=user",)},
        {"exclude": ("target.comm=runc",)},
        {"exclude": ("signal=TERM source.comm=runc",)},
        {"include": ("source.comm=runc",)},
        {"include": ("cause=user", "signal!=0")},
    ],
    ids=str,
)
def test_the_rest_is_left_to_user_space(values: dict[str, object]) -> None:
    made = loaded(**values)
    assert (made.recorded, made.ignore_source_comm) == (USUAL, ())
    assert made.keep is not None


def test_what_no_included_expression_can_pass_is_left_to_the_kernel() -> None:
    made = loaded(include=("signal=CHLD target.comm=make", "signal=KILL", "signal=TERM call=kill"))
    assert made.recorded == {17, 9, 15}
    assert made.keep is not None
    assert len(made.keep.include) == 3
    wide = loaded(include=("signal=CHLD target.comm=make", "source.uid=0"))
    assert wide.recorded == USUAL | {17}


def test_each_excluded_expression_goes_where_it_belongs() -> None:
    made = loaded(exclude=("signal=TERM", "source.comm=runc", "cause=fault; result=ignored"))
    assert made.recorded == USUAL - {15}
    assert made.ignore_source_comm == (b"runc",)
    assert made.keep is not None
    assert (len(made.keep.exclude), made.keep.include) == (1, ())
    assert made.ignore_results == {1}


def test_users_are_left_out_by_the_kernel_and_what_that_cannot_tell_by_the_agent() -> None:
    made = loaded(exclude=("source.uid=0,33", "target.uid=65534", "source.uid=1 signal=TERM"))
    assert (made.ignore_source_uids, made.ignore_target_uids) == ((0, 33), (65534,))
    assert made.keep is not None
    assert len(made.keep.exclude) == 3
    named = loaded(exclude=("target.comm=runc,crun",))
    assert (named.ignore_target_comm, named.keep is not None) == ((b"crun", b"runc"), True)
    many = loaded(exclude=("source.uid=1,2,3,4,5",))
    assert (many.ignore_source_uids, many.keep is not None) == ((), True)


def test_none_takes_away_what_a_variable_says() -> None:
    variable = {"KILLSNOOP_EXCLUDE": "signal=TERM; cause=fault"}
    assert load({}, variable, False).keep is not None
    assert load({"exclude": ("None",)}, variable, False) == loaded()
    with pytest.raises(ConfigurationFaults, match="no term of a filter: --exclude none"):
        loaded(exclude=("none", "cause=fault"))


def test_recording_nothing_is_said() -> None:
    made = loaded(include=("signal=KILL signal=TERM",))
    assert (made.recorded, made.keep) == (frozenset(), None)
    assert made.warnings == ("no Unix signal is recorded: all are only counted",)


EXPRESSIONS = (
    "signal=KILL,TERM",
    "signal!=TERM",
    "signal=CHLD",
    "source.comm=runc,sh",
    "source.comm=sh",
    "signal=KILL source.comm=sh",
    "target.comm=sh",
    "cause=user signal!=HUP",
)


def truly_holds(expression: str, number: int, comm: bytes) -> bool:
    """By the words of the documentation, for a signal that `comm` sent to nginx."""
    truths = []
    for one in expression.split():
        key, _, rest = one.partition("=")
        actual = {
            "signal": unixsignals.name(number)[3:],
            "source.comm": comm.decode(),
            "target.comm": "nginx",
            "cause": "user",
        }[key.removesuffix("!")]
        truths.append((actual in rest.split(",")) != key.endswith("!"))
    return all(truths)


@given(
    exclude=st.lists(st.sampled_from(EXPRESSIONS), max_size=3),
    include=st.lists(st.sampled_from(EXPRESSIONS), max_size=3),
    number=st.sampled_from([1, 9, 15, 17]),
    comm=st.sampled_from([b"runc", b"sh", b"bash"]),
)
@settings(deadline=None, max_examples=400)
def test_divided_or_not_the_answer_is_the_same(
    exclude: list[str], include: list[str], number: int, comm: bytes
) -> None:
    made = loaded(exclude=exclude, include=include, exclude_signals=("none",))
    name = unixsignals.name(number)
    facts = Facts(number, name, "SI_USER", "user", "kill", "process", "delivered", True)
    assert facts.cause == KILL.cause
    one = joined(lineage(process(comm=comm)), lineage(process()), facts)
    kept = number in made.recorded and comm not in made.ignore_source_comm
    kept = kept and (made.keep is None or made.keep.keeps(one))
    wanted = not include or any(truly_holds(text, number, comm) for text in include)
    assert kept == (wanted and not any(truly_holds(text, number, comm) for text in exclude))


def test_nothing_of_filters_is_imported_without_one() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from otel_killsnoop import settings
settings.load({{}}, {{"KILLSNOOP_EXCLUDE_SIGNALS": "TERM"}}, False)
print(*sorted(name for name in sys.modules if name.startswith("otel_killsnoop.")))
settings.load({{}}, {{"KILLSNOOP_EXCLUDE": "cause=fault"}}, False)
print(*sorted(name for name in sys.modules if name.startswith("otel_killsnoop.")))
"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    without, with_one = (set(line.split()) for line in printed.splitlines())
    ours = {f"otel_killsnoop.{name}" for name in ("division", "filter_keys", "filters", "matching")}
    assert not ours & without
    assert ours <= with_one
