"""The options that are lists: which signals are recorded, and whose are not."""

from __future__ import annotations

import os

import pytest

from otel_killsnoop.settings import ConfigurationFaults, Settings, load


def loaded(environment: dict[str, str] | None = None, **values: object) -> Settings:
    return load(values, environment or {}, False)


def faults(environment: dict[str, str] | None = None, **values: object) -> list[str]:
    with pytest.raises(ConfigurationFaults) as caught:
        load(values, environment or {}, False)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("include", "exclude", "recorded"),
    [
        ((), ("none",), set(range(1, 65))),
        ((), ("9",), set(range(1, 65)) - {9}),
        ((), ("KILL, sigterm", "SIGRTMIN+3"), set(range(1, 65)) - {9, 15, 37}),
        ((), ("0",), set(range(1, 65))),
        (("all",), (), set(range(1, 65))),
        (("ALL",), ("CHLD",), set(range(1, 65)) - {17}),
        (("CHLD",), (), {17}),  # the default exclusion does not count
        (("CHLD,KILL",), ("CHLD",), {9}),
        (("64,,rtmax-1,",), (), {64, 63}),
    ],
)
def test_which_signals_are_recorded(
    include: tuple[str, ...], exclude: tuple[str, ...], recorded: set[int]
) -> None:
    made = loaded(include_signals=include, exclude_signals=exclude)
    assert made.recorded == recorded
    assert made.warnings == ()


def test_an_exclusion_by_variable_is_explicit_too() -> None:
    environment = {"KILLSNOOP_EXCLUDE_SIGNALS": "KILL"}
    assert loaded(environment=environment, include_signals=("KILL,TERM",)).recorded == {15}
    assert 9 in loaded(environment=environment, exclude_signals=("TERM",)).recorded


@pytest.mark.parametrize(
    "given", [{"include_signals": ("none",)}, {"exclude_signals": ("all",)}], ids=str
)
def test_recording_nothing_is_possible_and_said(given: dict[str, object]) -> None:
    made = load(given, {}, False)
    assert made.recorded == frozenset()
    assert made.warnings == ("no Unix signal is recorded: all are only counted",)


@pytest.mark.parametrize("zero", ["0", "00", "9,0", "all,0"])
def test_signal_0_cannot_be_included(zero: str) -> None:
    assert faults(include_signals=(zero,)) == [
        "signal 0 cannot be recorded by this version: --include-signals 0 (it only tests whether "
        "a process exists and is no signal that the kernel generates: leave it out)"
    ]


@pytest.mark.parametrize("key", ["include_signals", "exclude_signals"])
@pytest.mark.parametrize("word", ["65", "999", "-1", "SIGFOO", "9.0", "RTMIN+31", "٩", "KILL TERM"])
def test_what_is_no_signal(key: str, word: str) -> None:
    flag = "--" + key.replace("_", "-")
    (fault,) = faults(**{key: (word,)})
    assert fault.startswith(f"no such Unix signal: {flag} {word} (give a number from 1 to 64")


def test_lists_say_none_alone_or_something() -> None:
    assert faults(exclude_signals=("none,9",)) == [
        "none stands beside other values: --exclude-signals none,9 (give one or the other)"
    ]
    assert faults(ignore_source_comm=("",), include_signals=(" , ",)) == [
        "an empty list: --include-signals (say none to name nothing)",
        "an empty list: --ignore-source-comm (say none to name nothing)",
    ]


def test_command_names_are_the_kernels() -> None:
    name = os.fsdecode(b"caf\xe9")
    made = loaded(ignore_source_comm=("tmux: server, sh", name, "sh,systemd-journal"))
    assert made.ignore_source_comm == (b"tmux: server", b"sh", b"caf\xe9", b"systemd-journal")
    variable = {"KILLSNOOP_IGNORE_SOURCE_COMM": "bash"}
    assert loaded(environment=variable).ignore_source_comm == (b"bash",)
    assert loaded(environment=variable, ignore_source_comm=("none",)).ignore_source_comm == ()


def test_a_command_name_that_cannot_match() -> None:
    assert faults(environment={"KILLSNOOP_IGNORE_SOURCE_COMM": "sh,systemd-journald"}) == [
        "a command name of 16 bytes matches nothing: "
        "KILLSNOOP_IGNORE_SOURCE_COMM=systemd-journald (the kernel keeps the first 15: give "
        "'systemd-journal')"
    ]
    # Bytes count, not characters.
    assert len(faults(ignore_source_comm=("é" * 8,))) == 1
    assert loaded(ignore_source_comm=("é" * 7,)).ignore_source_comm == ("é".encode() * 7,)
