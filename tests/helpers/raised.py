"""Raising signals in every way there is, by short programs of our own; and their records."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from real_processes import PYTHON
from running_agent import Record, RunningAgent

PRELUDE = """
import array, ctypes, fcntl, mmap, os, resource, signal, socket, struct, sys, termios, time
libc = ctypes.CDLL(None, use_errno=True)
def say(*words):
    print(*words, flush=True)
def machine(code):
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=7)
    memory.write(bytes.fromhex(code))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    globals().setdefault("_kept", []).append(memory)
    return ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * 5)(address)
# A system call as a 32-bit program makes it: int80(number, four arguments).
def int80(*arguments):
    words = [*arguments, 0, 0, 0, 0][:5]
    return machine('53 89f8 89f3 4189c9 89d1 4489ca 4489c6 cd80 5b c3')(*words)
def low(content):  # where a 32-bit pointer reaches
    libc.mmap.restype = ctypes.c_long
    libc.mmap.argtypes = [ctypes.c_long] * 6
    address = libc.mmap(0, 4096, 3, 0x62, -1, 0)
    ctypes.memmove(address, content, len(content))
    return address
def siginfo(number, error, code, pid=1, uid=0):
    return ctypes.create_string_buffer(struct.pack("iiiiii", number, error, code, 0, pid, uid), 128)
"""

NAME = "killsnoop.source.process.pid"


def run(lines: str, *arguments: str, **options: Any) -> tuple[subprocess.Popen[str], list[int]]:
    """A program of these lines, ended; the numbers that it said."""
    process = subprocess.Popen(
        [*PYTHON, "-c", PRELUDE + lines, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **options,
    )
    output, _ = process.communicate(timeout=30)
    return process, [int(word) for word in output.split()]


@contextlib.contextmanager
def held(lines: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """As `run`, but behind ``hold()`` in its lines it waits until the test is done with it."""
    process = subprocess.Popen(
        [*PYTHON, "-c", PRELUDE + "def hold(): sys.stdin.readline()\n" + lines],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    numbers = [int(word) for word in process.stdout.readline().split()]
    try:
        yield process, numbers
    finally:
        process.communicate("\n", timeout=30)


def to(
    agent: RunningAgent, pid: int, number: int, count: int = 1, code: str | None = None
) -> list[Record]:
    """The records of that signal to that process, as soon as there are so many."""

    def wanted(one: Record) -> bool:
        return (
            one["killsnoop.event"] == "signal"
            and one.get("killsnoop.target.process.pid") == pid
            and one["killsnoop.signal.number"] == number
            and code in (None, one["killsnoop.signal.code"])
        )

    return agent.wait_records(count, wanted)


def one_to(agent: RunningAgent, pid: int, number: int, code: str | None = None) -> Record:
    """The one record of that signal to that process."""
    (record,) = to(agent, pid, number, 1, code)
    return record


def told(record: Record) -> tuple[str, int | None, str | None]:
    """Cause, source's pid, call."""
    return (
        record["killsnoop.signal.cause"],
        record.get(NAME),
        record.get("killsnoop.signal.call"),
    )


Check = Callable[[Record], None]
