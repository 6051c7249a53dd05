"""Bytes -> events of processes' lives: fork, exec, exit, the OOM killer's choice, new cgroups.

Each reader takes the event's sequence, the record's bytes, and what makes a name of a comm; None
when the bytes are no record of that kind.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping

from otel_killsnoop.model import Cgroup, Event, Exec, Exit, Fork, Oom, OomSizes
from otel_killsnoop.tracer import contract
from otel_killsnoop.tracer.contract import CGROUP, EXEC, EXIT, FORK, LEVELS, OOM

Name = Callable[[bytes], bytes]

_FORK = contract.whole("killsnoop_fork")
_EXEC = contract.whole("killsnoop_exec")
_EXIT = contract.whole("killsnoop_exit")
_OOM = contract.whole("killsnoop_oom")
_CGROUP = contract.whole("killsnoop_cgroup")
_NO_LOGIN = 0xFFFFFFFF
_PAGE = mmap.PAGESIZE


def _login(number: int) -> int | None:
    return None if number == _NO_LOGIN else number


def _ends_at(end: int, payload: bytes) -> bool:
    """Whether a record of this length is all there; the ring may round it up."""
    return end <= len(payload) <= (end + 7 & ~7)


def _fork(sequence: int, payload: bytes, name: Name) -> Fork | None:
    if len(payload) != _FORK.size:
        return None
    members = _FORK.unpack(payload)
    time, *child, comm = members[1:11]
    parent, (login, session, deepest), levels = members[11:16], members[16:19], members[19:]
    carried = min(deepest, LEVELS)
    pairs = tuple((levels[2 * at], levels[2 * at + 1]) for at in range(carried))
    logins = (_login(login), _login(session) if _login(login) is not None else None)
    return Fork._make((sequence, time, *child, name(comm), *parent, *logins, pairs))


def _exec(sequence: int, payload: bytes, name: Name) -> Exec | None:
    """The arguments and the path follow the fixed part."""
    if len(payload) < _EXEC.size:
        return None
    # fmt: off
    (
        _, argc, time, *party, comm, args_total, args_size, path_size, _, login, session,
        parent_start, parent_pid,
    ) = _EXEC.unpack_from(payload)
    # fmt: on
    args_end = _EXEC.size + args_size
    if not _ends_at(args_end + path_size, payload):
        return None
    raw = payload[_EXEC.size : args_end]
    args = tuple(raw.removesuffix(b"\0").split(b"\0")) if raw else ()
    path = payload[args_end : args_end + path_size].split(b"\0", 1)[0]
    cut = args_size < args_total
    logins = (_login(login), _login(session) if _login(login) is not None else None)
    parent = (parent_start, parent_pid)
    return Exec._make((sequence, time, *party, name(comm), argc, cut, path, args, *logins, *parent))


def _exit(sequence: int, payload: bytes, name: Name) -> Exit | None:
    if len(payload) != _EXIT.size:
        return None
    _, status, time, start, pid, tid, parent_start, parent_pid = _EXIT.unpack(payload)
    return Exit(sequence, time, start, pid, tid, status, parent_start, parent_pid)


def _oom(sequence: int, payload: bytes, name: Name) -> Oom | None:
    """Counters that are summed without a lock may be a little below 0: none is then."""
    if len(payload) != _OOM.size:
        return None
    _, time, start, pid, tid, total, *resident, tables, score = _OOM.unpack(payload)
    sizes: OomSizes | None = None
    if total:
        pages = [0 if one >> 63 else one for one in (total, *resident)]
        sizes = OomSizes._make((*(one * _PAGE for one in pages), tables, score))
    return Oom(sequence, time, pid, start, tid, sizes)


def _cgroup(sequence: int, payload: bytes, name: Name) -> Cgroup | None:
    if len(payload) < _CGROUP.size:
        return None
    _, path_size, time, identity, hierarchy = _CGROUP.unpack_from(payload)
    if not _ends_at(_CGROUP.size + path_size, payload):
        return None
    path = payload[_CGROUP.size : _CGROUP.size + path_size].split(b"\0", 1)[0]
    return Cgroup(sequence, time, identity, hierarchy, path)


READERS: Mapping[int, Callable[[int, bytes, Name], Event | None]] = {
    FORK: _fork,
    EXEC: _exec,
    EXIT: _exit,
    OOM: _oom,
    CGROUP: _cgroup,
}
"""By kind."""
