"""The tree view on a real pseudo-terminal: colour, and the terminal's own width."""

from __future__ import annotations

import itertools
import os
import re
import termios
import tty
from collections.abc import Callable
from dataclasses import replace

import pytest
from made_signals import KILL, SEGV, joined, lineage, process, usual_lineage

from otel_killsnoop.model import Facts, Joined
from otel_killsnoop.records import severity
from otel_killsnoop.terminal.ink import lethality, lethality_of_death
from otel_killsnoop.terminal.output import printer
from otel_killsnoop.unixsignals import NAMES

OnTerminal = Callable[..., str]
SAMPLE = joined(usual_lineage(process(pid=42), 3), usual_lineage(process(), 3))
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    """on_terminal(joined, width=80, **variables): what a terminal that wide receives."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def show(one: Joined, width: int = 80, **variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            termios.tcsetwinsize(slave, (24, width))
            with os.fdopen(slave, "w", encoding="utf-8") as stream:
                made = printer("tree", stream, 8)
                assert made is not None
                made.print(one, 0, None)
                made.flush()
                return os.read(master, 65536).decode()
        finally:
            os.close(master)

    return show


def test_a_terminal_gets_colour_and_the_same_text(
    on_terminal: OnTerminal, shown: Callable[..., str]
) -> None:
    written = on_terminal(SAMPLE)
    assert "\x1b[1;31mSIGKILL\x1b[0m" in written
    plain = ESCAPE.sub("", written)
    assert "\x1b" not in plain
    assert plain.splitlines()[1:] == shown("tree", SAMPLE).splitlines()[1:]


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "0"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "linux"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_who_asks_for_no_colour_gets_none(
    on_terminal: OnTerminal, variables: dict[str, str], coloured: bool
) -> None:
    assert ("\x1b" in on_terminal(SAMPLE, **variables)) is coloured


def test_a_file_gets_no_colour_whatever_is_asked(
    shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in shown("tree", SAMPLE)


@pytest.mark.parametrize(("width", "expected"), [(120, 120), (60, 60), (40, 40), (20, 40), (0, 80)])
def test_lines_are_as_wide_as_the_terminal(
    on_terminal: OnTerminal, width: int, expected: int
) -> None:
    words = [b"ab"] * 200
    one = joined(None, lineage(process(args=tuple(words), args_count=200)), SEGV)
    longest = max(map(len, on_terminal(one, width, NO_COLOR="1").splitlines()))
    assert expected - 3 < longest <= expected


def test_data_brings_no_escape_of_its_own(on_terminal: OnTerminal) -> None:
    nasty = process(comm=b"\x1b[31m", args=(b"\x1b]0;x\x07", b"\xc2\x9b"), user="\x1b[2J\r\n")
    written = on_terminal(joined(lineage(nasty), lineage(nasty)))
    assert all(line.isprintable() for line in ESCAPE.sub("", written).split("\n"))
    for brought in ("\x1b[31m", "\x1b[2J", "\x1b]"):
        assert brought not in written


@pytest.mark.parametrize("cause", ["user", "oom", "fault", "ptrace", "kernel", "tty"])
@pytest.mark.parametrize("has_source", [True, False])
def test_colour_follows_the_records_severity(cause: str, has_source: bool) -> None:
    for number, result in itertools.product(NAMES, ("delivered", "refused", "tested")):
        facts: Facts = replace(
            KILL, number=number, cause=cause, has_source=has_source, result=result
        )
        assert lethality(facts) == severity.of(facts).text.lower()


def test_the_colour_of_a_death_follows_its_records_severity() -> None:
    for number in NAMES:
        assert lethality_of_death(number) == severity.of_death(number).text.lower()


def test_each_lethality_has_its_own_look(on_terminal: OnTerminal) -> None:
    kinds = [
        replace(KILL, cause="oom"),
        KILL,
        replace(KILL, number=15),
        replace(KILL, number=10),
    ]
    looks = []
    for facts in kinds:
        found = re.search(
            r"(\x1b\[[0-9;]*m)SIGKILL",
            on_terminal(SAMPLE._replace(signal=SAMPLE.signal._replace(facts=facts))),
        )
        assert found is not None
        looks.append(found.group(1))
    assert all(one != other for one, other in itertools.combinations(looks, 2))
