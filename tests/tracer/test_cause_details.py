"""What is told beside the cause: a forgery, how the target handles it, where a fault was."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.model import Facts
from otel_killsnoop.tracer.causes import facts
from otel_killsnoop.tracer.raised import CALL, GIVEN, INTERRUPT, NONE, PF_EXITING, PRIV, Raised

QUEUE = Raised(
    number=34,
    code=-1,
    info=GIVEN,
    group=1,
    result=0,
    bits=CALL,
    call=129,
    positive=True,
    flags=0,
    itself=False,
    idle=False,
    init=False,
)
KILL = {"call": 62, "code": 0}
TKILL = {"call": 200, "code": -6, "group": 0}
TGKILL = {"call": 234, "code": -6, "group": 0}
THREAD = {"call": 297, "group": 0}
PIDFD = {"call": 424}
UNSEEN = {"call": -1, "bits": 0}
ABORT = {**TGKILL, "number": 6, "itself": True}


def of(**changes: object) -> Facts:
    return facts(QUEUE._replace(**changes), "x86_64")


HONEST: list[tuple[str, dict[str, object]]] = [
    ("kill", KILL),
    ("tkill", TKILL),
    ("tgkill", TGKILL),
    ("sigqueue", {}),
    ("pthread_sigqueue", THREAD),
    ("glibc's aio", {"code": -4}),
    ("a siginfo of tkill's to oneself", {"code": -6, "itself": True}),
    ("pidfd without a siginfo", {**PIDFD, "code": 0}),
    ("pidfd of a thread", {**PIDFD, "code": -6, "group": 0}),
    ("pidfd with a siginfo", PIDFD),
    ("kill in a call that cannot be told", {**UNSEEN, "code": 0}),
    ("tgkill in a call that cannot be told", {**UNSEEN, "code": -6, "group": 0}),
    ("sigqueue in a call that cannot be told", UNSEEN),
    ("abort", ABORT),
]
FORGED: list[tuple[str, dict[str, object]]] = [
    ("as kill's to oneself", {"code": 0, "itself": True}),
    ("as the kernel's to oneself", {"code": 128, "itself": True}),
    ("as a child's end to oneself", {"number": 17, "code": 1, "itself": True}),
    ("as a timer's", {"code": -2}),
    ("as a message queue's", {"code": -3}),
    ("as SIGIO's", {"code": -5}),
    ("as nobody's", {"code": -77}),
    ("with an error", {"error": 1}),
    ("with an error below 0", {"error": -1}),
    ("with an error, to a thread", {**THREAD, "error": 1}),
    ("as a timer's, to a thread", {**THREAD, "code": -2}),
    ("as a timer's, by pidfd", {**PIDFD, "code": -2}),
    ("with an error, by pidfd", {**PIDFD, "error": 1}),
    ("as kill's with an error, by pidfd", {**PIDFD, "code": 0, "itself": True, "error": 1}),
    ("as nobody's in a call that cannot be told", {**UNSEEN, "code": -77}),
    ("with an error in a call that cannot be told", {**UNSEEN, "error": 1}),
    ("as an abort's, with an error", {**ABORT, **THREAD, "error": 1}),
]
# Not by a process, so no forgery: whatever the numbers are.
KERNELS: list[tuple[str, dict[str, object]]] = [
    ("timer", {"code": -2, "call": -1}),
    ("timer over sigqueue", {"code": -2, "bits": CALL | INTERRUPT}),
    ("timer over kill, unseen", {"code": -2, "call": 62}),
    ("bad address", {"number": 11, "code": 1, "group": 0, "call": -1, "itself": True}),
    ("seccomp, its data in the error", {"number": 31, "code": 1, "group": 0, "error": 5}),
    ("mq_notify", {"code": -3, "call": 242}),
    ("child", {"number": 17, "code": 1, "flags": PF_EXITING, "call": 231}),
    ("for current", {"number": 13, "info": NONE, "group": 0, "call": 1, "itself": True}),
    ("the kernel's own", {"number": 9, "info": PRIV, "call": -1}),
]


@pytest.mark.parametrize("changes", [row[1] for row in HONEST], ids=[row[0] for row in HONEST])
def test_an_honest_sender(changes) -> None:
    made = of(**changes)
    assert (made.has_source, made.forged) == (True, False)


@pytest.mark.parametrize("changes", [row[1] for row in FORGED], ids=[row[0] for row in FORGED])
def test_a_forged_siginfo_is_told_and_its_sender_with_it(changes) -> None:
    made = of(**changes)
    assert (made.has_source, made.forged) == (True, True)
    assert made.cause == ("fault" if made.number == 6 else "user")


@pytest.mark.parametrize("changes", [row[1] for row in KERNELS], ids=[row[0] for row in KERNELS])
def test_what_the_kernel_wrote_is_not_forged(changes) -> None:
    made = of(**changes)
    assert made.cause != "user"
    assert not made.forged


def test_kill_takes_no_siginfo_so_an_error_there_is_no_lie_of_its_sender() -> None:
    for changes in (KILL, TKILL, TGKILL):
        assert not of(**changes, error=7).forged


@given(
    st.integers(-(1 << 31), -1).filter(lambda code: code != -6),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(0, 4),
)
def test_a_forgery_changes_nothing_but_the_code_and_the_note(code, error, result) -> None:
    lie = of(code=code, error=error, result=result)
    truth = of(result=result)
    assert lie.forged == (code not in (-1, -4) or error != 0)
    same = {"code": truth.code, "forged": False}
    told = dataclasses.asdict(lie) | same
    assert told == dataclasses.asdict(truth)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [(0, None), (1, "default"), (2, "ignored"), (3, "handled"), (4, "blocked"), (5, None)],
)
def test_how_the_target_handles_it(disposition, name) -> None:
    for changes in (KILL, {"info": PRIV, "number": 14, "call": -1}, {"info": NONE, "number": 9}):
        assert of(**changes, disposition=disposition).disposition == name


FAULT = {"number": 11, "code": 1, "group": 0, "call": -1, "itself": True}


@pytest.mark.parametrize(
    ("address", "name"), [(0, None), (1, "null_page"), (2, "other"), (3, None)]
)
def test_where_a_fault_was(address, name) -> None:
    made = of(**FAULT, address=address)
    assert (made.cause, made.address) == ("fault", name)
    assert of(**{**FAULT, "number": 7}, address=address).address == name


def test_a_sender_cannot_make_an_address_up() -> None:
    to_oneself = {"number": 11, "code": 1, "itself": True}
    for address in (1, 2):
        made = of(**to_oneself, address=address)
        assert (made.cause, made.forged, made.address) == ("user", True, None)


ENDING = {"info": PRIV, "code": 0, "flags": PF_EXITING, "call": 231}


@pytest.mark.parametrize("number", [1, 18])
def test_which_of_the_two_ends_of_a_session(number) -> None:
    for orphaned, reason in ((False, "leader_exit"), (True, "orphaned_group")):
        made = of(number=number, orphaned=orphaned, **ENDING)
        assert (made.cause, made.session, made.has_source) == ("session", reason, True)
        # Who ends in another session let go of the terminal's other end.
        made = of(number=number, orphaned=orphaned, foreign=True, **ENDING)
        assert (made.cause, made.session, made.has_source) == ("tty", None, True)
    assert of(number=9, orphaned=True, **ENDING).session is None
    assert of(**KILL, orphaned=True).session is None
