"""What the table holds: one node a process, one image a program run, and /proc's view of both.

A node is mutable and lives as long as the table keeps it; an image is shared by the processes
that were forked without running a new program. Nothing here reads anything but its arguments.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from otel_killsnoop import model
from otel_killsnoop.processes.places import Place

# /proc/PID/stat field 22 counts in ticks of this many nanoseconds.
TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

KERNEL_THREAD = 0x00200000  # PF_KTHREAD

ALIVE = -1  # Node.died of a living process

# Measured with tracemalloc: a node with its dict entry, and what is built when a signal names it.
NODE_BYTES = 640
IMAGE_BYTES = 160
ARGUMENT_BYTES = 48


class Entry(NamedTuple):
    """One process as /proc tells it.

    ticks: start, in units of TICK since boot.  comm: the kernel's name, raw.  args: exactly
    split, at most 16 KiB; args_count: how many there truly are.  cgroup: path of the hierarchy
    that names containers, None if it cannot be told.  flags: the kernel's PF_* bits.
    """

    pid: int
    ppid: int
    ticks: int
    comm: bytes
    path: bytes
    args: tuple[bytes, ...]
    args_count: int
    args_cut: bool
    uid: int
    gid: int
    vpid: int
    flags: int
    cgroup: str | None


class Image:
    """A program as it was started: path and arguments, shared until the next exec.

    ``args`` are raw until ``shown`` is made of them (once, when a signal first names a process
    of this image); then they are let go.  holders: how many nodes share it.
    """

    __slots__ = ("args", "args_count", "args_cut", "holders", "path", "shown", "size")

    def __init__(
        self, path: bytes, args: tuple[bytes, ...], args_count: int, args_cut: bool
    ) -> None:
        self.path = path
        self.args = args
        self.args_count = args_count
        self.args_cut = args_cut
        self.shown: tuple[bytes, ...] | None = None
        self.holders = 0
        self.size = IMAGE_BYTES + len(path) + ARGUMENT_BYTES * len(args) + sum(map(len, args))


class Node:
    """One process, by identity (pid, start).

    start is exact to the nanosecond when ``exact``, else the tick that /proc named.
    parent: the node of the process that forked it, kept after that one's death.
    parent_pid: the kernel's parent.  died: boot ns, or ALIVE.  buried: dead, and past the
    grace in which late records may still name it.  gone: no longer in the table (evicted).
    children: how many nodes in the table have this one as parent.  generation: links to the
    start of its lineage, as counted when it was made.
    process, side, stamp, reach, whole: the built views; see ``sides``.
    """

    __slots__ = (
        "buried",
        "cgroup",
        "children",
        "comm",
        "died",
        "exact",
        "flags",
        "generation",
        "gid",
        "gone",
        "image",
        "known_from",
        "parent",
        "parent_pid",
        "pid",
        "place",
        "process",
        "reach",
        "side",
        "stamp",
        "start",
        "uid",
        "vpid",
        "whole",
    )

    def __init__(
        self,
        pid: int,
        start: int,
        exact: bool,
        parent_pid: int,
        image: Image,
        comm: bytes,
        known_from: str,
    ) -> None:
        self.pid = pid
        self.start = start
        self.exact = exact
        self.parent_pid = parent_pid
        self.image = image
        self.comm = comm
        self.known_from = known_from
        self.parent: Node | None = None
        self.generation = 0
        self.children = 0
        self.uid = 0
        self.gid = 0
        self.vpid = 0
        self.flags = 0
        self.cgroup = 0
        self.place: Place | None = None
        self.died = ALIVE
        self.buried = False
        self.gone = False
        self.process: model.Process | None = None
        self.side: model.Side | None = None
        self.stamp = -1
        self.reach = 0
        self.whole = False

    def is_start(self, start: int) -> bool:
        """Whether this node may be the process of that pid that started then (boot ns)."""
        if self.start == start:
            return True
        return not self.exact and self.start // TICK == start // TICK
