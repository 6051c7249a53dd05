"""Unix signal numbers and names, as Linux has them on x86, arm64, riscv and s390.

A table of our own, not the running Python's: a record's names must not depend on a libc.
Real-time signals are named by glibc's SIGRTMIN (34); the two below it, which glibc keeps
for itself, are SIG32 and SIG33.
"""

from __future__ import annotations

import re

FIRST_REALTIME = 34
LAST = 64

_CLASSIC = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
    "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
_SYNONYMS = {"IOT": 6, "POLL": 29, "CLD": 17, "UNUSED": 31}

NAMES: dict[int, str] = {number: f"SIG{name}" for number, name in enumerate(_CLASSIC, 1)}
NAMES |= {32: "SIG32", 33: "SIG33", FIRST_REALTIME: "SIGRTMIN"}
NAMES |= {n: f"SIGRTMIN+{n - FIRST_REALTIME}" for n in range(FIRST_REALTIME + 1, LAST + 1)}

_NUMBERS: dict[str, int] = {name[3:]: number for number, name in NAMES.items()} | _SYNONYMS
_NUMBERS["RTMAX"] = LAST
_NUMBERS |= {f"RTMAX-{n}": LAST - n for n in range(1, LAST - FIRST_REALTIME + 1)}
_NUMBERS |= {"RTMIN+0": FIRST_REALTIME, "RTMAX-0": LAST}

# What the default action of each is; a signal that is in none of these ends the process.
IGNORED_BY_DEFAULT = frozenset({17, 18, 23, 28})  # CHLD, CONT, URG, WINCH
STOPS_BY_DEFAULT = frozenset({19, 20, 21, 22})  # STOP, TSTP, TTIN, TTOU
FAULTS = frozenset({4, 5, 6, 7, 8, 11, 31})  # ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS


def name(number: int) -> str:
    """``SIGKILL`` for 9, ``SIGRTMIN+6`` for 40; ``SIG0``, ``SIG65`` for what has no name."""
    return NAMES.get(number) or f"SIG{number}"


def number(text: str) -> int | None:
    """The number meant by ``9``, ``KILL``, ``sigkill``, ``SIGRTMIN+3``; None if none is meant."""
    word = text.strip().upper()
    if re.fullmatch(r"[0-9]{1,2}", word, re.ASCII):
        value = int(word)
        return value if value <= LAST else None
    return _NUMBERS.get(word.removeprefix("SIG"))


def is_lethal(number: int) -> bool:
    """Whether the default action of this signal ends the process."""
    return 1 <= number <= LAST and number not in IGNORED_BY_DEFAULT | STOPS_BY_DEFAULT
