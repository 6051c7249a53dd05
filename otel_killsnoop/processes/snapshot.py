"""Processes as /proc shows them under a root: a listing, or one. The only file that reads it.

psutil lists and gives what it gives exactly (parent, users, executable). It changes three things
that must stay as they are: the kernel's name of a process (it lengthens it from the arguments),
the start (it makes a float of the tick count) and the arguments (it splits titles at spaces), so
these are read here. A process that goes while it is read is left out: no fault, the usual case.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_killsnoop.processes.node import KERNEL_THREAD, Entry, Levels
from otel_killsnoop.processes.procfs import ARGS_LIMIT, Stat, cgroup_of, number, split, status

if TYPE_CHECKING:
    import psutil

_ARGS_READ = 4 << 20  # bytes of argv looked at to count them
_GET_PARENT = 0xB702  # ioctl NS_GET_PARENT


class Listing(NamedTuple):
    """entries: every process that could be read.  began: boot ns when the listing was begun.

    pids: all processes that were listed, also those that could not be read.
    """

    entries: list[Entry]
    began: int
    pids: frozenset[int]


class Snapshot:
    """Reads <root>/proc. psutil is imported when the first process is read."""

    def __init__(self, root: str = "/") -> None:
        self._proc = os.path.join(root, "proc")

    def take(self) -> Listing:
        """All processes there are; none if there is no <root>/proc."""
        psutil = self._psutil()
        began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        try:
            pids = psutil.pids()
        except OSError:
            pids = []
        entries = [entry for pid in pids if (entry := self.look_up(pid)) is not None]
        return Listing(entries, began, frozenset(pids))

    def look_up(self, pid: int) -> Entry | None:
        """One process; None if it is not there, or is no process (a thread's number)."""
        psutil = self._psutil()
        try:
            stat = Stat(self._read(pid, "stat"))
            is_kernels = stat.flags & KERNEL_THREAD
            process = psutil.Process(pid)
            with process.oneshot():
                uid, gid = process.uids().effective, process.gids().effective
                ppid = process.ppid()
                path = b"" if is_kernels else _executable(process)
            group, numbers = status(self._read(pid, "status"))
            if group != pid:
                return None
            raw = b"" if is_kernels else self._read(pid, "cmdline", _ARGS_READ)
            cgroup = cgroup_of(self._read(pid, "cgroup"))
            login = self._number(pid, "loginuid")
            session = None if login is None else self._number(pid, "sessionid")
            levels = self._levels(pid, numbers[1:]) if len(numbers) > 1 else ()
            # Numbers are given again, but never back: who it is now as at first, it was all along.
            if Stat(self._read(pid, "stat")).ticks != stat.ticks:
                return None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return Entry(
            pid,
            ppid,
            stat.ticks,
            stat.comm,
            path,
            *split(raw),
            uid,
            gid,
            numbers[-1] if numbers else pid,
            stat.flags,
            cgroup,
            login,
            session,
            levels,
        )

    def owner(self, tid: int) -> tuple[int, int] | None:
        """(process, start in ticks) of a thread that is alive, which the first thread is too."""
        try:
            group, _ = status(self._read(tid, "status"))
            return group, Stat(self._read(tid, "stat")).ticks
        except (OSError, ValueError, IndexError):
            return None

    def parent(self, pid: int, ticks: int) -> int | None:
        """The kernel's parent of a process now; None if it is gone or another by now."""
        try:
            stat = Stat(self._read(pid, "stat"))
        except (OSError, ValueError, IndexError):
            return None
        return stat.parent if stat.ticks == ticks else None

    def shown(self, pid: int, ticks: int, comm: bytes) -> tuple[bytes, ...] | None:
        """What a process shows as its arguments now; None if it shows none or is another by now.

        comm: what its name should be; with another one it runs a program that is not known yet.
        """
        # The start last: whose it is then, whom we ask for, it was before, for it is known of
        # already, and numbers do not go back to who had them.
        try:
            raw = self._read(pid, "cmdline", ARGS_LIMIT)
            stat = Stat(self._read(pid, "stat")) if raw else None
        except (OSError, ValueError, IndexError):
            return None
        if stat is None or stat.ticks != ticks or stat.comm != comm:
            return None
        return split(raw)[0]

    def lingers(self, pid: int) -> bool:
        """Whether there is a process of that number, be it a zombie."""
        return os.path.exists(f"{self._proc}/{pid}")

    def _psutil(self) -> Any:  # a module has no type of its own
        import psutil

        psutil.PROCFS_PATH = self._proc
        return psutil

    def _number(self, pid: int, name: str) -> int | None:
        """loginuid or sessionid; None without a login, and on a kernel without audit."""
        try:
            return number(self._read(pid, name))
        except OSError:
            return None

    def _levels(self, pid: int, numbers: Sequence[int]) -> Levels:
        """The inodes of the nested PID namespaces that a process is in, with its numbers there."""
        opened: list[int] = []
        try:
            opened.append(os.open(f"{self._proc}/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
            for _ in numbers[1:]:
                opened.append(fcntl.ioctl(opened[-1], _GET_PARENT))
            inodes = [os.fstat(one).st_ino for one in reversed(opened)]
            return tuple(zip(inodes, numbers, strict=True))
        except OSError:
            return ()
        finally:
            for one in opened:
                os.close(one)

    def _read(self, pid: int, name: str, limit: int = 65536) -> bytes:
        descriptor = os.open(f"{self._proc}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while limit > 0 and (part := os.read(descriptor, min(limit, 131072))):
                parts.append(part)
                limit -= len(part)
            return b"".join(parts)
        finally:
            os.close(descriptor)


def _executable(process: psutil.Process) -> bytes:
    """Where /proc/PID/exe leads; empty when that may not be known, or for a zombie."""
    import psutil

    try:
        return os.fsencode(process.exe())
    except (psutil.Error, OSError):
        return b""
