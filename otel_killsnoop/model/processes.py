"""Who is who: processes, their ancestries, and what was joined with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from otel_killsnoop.model.events import Signal


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """One process from one change (fork, exec, new name or user) to the next.

    Never changed once made: a change makes a new object, so caches may hold it by identity.
    start: boot ns.  vpid: number in its own PID namespace (equal to pid on the host; 0 unknown).
    parent_pid: the kernel's parent when last known, 0 if none.  comm: the kernel's name of the
    process.  path: what exec was given, or /proc/PID/exe; empty if unknown.  args: after
    redaction; empty for kernel threads and where unknown.  args_count: the true count.
    args_cut: not all of the arguments are in ``args``.  cgroup: path as in /proc/PID/cgroup, None
    if unknown.  known_from: ``exec``, ``fork``, ``procfs`` or ``partial``.  login_uid,
    login_user, audit_session: who logged in, by the audit system; None without a login.
    title: what the process shows as its arguments now, joined by spaces and redacted as they are;
    None where that is the same as ``args``, or unknown.  ended: it is a zombie or gone.
    pod_qos: the pod's class as Kubernetes spells it, None if unknown.
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
    login_uid: int | None = None
    login_user: str | None = None
    audit_session: int | None = None
    title: bytes | None = None
    ended: bool = False
    pod_qos: str | None = None


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
    """A signal with both its sides.

    source is None when no process sent it.  target is None only for an attempt (facts.result
    ``refused`` or ``tested``) that meant no process, or none that exists; the signal's target
    fields are then 0 and empty.
    """

    signal: Signal
    source: Side | None
    target: Side | None


class Death(NamedTuple):
    """A process that ended by a signal. status: as wait(2) has it; its low 7 bits are not 0.

    sequence, time: of its exit event.  run_time: ns from start to end.  killer: the sequence of
    the signal's record that it died of, None when that was not recorded.
    """

    sequence: int
    time: int
    status: int
    run_time: int
    target: Side
    killer: int | None
