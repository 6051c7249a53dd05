"""Waiting for programs that run, and for memory: membarrier(2). The only file that makes it."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable

from otel_killsnoop.errors import KernelError
from otel_killsnoop.tracer import bpf

_NUMBERS = {"x86_64": 324, "aarch64": 283, "riscv64": 283, "s390x": 356, "ppc64le": 365}
_QUERY, _GLOBAL, _GLOBAL_EXPEDITED = 0, 1, 2

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def settler(opened: contextlib.ExitStack) -> Callable[[], None]:
    """A function that waits until every program that was running when it was called has ended.

    By membarrier, about 10 ms; where the kernel has none of that kind (nohz_full), or lets nobody
    ask, by a map that the kernel changes with the same wait. Its descriptors close with
    ``opened``. OSError when there is neither.
    """
    if has_global():
        return _by_membarrier
    inner = bpf.create_map(bpf.ARRAY, 4, 4, 1, 0, "settle_inner")
    opened.callback(os.close, inner)
    outer = bpf.create_map(bpf.ARRAY_OF_MAPS, 4, 4, 1, 0, "settle", inner)
    opened.callback(os.close, outer)
    return lambda: bpf.update(outer, bytes(4), inner.to_bytes(4, "little"))


def has_global() -> bool:
    """Whether this kernel's membarrier waits for every CPU."""
    return _membarrier(_QUERY) & _GLOBAL != 0


def fence() -> None:
    """Order what this thread loads and stores before it and after it.

    By MEMBARRIER_CMD_GLOBAL_EXPEDITED, which does so for its caller too, however few threads
    there are. For machines that reorder loads; x86 does not.
    """
    _membarrier(_GLOBAL_EXPEDITED)


def _by_membarrier() -> None:
    if _membarrier(_GLOBAL) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _membarrier(command: int) -> int:
    """What the kernel says; 0 to a query that it refuses."""
    machine = os.uname().machine
    number = _NUMBERS.get(machine)
    if number is None:
        what = "no system call number of membarrier(2) is known"
        raise KernelError(what, machine, "use another machine")
    said: int = _syscall(
        ctypes.c_long(number), ctypes.c_long(command), ctypes.c_long(0), ctypes.c_long(0)
    )
    return max(said, 0) if command == _QUERY else said
