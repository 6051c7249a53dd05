"""Signals by the names that Go's ``syscall.Signal`` prints on Linux: the seed tool's."""

from __future__ import annotations

_NAMES = (
    "hangup",
    "interrupt",
    "quit",
    "illegal instruction",
    "trace/breakpoint trap",
    "aborted",
    "bus error",
    "floating point exception",
    "killed",
    "user defined signal 1",
    "segmentation fault",
    "user defined signal 2",
    "broken pipe",
    "alarm clock",
    "terminated",
    "stack fault",
    "child exited",
    "continued",
    "stopped (signal)",
    "stopped",
    "stopped (tty input)",
    "stopped (tty output)",
    "urgent I/O condition",
    "CPU time limit exceeded",
    "file size limit exceeded",
    "virtual timer expired",
    "profiling timer expired",
    "window changed",
    "I/O possible",
    "power failure",
    "bad system call",
)


def go_name(number: int) -> str:
    """``terminated`` for 15, ``signal 34`` for what Go has no name for; empty for 0."""
    if number == 0:
        return ""
    return _NAMES[number - 1] if 1 <= number <= len(_NAMES) else f"signal {number}"
