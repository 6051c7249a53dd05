"""The words every room speaks: events, processes, sides, batches, counts.

Values only. Nothing here reads a clock, a file or the kernel. Text that comes from outside
(command names, arguments, paths) is bytes until something is encoded or printed: any byte may
be in it. Times are nanoseconds; "boot" means CLOCK_BOOTTIME, "unix" means since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# --- what the kernel said -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What one kind of signal record means; one object a kind, so it may be a cache key.

    number: 1 to 64.  name: ``SIGKILL``.  code: ``SI_USER``, ``SEGV_MAPERR``, or the bare number
    as text when the kernel's headers name none.  cause: see docs/fields.md.  call: name of the
    system call in progress that sent it, None when there was none or it cannot be told.
    scope: ``process``, ``thread`` or ``group``.  result: ``delivered``, ``ignored``,
    ``already_pending``, ``overflow_fail`` or ``lose_info``.  has_source: False when no process
    sent it, whoever was current (then the event's source fields name a bystander, or the target).
    """

    number: int
    name: str
    code: str
    cause: str
    call: str | None
    scope: str
    result: str
    has_source: bool


class Signal(NamedTuple):
    """One Unix signal, as the kernel program wrote it, in the order of ``struct killsnoop_signal``.

    sequence: unique among all events of this boot.  time: boot ns.  A party is named by its
    identity (tgid, start in boot ns); tid, uid, gid, comm (bytes up to the first NUL), cgroup
    (kernfs id; bit 63 set when it is of a v1 hierarchy) and vpid (number in its own PID
    namespace) are the thread's at that moment; flags are the kernel's PF_* bits.
    """

    sequence: int
    facts: Facts
    time: int
    source_start: int
    source_pid: int
    source_tid: int
    source_uid: int
    source_gid: int
    source_vpid: int
    source_flags: int
    source_cgroup: int
    source_comm: bytes
    target_start: int
    target_pid: int
    target_tid: int
    target_uid: int
    target_gid: int
    target_vpid: int
    target_flags: int
    target_cgroup: int
    target_comm: bytes


class Fork(NamedTuple):
    """A new process (never a thread).

    parent_*: the process that called fork or clone (parent_tid its forking thread).
    real_parent_*: whom the kernel made its parent (differs for CLONE_PARENT).
    """

    sequence: int
    time: int
    start: int
    pid: int
    tid: int
    uid: int
    gid: int
    vpid: int
    flags: int
    cgroup: int
    comm: bytes
    parent_start: int
    parent_pid: int
    parent_tid: int
    real_parent_start: int
    real_parent_pid: int


class Exec(NamedTuple):
    """A process runs a new program.

    args: the argument strings that were carried (the last may be cut).  argc: how many there
    truly are.  args_cut: True when fewer bytes were carried than there are.  filename: the path
    that exec was given (a script's own, not its interpreter's).
    """

    sequence: int
    time: int
    start: int
    pid: int
    tid: int
    uid: int
    gid: int
    vpid: int
    flags: int
    cgroup: int
    comm: bytes
    argc: int
    args_cut: bool
    filename: bytes
    args: tuple[bytes, ...]


class Exit(NamedTuple):
    """A process is gone with its last thread. status: as wait(2) has it (low 7 bits the signal)."""

    sequence: int
    time: int
    start: int
    pid: int
    tid: int
    status: int


Event = Signal | Fork | Exec | Exit

# --- who is who ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """One process from one change (fork, exec, new name or user) to the next.

    Never changed once made: a change makes a new object, so caches may hold it by identity.
    start: boot ns.  vpid: number in its own PID namespace (equal to pid on the host; 0 unknown).
    parent_pid: the kernel's parent when last known, 0 if none.  comm: the kernel's name of the
    process.  path: what exec was given, or /proc/PID/exe; empty if unknown.  args: after
    redaction; empty for kernel threads and where unknown.  args_count: the true count.
    args_cut: not all of the arguments are in ``args``.  cgroup: path as in /proc/PID/cgroup, None
    if unknown.  known_from: ``exec``, ``fork``, ``procfs`` or ``partial``.
    """

    pid: int
    start: int
    vpid: int
    parent_pid: int
    comm: bytes
    path: bytes
    args: tuple[bytes, ...]
    args_count: int
    args_cut: bool
    uid: int
    user: str | None
    gid: int
    cgroup: str | None
    container_id: str | None
    pod_uid: str | None
    systemd_unit: str | None
    known_from: str


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A process and its ancestry at one moment: a linked list, nearest first.

    Children of one parent share the parent's Side object, so what is encoded of an ancestry can
    be cached by it.  parent is None at the root, or where the ancestry is unknown (complete says
    which: True when the list ends at a process that has no parent).
    """

    process: Process
    parent: Side | None
    complete: bool


class Joined(NamedTuple):
    """A signal with both its sides; source is None when no process sent it."""

    signal: Signal
    source: Side | None
    target: Side


# --- what is shipped, and what is counted ----------------------------------------------------


class Request(NamedTuple):
    """One OTLP export request, serialised and not compressed, and how many records are in it."""

    body: bytes
    records: int


NUMBERS = 65  # signal numbers 0 to 64: the length of every by-number tuple below


@dataclass(frozen=True, slots=True)
class KernelCounts:
    """What the kernel program counted since it was loaded; the first five by signal number.

    For every number n: generated[n] = filtered[n] + folded[n] + lost[n] + submitted[n].
    table_lost: fork, exec and exit records that found the ring full, by program name.
    recursion_misses: times the kernel skipped a program, by program name.
    """

    generated: tuple[int, ...] = (0,) * NUMBERS
    filtered: tuple[int, ...] = (0,) * NUMBERS
    folded: tuple[int, ...] = (0,) * NUMBERS
    lost: tuple[int, ...] = (0,) * NUMBERS
    submitted: tuple[int, ...] = (0,) * NUMBERS
    table_lost: Mapping[str, int] = field(default_factory=dict)
    recursion_misses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShippingCounts:
    """Log records, counted where they change hands, since the agent started.

    recovered + spooled = delivered + rejected + evicted + on_disk, at every moment.
    recovered: found in the spool at start.  unspooled: could not be written and are gone.
    """

    recovered: int = 0
    spooled: int = 0
    delivered: int = 0
    rejected: int = 0
    evicted: int = 0
    on_disk: int = 0
    unspooled: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)  # by outcome: delivered, retried, ...


@dataclass(frozen=True, slots=True)
class TableCounts:
    """The process table's size and what it had to forget or could not know."""

    entries: int = 0
    bytes: int = 0
    evicted: int = 0
    partial: int = 0
    masked: int = 0


def text(raw: bytes) -> str:
    """Valid text for any bytes: UTF-8, each bad byte becoming U+FFFD."""
    return raw.decode("utf-8", "replace")
