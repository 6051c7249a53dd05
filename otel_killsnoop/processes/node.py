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
NEVER_RAN = 0x40  # PF_FORKNOEXEC: shows the program of whom it was forked by
EXITING = 0x00000004  # PF_EXITING

# Inode of the initial PID namespace on every Linux: there a number is the host's.
INITIAL_NAMESPACE = 0xEFFFFFFC

# (inode, number) in each nested PID namespace, outermost first.
Levels = tuple[tuple[int, int], ...]

ALIVE = -1  # Node.died of a living process

# Measured with tracemalloc: a node with its dict entry, and what is built when a signal names it.
NODE_BYTES = 704
LEVEL_BYTES = 200  # its number in one nested PID namespace, with the way back from it
IMAGE_BYTES = 160
ARGUMENT_BYTES = 48


class Entry(NamedTuple):
    """One process as /proc tells it.

    ticks: start, in units of TICK since boot.  comm: the kernel's name, raw.  args: exactly
    split, at most 16 KiB; args_count: how many there truly are.  cgroup: path of the hierarchy
    that names containers, None if it cannot be told.  flags: the kernel's PF_* bits.
    login_uid, audit_session: as in `model.Fork`, and so are levels; levels are empty where one of
    the namespaces cannot be told.
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
    login_uid: int | None = None
    audit_session: int | None = None
    levels: Levels = ()


class Wound(NamedTuple):
    """A signal that may turn out to have killed: see ``deaths``. time: boot ns."""

    sequence: int
    time: int
    blocked: bool


class Image:
    """A program as it was started: path and arguments, shared until the next exec.

    ``args`` are raw until ``shown`` is made of them (once, when a signal first names a process
    of this image); then they are let go.  holders: how many nodes share it.  mark: the hash of
    the raw ones, to tell a title from them.
    """

    __slots__ = ("args", "args_count", "args_cut", "holders", "mark", "path", "shown", "size")

    def __init__(
        self, path: bytes, args: tuple[bytes, ...], args_count: int, args_cut: bool
    ) -> None:
        self.path = path
        self.args = args
        self.args_count = args_count
        self.args_cut = args_cut
        self.shown: tuple[bytes, ...] | None = None
        self.mark = 0
        self.holders = 0
        self.size = IMAGE_BYTES + len(path) + ARGUMENT_BYTES * len(args) + sum(map(len, args))


class Node:
    """One process, by identity (pid, start).

    start is exact to the nanosecond when ``exact``, else the tick that /proc named.
    parent: the node of the process that forked it, kept after that one's death.
    parent_pid: the kernel's parent.  orphan: see ``parents``.  died: boot ns, or ALIVE.  buried:
    dead, and past the grace in which late records may still name it.  gone: no longer in the table
    (evicted).  children: how many nodes in the table have this one as parent.  generation: links to
    the start of its lineage, as counted when it was made.
    process, side, stamp, reach, whole: the built views; see ``sides``.
    levels: as in `model.Fork`.  ended: its death by a signal has been told.
    wounds: see ``deaths``.  title, title_due: see ``titles``.
    """

    __slots__ = (
        "audit_session",
        "buried",
        "cgroup",
        "children",
        "comm",
        "died",
        "ended",
        "exact",
        "flags",
        "generation",
        "gid",
        "gone",
        "image",
        "known_from",
        "levels",
        "login_uid",
        "orphan",
        "parent",
        "parent_pid",
        "pid",
        "place",
        "process",
        "reach",
        "side",
        "stamp",
        "start",
        "title",
        "title_due",
        "uid",
        "vpid",
        "whole",
        "wounds",
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
        self.login_uid: int | None = None
        self.audit_session: int | None = None
        self.levels: Levels = ()
        self.died = ALIVE
        self.ended = False
        self.orphan = False
        self.wounds: dict[int, Wound] | None = None
        self.title: bytes | None = None
        self.title_due = 0
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
