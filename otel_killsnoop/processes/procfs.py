"""The texts of /proc, each read apart: bytes in, values out.

Lines of /proc/PID/status are trusted only from their start: the name in the first one is escaped
by the kernel, so no line can be forged by it.
"""

from __future__ import annotations

import re

from otel_killsnoop.processes.node import KERNEL_THREAD

ARGS_LIMIT = 16384  # bytes of argv kept, as in the kernel's exec records

_COMM_LIMIT = 15  # the kernel's own names; of its threads /proc tells more
_WORKER = re.compile(rb"^(kworker/u?[0-9]+:[0-9]+[A-Z]?)[-+].*$", re.DOTALL)  # and what it does

_V1_CONTROLLERS = ("memory", "pids", "cpu")
_OUTSIDE = re.compile(r"^(?:/\.\.)+(?=/|$)")

_GROUP = re.compile(rb"^Tgid:\s+([0-9]+)", re.MULTILINE)
_NUMBERS = re.compile(rb"^NSpid:((?:[ \t]+[0-9]+)+)[ \t]*$", re.MULTILINE)

_NONE = 0xFFFFFFFF  # how the audit system says that there was no login


class Stat:
    """/proc/PID/stat. ``ValueError`` or ``IndexError`` for what is none.

    comm: the kernel's name, raw.  parent: the kernel's parent.  flags: PF_* bits.
    ticks: the start, as in `Entry`.
    """

    __slots__ = ("comm", "flags", "parent", "ticks")

    def __init__(self, raw: bytes) -> None:
        end = raw.rindex(b")")
        comm = raw[raw.index(b"(") + 1 : end]
        fields = raw[end + 2 :].split()
        self.parent = int(fields[1])
        self.flags = int(fields[6])
        self.ticks = int(fields[19])
        self.comm = _WORKER.sub(rb"\1", comm)[:_COMM_LIMIT] if self.flags & KERNEL_THREAD else comm


def status(raw: bytes) -> tuple[int, tuple[int, ...]]:
    """(process's number or 0, the number in each PID namespace from /proc's own inwards)."""
    group, numbers = _GROUP.search(raw), _NUMBERS.search(raw)
    return (
        int(group[1]) if group else 0,
        tuple(map(int, numbers[1].split())) if numbers else (),
    )


def number(raw: bytes) -> int | None:
    """/proc/PID/loginuid, /proc/PID/sessionid: None when there was no login."""
    text = raw.strip()
    return int(text) if text.isdigit() and int(text) != _NONE else None


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
