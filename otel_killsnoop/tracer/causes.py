"""What the kernel program recorded of a Unix signal -> why it was raised, and by whom if by anyone.

Pure: the rules are in ``verdict``, here is what their answers mean to those who read records.
"""

from __future__ import annotations

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Facts
from otel_killsnoop.tracer import codes
from otel_killsnoop.tracer.raised import NONE, PRIV, TO_GROUP, Raised
from otel_killsnoop.tracer.verdict import Verdict, verdict

_KILL, _CHLD = 9, 17

_RESULTS = ("delivered", "ignored", "already_pending", "overflow_fail", "lose_info")

_DISPOSITIONS = {1: "default", 2: "ignored", 3: "handled", 4: "blocked"}
_ADDRESSES = {1: "null_page", 2: "other"}
# What a queueing call's own siginfo may honestly claim: itself, as tkill has it, or as glibc's
# aio and timer threads do.
_HONEST = frozenset({codes.QUEUE, codes.TKILL, codes.ASYNCIO})


def facts(raised: Raised, machine: str) -> Facts:
    """What this record means; a new object each time. machine: as ``os.uname().machine`` has it.

    Total: whatever the numbers are, there is an answer.
    """
    rule = verdict(raised, raised.call_name(machine))
    sent = rule.certain and not raised.by_bystander
    result = raised.result
    return Facts(
        number=raised.number,
        name=unixsignals.name(raised.number),
        code=_code(raised, rule),
        cause=rule.cause,
        call=rule.call if sent else None,
        scope=_scope(raised, rule),
        result=_RESULTS[result] if 0 <= result < len(_RESULTS) else str(result),
        has_source=sent,
        disposition=_DISPOSITIONS.get(raised.disposition),
        forged=sent and rule.cause in ("user", "fault") and _is_forged(raised, rule.call),
        address=_ADDRESSES.get(raised.address) if rule.cause == "fault" else None,
        session=_session(raised) if rule.cause == "session" else None,
    )


def _is_forged(raised: Raised, call: str | None) -> bool:
    """Whether the sender's own siginfo claims to be something else than what was done."""
    if call in ("kill", "tkill", "tgkill"):
        return False  # the kernel wrote it
    as_kill = raised.code == codes.USER and call in (None, "pidfd_send_signal")
    return bool(raised.error) or not (as_kill or raised.code in _HONEST)


def _session(raised: Raised) -> str:
    return "orphaned_group" if raised.orphaned else "leader_exit"


def _code(raised: Raised, rule: Verdict) -> str:
    """By name. Without a siginfo the kernel makes one up for the target: these are its codes."""
    if rule.cause == "child":  # whatever signal it chose to tell of its end by
        return codes.name(_CHLD, raised.code)
    made_up = {NONE: codes.USER, PRIV: codes.KERNEL}.get(raised.info, raised.code)
    return codes.name(raised.number, made_up)


def _scope(raised: Raised, rule: Verdict) -> str:
    if rule.cause == "user":
        to_many = rule.call == "kill" and not raised.positive
        if to_many or (rule.call == "pidfd_send_signal" and raised.bits & TO_GROUP):
            return "group"
    if raised.group or (raised.number == _KILL and rule.cause != "user"):
        return "process"  # the kernel hands its kill to one thread, but means them all
    return "thread"
