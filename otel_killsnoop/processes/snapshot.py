"""Processes as /proc shows them under a root: a listing, or one. The only file that reads it.

psutil lists and gives what it gives exactly (parent, users, executable). It changes three things
that must stay as they are: the kernel's name of a process (it lengthens it from the arguments),
the start (it makes a float of the tick count) and the arguments (it splits titles at spaces), so
these are read here. A process that goes while it is read is left out: no fault, the usual case.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_killsnoop.processes.node import KERNEL_THREAD, Entry

if TYPE_CHECKING:
    import psutil

ARGS_LIMIT = 16384  # bytes of argv kept, as in the kernel's exec records
_ARGS_READ = 4 << 20  # bytes of argv looked at to count them

COMM_LIMIT = 15  # the kernel's own names; of its threads /proc tells more
_WORKER = re.compile(rb"^(kworker/u?[0-9]+:[0-9]+[A-Z]?)[-+].*$", re.DOTALL)  # and what it does

_V1_CONTROLLERS = ("memory", "pids", "cpu")
_OUTSIDE = re.compile(r"^(?:/\.\.)+(?=/|$)")


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
            stat = self._read(pid, "stat")
            comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
            fields = stat[stat.rindex(b")") + 2 :].split()
            flags, ticks = int(fields[6]), int(fields[19])
            if flags & KERNEL_THREAD:
                comm = _WORKER.sub(rb"\1", comm)[:COMM_LIMIT]
            process = psutil.Process(pid)
            with process.oneshot():
                uid, gid = process.uids().real, process.gids().real
                ppid = process.ppid()
                path = b"" if flags & KERNEL_THREAD else _executable(process)
            group, vpid = _numbers(self._read(pid, "status"))
            if group != pid:
                return None
            raw = b"" if flags & KERNEL_THREAD else self._read(pid, "cmdline", _ARGS_READ)
            cgroup = cgroup_of(self._read(pid, "cgroup"))
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        args, count, cut = split(raw)
        return Entry(
            pid, ppid, ticks, comm, path, args, count, cut, uid, gid, vpid or pid, flags, cgroup
        )

    def _psutil(self) -> Any:  # a module has no type of its own
        import psutil

        psutil.PROCFS_PATH = self._proc
        return psutil

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


def split(raw: bytes) -> tuple[tuple[bytes, ...], int, bool]:
    """What is in /proc/PID/cmdline -> (arguments, how many there are, whether some are cut off).

    Exactly at each NUL, with one exception: a process that wrote a title over its arguments
    leaves the rest of them as NULs, which are no arguments.
    """
    if not raw:
        return (), 0, False
    body = raw[:-1] if raw.endswith(b"\0") else raw
    title = body.rstrip(b"\0")
    if len(body) - len(title) > 1 and b"\0" not in title and re.search(rb"[ :]", title):
        body = title
    count = body.count(b"\0") + 1
    if len(body) <= ARGS_LIMIT:
        return tuple(body.split(b"\0")), count, False
    return tuple(body[:ARGS_LIMIT].split(b"\0")), count, True


def cgroup_of(raw: bytes) -> str | None:
    """The path in /proc/PID/cgroup that says most: a v1 controller's unless it is the root's,
    else that of v2. A path above our own cgroup namespace loses the dots that say so.
    """
    unified: str | None = None
    by_controller: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        path = _OUTSIDE.sub("", path) or "/"
        if number == "0" and not controllers:
            unified = path
        else:
            by_controller |= dict.fromkeys(controllers.split(","), path)
    for controller in _V1_CONTROLLERS:
        if controller in by_controller:
            path = by_controller[controller]
            return unified if path == "/" and unified is not None else path
    return unified


def _numbers(status: bytes) -> tuple[int, int]:
    """(process's number, its number in its own PID namespace or 0) from /proc/PID/status.

    Its lines are trusted only from their start: the name in the first one is escaped by the
    kernel, so no line can be forged by it.
    """
    group = re.search(rb"^Tgid:\s+([0-9]+)", status, re.MULTILINE)
    own = re.search(rb"^NSpid:(?:\s+([0-9]+))+[ \t]*$", status, re.MULTILINE)
    return int(group[1]) if group else 0, int(own[1]) if own else 0


def _executable(process: psutil.Process) -> bytes:
    """Where /proc/PID/exe leads; empty when that may not be known, or for a zombie."""
    import psutil

    try:
        return os.fsencode(process.exe())
    except (psutil.Error, OSError):
        return b""
