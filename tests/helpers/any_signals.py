"""Hypothesis strategies: signals with any bytes wherever bytes or text come from outside."""

from __future__ import annotations

from hypothesis import strategies as st
from made_signals import death, joined, lineage, process

from otel_killsnoop.model import Death, Details, Facts, Joined, OomSizes, Process, Side

_NASTY = ("\x1b[31m", "\x9b1m", "\u202e", "\u2066", "\x07", "\n", "\r", "\u2028", "日本", "\udcff")
_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(_NASTY)
_NASTY_BYTES = tuple(one.encode("utf-8", "surrogateescape") for one in _NASTY)
_BYTES = (
    st.binary(max_size=15)
    | st.sampled_from(_NASTY_BYTES)
    | st.lists(st.sampled_from(_NASTY_BYTES), max_size=6).map(b"".join)
)
_ARGUMENT = _BYTES | st.builds(bytes.__mul__, _BYTES, st.integers(1, 300))


def processes() -> st.SearchStrategy[Process]:
    """A process of which every text may be anything."""
    return st.builds(
        process,
        pid=st.integers(1, 2**22),
        vpid=st.integers(0, 2**22),
        parent_pid=st.integers(0, 2**22),
        comm=_BYTES,
        path=_BYTES,
        args=st.lists(_ARGUMENT, max_size=5).map(tuple),
        args_count=st.integers(0, 10),
        args_cut=st.booleans(),
        user=st.none() | _TEXT,
        container_id=st.none() | _TEXT,
        pod_uid=st.none() | _TEXT,
        pod_qos=st.none() | _TEXT,
        systemd_unit=st.none() | _TEXT,
        login_uid=st.none() | st.integers(0, 2**32 - 1),
        login_user=st.none() | _TEXT,
        audit_session=st.none() | st.integers(0, 2**32 - 1),
        title=st.none() | _ARGUMENT,
        ended=st.booleans(),
    )


def sides() -> st.SearchStrategy[Side]:
    """A side with up to six ancestors."""
    return st.builds(
        lambda members, complete: lineage(*members, complete=complete),
        st.lists(processes(), min_size=1, max_size=7),
        st.booleans(),
    )


def details() -> st.SearchStrategy[Details]:
    """Details with any of their parts."""
    sizes = st.integers(0, 2**63 - 1)
    return st.builds(
        Details,
        tty=_BYTES,
        session_pid=st.integers(0, 2**22),
        namespace=st.integers(0, 2**32 - 1),
        cgroup=st.integers(0, 3) | st.integers(0, 2**63 - 1),
        argument=st.none() | st.integers(-(2**31), 2**31 - 1),
        group_id=st.integers(0, 2**63 - 1),
        group_size=st.integers(0, 2**22),
        repeats=st.integers(0, 2**40),
        last=st.integers(0, 2**62),
        oom=st.none()
        | st.builds(OomSizes, sizes, sizes, sizes, sizes, sizes, st.integers(-1000, 1000)),
    )


def deaths() -> st.SearchStrategy[Death]:
    """The end of any process by any signal."""
    return st.builds(
        death,
        sides(),
        st.integers(1, 64) | st.integers(129, 192),
        st.none() | st.integers(0, 2**63 - 1),
        run_time=st.integers(0, 2**62),
    )


def any_signals() -> st.SearchStrategy[Joined]:
    """Any signal between any two sides, or with no source; and attempts, with a target or none."""
    facts = st.builds(
        Facts,
        number=st.integers(0, 64),
        name=st.sampled_from(["SIGKILL", "SIGRTMIN+30", "SIG0"]),
        code=st.sampled_from(["SI_USER", "SEGV_MAPERR", "-70"]),
        cause=st.sampled_from(["user", "oom", "fault", "cgroup.kill"]),
        call=st.none() | st.sampled_from(["kill", "pidfd_send_signal"]),
        scope=st.sampled_from(["process", "thread", "group"]),
        result=st.sampled_from(["delivered", "already_pending"]),
        has_source=st.booleans(),
        disposition=st.none() | st.sampled_from(["default", "ignored", "handled", "blocked"]),
        forged=st.booleans(),
        address=st.none() | st.sampled_from(["null_page", "other"]),
        session=st.none() | st.sampled_from(["leader_exit", "orphaned_group"]),
    )
    attempts = st.builds(
        Facts,
        number=st.integers(0, 64),
        name=st.sampled_from(["SIGKILL", "SIGRTMIN+30", "SIG0"]),
        code=st.just("SI_USER"),
        cause=st.just("user"),
        call=st.sampled_from(["kill", "tgkill", "pidfd_send_signal"]),
        scope=st.sampled_from(["process", "thread", "group"]),
        result=st.sampled_from(["refused", "tested"]),
        has_source=st.just(True),
        error=st.none() | st.sampled_from(["EPERM", "ESRCH"]),
    )
    some = st.none() | details()
    return st.builds(joined, st.none() | sides(), sides(), facts, some) | st.builds(
        joined, sides(), st.none() | sides(), attempts, some
    )
