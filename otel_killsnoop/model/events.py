"""What the kernel said: one value an event, as the tracer decodes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What one kind of signal record means; one object a kind, so it may be a cache key.

    number: 1 to 64.  name: ``SIGKILL``.  code: ``SI_USER``, ``SEGV_MAPERR``, or the bare number
    as text when the kernel's headers name none.  cause: see docs/fields.md.  call: name of the
    system call in progress that sent it, None when there was none or it cannot be told.
    scope: ``process``, ``thread`` or ``group``.  result: ``delivered``, ``ignored``,
    ``already_pending``, ``overflow_fail``, ``lose_info``; of an attempt ``refused``, or
    ``tested`` for a signal 0 that was not refused.  has_source: False when no process
    sent it, whoever was current (then the event's source fields name a bystander, or the target).
    disposition: how the target handles it at that moment: ``default``, ``ignored``, ``handled``,
    ``blocked``; None if that cannot be told.  forged: the sender gave a siginfo that claims to be
    another's.  address: of a memory fault, ``null_page`` or ``other``.  session: of cause
    ``session``, ``leader_exit`` or ``orphaned_group``.  error: of a refused attempt, the errno's
    name (``EPERM``).
    """

    number: int
    name: str
    code: str
    cause: str
    call: str | None
    scope: str
    result: str
    has_source: bool
    disposition: str | None = None
    forged: bool = False
    address: str | None = None
    session: str | None = None
    error: str | None = None


class OomSizes(NamedTuple):
    """What the OOM killer's victim held; bytes, and the adjustment of its score."""

    total_vm: int
    anon_rss: int
    file_rss: int
    shmem_rss: int
    page_tables: int
    score_adj: int


class Details(NamedTuple):
    """What few signals have beside their facts and parties; each part may be missing.

    tty: of cause ``tty`` and ``job``, the terminal's name (``pts/3``).  session_pid: likewise, the
    leader of the session there.  namespace: of cause ``pidns``, inode of the namespace.  cgroup:
    of cause ``cgroup.kill``, kernfs id of what was killed.  argument: the call's first argument,
    of sends to a group and of refused attempts.  group_id: of a send to a group, the sequence of
    its first member's record; group_size: how many members got it.  oom: of cause ``oom``.
    repeats: of those that are told by one record, how many; last: boot ns of the last of them.
    """

    tty: bytes = b""
    session_pid: int = 0
    namespace: int = 0
    cgroup: int = 0
    argument: int | None = None
    group_id: int = 0
    group_size: int = 0
    oom: OomSizes | None = None
    repeats: int = 0
    last: int = 0


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
    login_uid: int | None = None
    audit_session: int | None = None


class Exit(NamedTuple):
    """A process is gone with its last thread. status: as wait(2) has it (low 7 bits the signal)."""

    sequence: int
    time: int
    start: int
    pid: int
    tid: int
    status: int


Event = Signal | Fork | Exec | Exit | Oom | Attempt | Cgroup | Folded
