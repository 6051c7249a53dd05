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


@pytest.mark.parametrize(
    ("include", "exclude", "zero", "recorded"),
    [
        (("0",), (), True, set()),
        (("00,KILL",), (), True, {9}),
        (("all",), (), True, set(range(1, 65))),
        (("all",), ("0",), False, set(range(1, 65))),
        (("0,KILL",), ("all",), False, set()),
        ((), ("none",), False, set(range(1, 65))),
        (("KILL",), (), False, {9}),
    ],
)
def test_signal_0_is_recorded_only_when_included(
    include: tuple[str, ...], exclude: tuple[str, ...], zero: bool, recorded: set[int]
) -> None:
    made = loaded(include_signals=include, exclude_signals=exclude)
    assert (made.zero, made.recorded) == (zero, recorded)
    assert bool(made.warnings) == (not zero and not recorded)


@pytest.mark.parametrize("attempts", ["auto", "on"])
def test_signal_0_is_an_attempt(attempts: str) -> None:
    made = loaded(include_signals=("0",), attempts=attempts)
    assert (made.attempts, made.zero) == (attempts, True)


def test_signal_0_by_itself_cannot_go_without_attempts() -> None:
    cure = "it only tests whether a process exists, and that is seen as an attempt: leave it out"
    assert faults(include_signals=("9,0",), attempts="off") == [
        "signal 0 cannot be recorded while attempts are off: --include-signals 0 beside "
        f"--attempts off ({cure}, or give --attempts auto)"
    ]
    variables = {"KILLSNOOP_INCLUDE": "signal=TERM,0", "KILLSNOOP_ATTEMPTS": "off"}
    assert faults(environment=variables) == [
        "signal 0 cannot be recorded while attempts are off: KILLSNOOP_INCLUDE=signal=0 beside "
        f"KILLSNOOP_ATTEMPTS=off ({cure}, or give KILLSNOOP_ATTEMPTS=auto)"
    ]


@pytest.mark.parametrize("given", [{"include_signals": ("all",)}, {"include": ("signal=*",)}])
def test_all_is_all_that_there_is_without_attempts(given: dict[str, object]) -> None:
    made = load(given | {"attempts": "off"}, {}, False)
    assert (made.zero, made.recorded, made.warnings) == (False, set(range(1, 65)), ())


@pytest.mark.parametrize("key", ["include_signals", "exclude_signals"])
@pytest.mark.parametrize("word", ["65", "999", "-1", "SIGFOO", "9.0", "RTMIN+31", "٩", "KILL TERM"])
def test_what_is_no_signal(key: str, word: str) -> None:
    flag = "--" + key.replace("_", "-")
    (fault,) = faults(**{key: (word,)})
    assert fault.startswith(f"no such Unix signal: {flag} {word} (give a number from 0 to 64")


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
