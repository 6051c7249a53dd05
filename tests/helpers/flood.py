"""Signals from one process to another, at machine speed or at an even pace: a sender of its own.

Run as a program it takes a command name and, if given, the CPU to stay on, reads one JSON list a
line, [name, argument, ...], does that, and answers with one line of JSON. As a module it has
`Sender`, the other end of the two pipes, and `ignorer`, a process to send to.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

NUMBER, OTHER = 62, 63  # real-time signals that no usual program sends, nor any of our tests

_SET_NAME = 15  # PR_SET_NAME

# kill(pid, number) so many times. Python's own loop takes as long as the system call.
_CODE = {
    "x86_64": (
        "53"  # push rbx
        "48 89 d3"  # mov rbx, rdx
        "b8 3e 00 00 00"  # again: mov eax, 62 (kill; the kernel leaves rdi and rsi alone)
        "0f 05"  # syscall
        "48 ff cb"  # dec rbx
        "75 f4"  # jnz again
        "5b c3"  # pop rbx; ret
    ),
    "aarch64": (
        "e3 03 00 aa"  # mov x3, x0
        "28 10 80 d2"  # mov x8, #129 (kill)
        "e0 03 03 aa"  # again: mov x0, x3 (where the result was put)
        "01 00 00 d4"  # svc #0
        "42 04 00 f1"  # subs x2, x2, #1
        "a1 ff ff 54"  # b.ne again
        "c0 03 5f d6"  # ret
    ),
}

# getppid so many times (the third argument, as above): a system call that sends nothing.
_OTHER_CODE = {
    "x86_64": (
        "53"  # push rbx
        "48 89 d3"  # mov rbx, rdx
        "b8 6e 00 00 00"  # again: mov eax, 110 (getppid)
        "0f 05"  # syscall
        "48 ff cb"  # dec rbx
        "75 f4"  # jnz again
        "5b c3"  # pop rbx; ret
    ),
}

Kill = Callable[[int, int, int], object]


def loop(codes: dict[str, str] = _CODE) -> Kill:
    """``kill(pid, number)`` a count of times: machine code where we have it, else Python."""
    code = codes.get(os.uname().machine)
    if code is None:
        return _python_loop if codes is _CODE else _other_python_loop
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    memory.write(bytes.fromhex(code))
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    # Only now executable: it is then that the kernel makes the instruction cache agree.
    executable = mmap.PROT_READ | mmap.PROT_EXEC
    libc = ctypes.CDLL(None)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), executable) != 0:
        # A host that lets nobody make code.
        return _python_loop if codes is _CODE else _other_python_loop
    run = ctypes.CFUNCTYPE(None, ctypes.c_long, ctypes.c_long, ctypes.c_long)(address)

    def kill(pid: int, number: int, count: int, memory: mmap.mmap = memory) -> None:
        os.kill(pid, 0)  # the loop looks at no error
        if count:
            run(pid, number, count)

    return kill


def _python_loop(pid: int, number: int, count: int) -> None:
    kill = ctypes.CDLL(None).kill
    for _ in range(count):
        kill(pid, number)


def _other_python_loop(pid: int, number: int, count: int) -> None:
    for _ in range(count):
        os.getppid()


def others(_: Kill, count: int) -> int:
    """Nanoseconds that so many calls of getppid took, of this thread's own time."""
    run = loop(_OTHER_CODE)
    began = time.thread_time_ns()
    run(os.getpid(), 0, count)
    return time.thread_time_ns() - began


def flood(kill: Kill, pid: int, number: int, count: int) -> int:
    """Nanoseconds that so many signals took, of this thread's own time: others run here too."""
    began = time.thread_time_ns()
    kill(pid, number, count)
    return time.thread_time_ns() - began


def pace(_: Kill, pid: int, number: int, interval_us: int) -> list[int]:
    """A signal each interval, by spinning, until there is a line to read; boot ns of each."""
    sent = []
    due = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    while not select.select([0], [], [], 0)[0]:
        while (now := time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < due:
            pass
        sent.append(now)
        os.kill(pid, number)
        due += interval_us * 1000
    os.read(0, 1)
    return sent


def main() -> None:
    name, *cpu = sys.argv[1:]
    ctypes.CDLL(None).prctl(_SET_NAME, name.encode(), 0, 0, 0)
    if cpu:
        os.sched_setaffinity(0, {int(cpu[0])})
    kill = loop()
    done = {"flood": flood, "pace": pace, "others": others}
    # Unbuffered: `pace` asks the descriptor itself whether there is something to read.
    for line in open(0, "rb", buffering=0, closefd=False):  # noqa: SIM115
        command, *arguments = json.loads(line)
        print(json.dumps(done[command](kill, *arguments)), flush=True)


class Sender:
    """The other end. Made by `sender`."""

    def __init__(self, name: str, cpu: int | None) -> None:
        place = [] if cpu is None else [str(cpu)]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, name, *place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def flood(self, pid: int, number: int, count: int) -> int:
        """Send at full speed; the nanoseconds it took in all."""
        self._say("flood", pid, number, count)
        return int(self._heard())

    def others(self, count: int) -> int:
        """Call getppid at full speed; the nanoseconds it took in all."""
        self._say("others", count)
        return int(self._heard())

    def begin_pace(self, pid: int, number: int, interval_us: int) -> None:
        """Send evenly until `end_pace`."""
        self._say("pace", pid, number, interval_us)

    def end_pace(self) -> list[int]:
        """Boot ns at which each signal was sent."""
        self._write(b"\n")
        times: list[int] = self._heard()
        return times

    def _say(self, *words: Any) -> None:
        self._write(json.dumps(words).encode() + b"\n")

    def _write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def _heard(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def sender(name: str, cpu: int | None = None) -> Iterator[Sender]:
    """A process of that command name that sends when told. cpu: where it stays."""
    one = Sender(name, cpu)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()


@contextlib.contextmanager
def ignorer(number: int) -> Iterator[int]:
    """The pid of a process that sleeps and ignores this signal."""
    before = signal.signal(number, signal.SIG_IGN)  # which a new program inherits
    try:
        process = subprocess.Popen(["sleep", "3600"])
    finally:
        signal.signal(number, before)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
