"""What a signal means, and what few signals have beside that."""

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
