"""Severity by lethality and by who raised it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_signals import KILL, TESTED

from otel_killsnoop.records import severity
from otel_killsnoop.unixsignals import NAMES


@pytest.mark.parametrize(
    ("number", "cause", "has_source", "expected"),
    [
        (9, "user", True, "WARN"),
        (9, "cgroup.kill", True, "WARN"),
        (9, "pidns", True, "WARN"),
        (9, "kernel", False, "WARN"),
        (9, "oom", False, "ERROR"),
        (11, "user", True, "WARN"),
        (11, "fault", False, "ERROR"),
        (6, "fault", True, "ERROR"),  # abort() is the process itself, and a crash
        (6, "user", True, "WARN"),
        (31, "fault", False, "ERROR"),
        (7, "kernel", False, "ERROR"),
        (5, "ptrace", True, "DEBUG"),
        (15, "user", True, "INFO"),
        (2, "tty", False, "INFO"),
        (3, "tty", False, "INFO"),
        (1, "session", True, "INFO"),
        (19, "user", True, "INFO"),
        (18, "user", True, "DEBUG"),
        (17, "child", True, "DEBUG"),
        (14, "timer", False, "DEBUG"),
        (13, "pipe", True, "DEBUG"),
        (64, "user", True, "DEBUG"),
    ],
)
def test_severity(number: int, cause: str, has_source: bool, expected: str) -> None:
    facts = replace(KILL, number=number, name=NAMES[number], cause=cause, has_source=has_source)
    assert severity.of(facts).text == expected
    # OTLP's ranges: DEBUG 5-8, INFO 9-12, WARN 13-16, ERROR 17-20.
    assert severity.of(facts).number == {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}[expected]


@pytest.mark.parametrize(
    ("number", "expected"), [(9, "INFO"), (11, "INFO"), (15, "INFO"), (10, "DEBUG"), (17, "DEBUG")]
)
def test_a_refused_attempt_is_never_more_than_info(number: int, expected: str) -> None:
    facts = replace(KILL, number=number, name=NAMES[number], result="refused", error="EPERM")
    assert severity.of(facts).text == expected


def test_a_signal_zero_is_for_debugging() -> None:
    assert severity.of(TESTED).text == "DEBUG"
    assert severity.of(replace(TESTED, result="refused", error="ESRCH")).text == "DEBUG"


@pytest.mark.parametrize("number", NAMES)
def test_a_death_by_kill_or_a_fault_warns(number: int) -> None:
    expected = "WARN" if number in {4, 5, 6, 7, 8, 9, 11, 31} else "INFO"
    assert severity.of_death(number).text == expected
