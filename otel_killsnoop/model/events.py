"""What the kernel said: one value an event, as the tracer decodes it."""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.model.facts import Details, Facts, OomSizes


class Signal(NamedTuple):
    """One Unix signal, as the kernel program wrote it, in the order of ``struct killsnoop_signal``.

    sequence: unique among all events of this boot.  time: boot ns.  A party is named by its
    identity (tgid, start in boot ns); tid, uid, gid (effective), cgroup (kernfs id;
    bit 63 set when it is of a v1 hierarchy) and vpid (number in its own PID namespace) are the
    thread's at that moment, comm (bytes up to the first NUL) is the process's; flags are the
    kernel's PF_* bits.
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
    details: Details | None = None


class Folded(NamedTuple):
    """Repeats of a signal that were counted in the kernel, each beyond a burst of recorded ones.

    repeats: how many, at least 1.  time, last: boot ns of the first and of the last.  The sequence
    is unique, but says nothing of the order.
    """

    sequence: int
    facts: Facts
    time: int
    last: int
    repeats: int
    source_start: int
    source_pid: int
    target_start: int
    target_pid: int


class Attempt(NamedTuple):
    """A call that would have sent a signal and was refused, or that sent signal 0.

    facts.result is ``refused`` or ``tested``.  source_*: the caller, as in `Signal`.  namespace:
    inode of the caller's PID namespace.  target: the process that was meant, by its number in
    that namespace, or a thread's where target_is_thread; None where the call names none (a group,
    every process) or it cannot be told.  argument: the call's first argument.
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
    namespace: int
    target: int | None
    target_is_thread: bool
    argument: int


class Oom(NamedTuple):
    """The OOM killer chose this process. start: 0 where the kernel does not tell it.

    tid: of the thread that asked for memory, which is a bystander.
    """

    sequence: int
    time: int
    pid: int
    start: int
    tid: int
    sizes: OomSizes | None


class Cgroup(NamedTuple):
    """A new cgroup. identity: its kernfs id.  hierarchy: its number in /proc/PID/cgroup, 0 for v2.

    path: from the hierarchy's root.
    """

    sequence: int
    time: int
    identity: int
    hierarchy: int
    path: bytes


class Fork(NamedTuple):
    """A new process (never a thread).

    parent_*: the process that called fork or clone (parent_tid its forking thread).
    real_parent_*: whom the kernel made its parent (differs for CLONE_PARENT).
    login_uid, audit_session: of the audit system's login, None when there was none.
    levels: (namespace inode, number) in each PID namespace below the initial one, outermost first.
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
    login_uid: int | None = None
    audit_session: int | None = None
    levels: tuple[tuple[int, int], ...] = ()


class Exec(NamedTuple):
    """A process runs a new program.

    args: the argument strings that were carried (the last may be cut).  argc: how many there
    truly are.  args_cut: True when fewer bytes were carried than there are.  filename: the path
    that exec was given (a script's own, not its interpreter's).  parent_*: the kernel's parent.
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
    login_uid: int | None = None
    audit_session: int | None = None
    parent_start: int = 0
    parent_pid: int = 0


class Exit(NamedTuple):
    """A process is gone with its last thread. status: as wait(2) has it (low 7 bits the signal).

    parent_*: the kernel's parent of it.
    """

    sequence: int
    time: int
    start: int
    pid: int
    tid: int
    status: int
    parent_start: int = 0
    parent_pid: int = 0


Event = Signal | Fork | Exec | Exit | Oom | Attempt | Cgroup | Folded
