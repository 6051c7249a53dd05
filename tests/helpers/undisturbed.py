"""An agent that other tests' floods leave alone: they send real-time signals only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from real_processes import RARE_NAME
from running_agent import RunningAgent

CLASSIC = (
    "HUP,INT,QUIT,ILL,TRAP,ABRT,BUS,FPE,KILL,USR1,SEGV,USR2,PIPE,ALRM,TERM,CONT,STOP,TTIN,TTOU"
)


@contextlib.contextmanager
def undisturbed(directory: Path, *arguments: str) -> Iterator[RunningAgent]:
    """A started agent, JSON its output, of the classic signals (SIGCHLD apart) and RARE."""
    one = RunningAgent(directory)
    one.start("--print", "json", "-i", f"{CLASSIC},{RARE_NAME}", *arguments)
    try:
        yield one
    finally:
        one.end()
