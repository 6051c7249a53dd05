"""How severe a signal is, by how lethal it is and who raised it.

Pure; one rule, so that an alert on severity and the terminal's colours cannot differ from docs.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.model import Facts
from otel_killsnoop.unixsignals import FAULTS

KILL = 9
_ENDS_OR_STOPS = frozenset({1, 2, 3, 15, 19})  # HUP, INT, QUIT, TERM, STOP


class Severity(NamedTuple):
    """OTLP's severity: its number and its text."""

    number: int
    text: str


DEBUG = Severity(5, "DEBUG")
INFO = Severity(9, "INFO")
WARN = Severity(13, "WARN")
ERROR = Severity(17, "ERROR")


def of(facts: Facts) -> Severity:
    """ERROR: the kernel ended it (fault, OOM).  WARN: somebody killed it, with KILL or a fault's
    signal.  INFO: TERM, INT, QUIT, HUP, STOP.  DEBUG: all else.

    A SIGTRAP that a debugger's ptrace makes is no fault.  A refused attempt harmed nobody: INFO
    where the signal would be more.
    """
    if facts.result == "refused":
        return INFO if facts.number in FAULTS | _ENDS_OR_STOPS | {KILL} else DEBUG
    if facts.cause == "oom":
        return ERROR
    if facts.number in FAULTS and facts.cause != "ptrace":
        return WARN if facts.has_source and facts.cause != "fault" else ERROR
    if facts.number == KILL:
        return WARN
    return INFO if facts.number in _ENDS_OR_STOPS else DEBUG


def of_death(number: int) -> Severity:
    """WARN when a process died of KILL or of a fault's signal, else INFO.

    Whether the kernel raised it is told, and ERROR where it did, by the signal's own record.
    """
    return WARN if number == KILL or number in FAULTS else INFO
