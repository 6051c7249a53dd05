"""Severity by lethality and by who raised it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_signals import KILL

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
