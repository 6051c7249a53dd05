"""Bytes -> a refused call, or one with signal 0."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import lru_cache

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Attempt, Facts
from otel_killsnoop.tracer import calls, contract
from otel_killsnoop.tracer.contract import signed
from otel_killsnoop.tracer.raised import COMPAT, TO_GROUP

_ATTEMPT = contract.whole("killsnoop_attempt")
INITIAL_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO: its inode on every kernel
_TO_THREADS = frozenset({"tkill", "tgkill", "rt_tgsigqueueinfo"})
_NUMBER_THIRD = frozenset({"tgkill", "rt_tgsigqueueinfo"})
# What each call puts into a siginfo; of the two that are given one, what they are for.
_CODES = {
    "tkill": "SI_TKILL",
    "tgkill": "SI_TKILL",
    "rt_sigqueueinfo": "SI_QUEUE",
    "rt_tgsigqueueinfo": "SI_QUEUE",
}


def read(
    sequence: int, payload: bytes, name: Callable[[bytes], bytes], machine: str
) -> Attempt | None:
    """The attempt; None when the bytes are none. name: makes a name of a comm."""
    if len(payload) != _ATTEMPT.size:
        return None
    # fmt: off
    (
        _, namespace, time, *source, comm, call, error, first, second, third, bits, pidfd,
    ) = _ATTEMPT.unpack(payload)
    # fmt: on
    named = (calls.table(machine, bool(bits & COMPAT)) or {}).get(call)
    if named not in calls.SENDERS:
        return None
    number = signed(third if named in _NUMBER_THIRD else second)
    meant = signed(first)
    target: int | None = None
    if named in _NUMBER_THIRD:
        target = signed(second)  # the thread; the first argument is its process
    elif named == "pidfd_send_signal":
        target, namespace = pidfd, INITIAL_NAMESPACE
    else:
        target = meant
    if target is not None and target <= 0:
        target = None
    to_group = bool(bits & TO_GROUP) or (named == "kill" and meant <= 0)
    facts = _facts(number, named, error, to_group)
    whom = (namespace, target, named in _TO_THREADS, meant)
    return Attempt._make((sequence, facts, time, *source, name(comm), *whom))


@lru_cache(maxsize=1024)
def _facts(number: int, call: str, error: int, to_group: bool) -> Facts:
    """One object a kind, as of signals that were raised."""
    scope = "group" if to_group else "thread" if call in _TO_THREADS else "process"
    return Facts(
        number=number,
        name=unixsignals.name(number),
        code=_CODES.get(call, "SI_USER"),
        cause="user",
        call=call,
        scope=scope,
        result="refused" if error else "tested",
        has_source=True,
        error=errno.errorcode.get(error, str(error)) if error else None,
    )
