"""Real processes for tests of the whole agent, and what is true of them by whoever made them.

Truth never comes from the agent: it is what /proc says of processes that stay, and what a
workload knows of those it made itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from real_collector import wait_until

RARE = signal.SIGRTMIN + 11
RARE_NAME = "SIGRTMIN+11"
"""A signal that nobody else on the host sends: tests that select it are alone."""

STARTED = ["sh", "-c", "echo; read line"]
"""How the command line of what a subject starts begins."""

PYTHON = [sys.executable, "-I", "-S"]  # starts in a third of the time

_PRELUDE = """
import ctypes, os, signal, sys, threading, time
RARE = signal.SIGRTMIN + 11
def rename(comm):
    ctypes.CDLL(None).prctl(15, comm, 0, 0, 0)
def say(*words):
    print(*words, flush=True)
def wait():
    return sys.stdin.readline()
def start(*args):  # a program; returns when it runs
    pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'echo; read line', *args], {}, file_actions=[
        (os.POSIX_SPAWN_DUP2, _waits, 0), (os.POSIX_SPAWN_DUP2, _tell, 1)])
    assert os.read(_told, 1)
    return pid
_told, _tell = os.pipe()
_waits, _held = os.pipe()
"""


class Subject:
    """A process that runs a few lines of Python and talks over pipes.

    In the lines: ``say(words)`` answers ``heard()``, ``wait()`` returns at ``go()``, and RARE,
    ``rename(bytes)`` and ``start(*args)`` (of ``STARTED`` with these arguments) are there.
    """

    def __init__(self, lines: str, *args: str | bytes, ignores: bool = True) -> None:
        first = "signal.signal(RARE, signal.SIG_IGN)\n" if ignores else ""
        self.args = [*PYTHON, "-c", _PRELUDE + first + lines, *args]
        self._process = subprocess.Popen(
            self.args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def heard(self) -> list[int]:
        """The numbers that it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait()}"
        return [int(word) for word in line.split()]

    def go(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def wait(self) -> int:
        """Its exit status."""
        return self._process.wait(20)

    def end(self) -> None:
        """Make sure that it is gone, and all that it started in its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


class Pair:
    """A sender and a target, both gone, as the workload knows them.

    above: pids of the parents that both have in common, nearest first, as far as they are the
    workload's own.  worker: the last argument of the nearest two.
    """

    def __init__(self, line: str) -> None:
        told: dict[str, Any] = json.loads(line)
        self.sender: int = told["sender"]
        self.sender_args: list[str] = told["sender_args"]
        self.target: int = told["target"]
        self.target_args: list[str] = told["target_args"]
        self.above: list[int] = told["above"]
        self.worker: str = told["worker"]


def short_lives(
    workers: int, each: int, manner: str = "settled", number: int = RARE
) -> tuple[int, list[Pair]]:
    """Pairs of a target and its killer, born and gone; returns their forebear and the pairs.

    manner: ``settled`` or ``hasty``, see short_lives.py.
    """
    script = str(Path(__file__).with_name("short_lives.py"))
    with subprocess.Popen(
        [*PYTHON, script, str(workers), str(each), str(int(number)), manner],
        stdout=subprocess.PIPE,
        text=True,
    ) as forebear:
        assert forebear.stdout is not None
        pairs = [Pair(line) for line in forebear.stdout]
    assert forebear.returncode == 0
    return forebear.pid, pairs


def settle(pid: int, comm: str) -> None:
    """Wait until a process runs the program of that name, and has come to wait in it.

    Whoever started it may know of it before the kernel is done with starting it.
    """
    wait_until(
        lambda: comm_of(pid) == comm and _stat(pid)[0] == "S", 20, f"{comm}[{pid}] to have settled"
    )


def parent_of(pid: int) -> int:
    """The kernel's parent, by /proc; 0 for none."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return stat[stat.rindex(b")") + 2 :].decode("ascii").split()


def comm_of(pid: int) -> str:
    """The kernel's name of a process, by /proc."""
    return Path(f"/proc/{pid}/comm").read_bytes()[:-1].decode("utf-8", "replace")


def line_of(pid: int) -> str:
    """The command line of a process, by /proc; arguments are joined by spaces."""
    raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    return raw.removesuffix(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")


def above(pid: int) -> list[int]:
    """The ancestors' pids, by /proc, nearest first."""
    found = []
    while (pid := parent_of(pid)) != 0:
        found.append(pid)
    return found


def tree(*pids: int) -> str:
    """``sh[7] < systemd[1]`` of processes that are alive."""
    return " < ".join([f"{comm_of(pid)}[{pid}]" for pid in pids])
