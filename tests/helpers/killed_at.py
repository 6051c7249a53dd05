"""A process killed at its n-th stop, where a stop is the entry or the exit of a system call.

The work runs in a forked child that this process traces with ptrace(2), so that there is no
system call it does not see, whoever makes it: Python, the C library, the work itself. Killed at
an entry, the call is never made; killed at an exit, it was the last. Linux only, no privilege.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

_TRACEME, _SYSCALL, _SETOPTIONS = 0, 24, 0x4200
_SYSGOOD, _EXITKILL = 1, 0x100000
_SYSCALL_STOP = signal.SIGTRAP | 0x80

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long

Work = Callable[[Callable[[int], None]], None]
"""Calls its argument with a small number whenever something is done that the test must know."""


class Death(NamedTuple):
    """finished: whether the work was through before the stop came.  told: what it had said."""

    finished: bool
    told: list[int]


def killed_at(stop: int, work: Work) -> Death:
    """Run the work in a child and kill it at that stop (from 1)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(reader)
            _ptrace(_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            work(lambda number: _tell(writer, number))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    try:
        finished = _trace(pid, stop)
        return Death(finished, list(os.read(reader, 1 << 16)))
    finally:
        os.close(reader)


def _tell(writer: int, number: int) -> None:
    os.write(writer, bytes([number]))


def _trace(pid: int, stop: int) -> bool:
    """Whether it ended by itself; AssertionError if it did so badly."""
    _, status = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(status), "the child did not come to be traced"
    _ptrace(_SETOPTIONS, pid, _SYSGOOD | _EXITKILL)
    pass_on = 0
    while True:
        _ptrace(_SYSCALL, pid, pass_on)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "the work failed by itself"
            return True
        assert os.WIFSTOPPED(status), f"killed by {os.WTERMSIG(status)}, not by us"
        reason = os.WSTOPSIG(status)
        pass_on = 0 if reason == _SYSCALL_STOP else reason
        stop -= reason == _SYSCALL_STOP
        if not stop:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False


def _ptrace(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, None, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace: {os.strerror(code)}")


def every_stop(work: Work, before: Callable[[], None] = lambda: None) -> Iterator[Death]:
    """Killed at stop 1, 2, 3 ... until it gets through; `before` is called before each."""
    stop = 0
    finished = False
    while not finished:
        stop += 1
        before()
        death = killed_at(stop, work)
        finished = death.finished
        yield death
