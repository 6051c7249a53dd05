"""si_code by name: the table, and what a real kernel puts into a real siginfo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.tracer import codes


@pytest.mark.parametrize(
    ("number", "code", "name"),
    [
        (15, 0, "SI_USER"),
        (11, 0x80, "SI_KERNEL"),
        (34, -1, "SI_QUEUE"),
        (34, -2, "SI_TIMER"),
        (34, -3, "SI_MESGQ"),
        (34, -4, "SI_ASYNCIO"),
        (11, -5, "SI_SIGIO"),
        (6, -6, "SI_TKILL"),
        (9, -7, "SI_DETHREAD"),
        (34, -60, "SI_ASYNCNL"),
        (4, 1, "ILL_ILLOPC"),
        (4, 9, "ILL_BADIADDR"),
        (5, 1, "TRAP_BRKPT"),
        (5, 6, "TRAP_PERF"),
        (7, 1, "BUS_ADRALN"),
        (7, 4, "BUS_MCEERR_AR"),
        (7, 5, "BUS_MCEERR_AO"),
        (8, 1, "FPE_INTDIV"),
        (8, 8, "FPE_FLTSUB"),
        (8, 14, "FPE_FLTUNK"),
        (8, 15, "FPE_CONDTRAP"),
        (11, 1, "SEGV_MAPERR"),
        (11, 2, "SEGV_ACCERR"),
        (11, 4, "SEGV_PKUERR"),
        (11, 9, "SEGV_MTESERR"),
        (11, 10, "SEGV_CPERR"),
        (17, 1, "CLD_EXITED"),
        (17, 6, "CLD_CONTINUED"),
        (29, 1, "POLL_IN"),
        (29, 6, "POLL_HUP"),
        (40, 1, "POLL_IN"),
        (31, 1, "SYS_SECCOMP"),
        (31, 2, "SYS_USER_DISPATCH"),
        (8, 9, "9"),
        (11, 11, "11"),
        (15, 7, "7"),
        (15, -77, "-77"),
        (99, 1 << 20, "1048576"),
    ],
)
def test_the_table(number, code, name) -> None:
    assert codes.name(number, code) == name


@given(st.integers(), st.integers())
def test_every_code_has_a_text(number, code) -> None:
    assert codes.name(number, code)


RAISE = {
    "SI_USER": "os.kill(os.getpid(), S)",
    "SI_KERNEL": "signal.setitimer(signal.ITIMER_REAL, 0.01)",
    "CLD_EXITED": "os.fork() or os._exit(0)",
}


@pytest.mark.parametrize(("name", "raising"), list(RAISE.items()))
def test_what_the_kernel_says_itself(name, raising) -> None:
    number = {"SI_KERNEL": signal.SIGALRM, "CLD_EXITED": signal.SIGCHLD}.get(name, signal.SIGUSR1)
    program = (
        "import os, signal\n"
        f"S = {int(number)}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [S])\n"
        f"{raising}\n"
        "print(signal.sigwaitinfo([S]).si_code)\n"
    )
    environment = {"PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    assert codes.name(number, int(done.stdout)) == name
