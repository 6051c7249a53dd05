"""What a signal record means: each way that a kernel raises one, and what must never be said."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.model import Facts
from otel_killsnoop.tracer.causes import facts
from otel_killsnoop.tracer.raised import (
    CALL,
    COMPAT,
    ENDED,
    GIVEN,
    INTERRUPT,
    NONE,
    PF_EXITING,
    PF_KTHREAD,
    PRIV,
    TO_GROUP,
    Raised,
)

# A kill(2) of another process by a usual one.
KILL = Raised(
    number=15,
    code=0,
    info=GIVEN,
    group=1,
    result=0,
    bits=CALL,
    call=62,
    positive=True,
    flags=0,
    itself=False,
    idle=False,
    init=False,
)
EXIT_GROUP = 231
INTERRUPTED = CALL | INTERRUPT


def of(machine: str = "x86_64", **changes: object) -> Facts:
    return facts(KILL._replace(**changes), machine)


def priv(**changes: object) -> dict[str, object]:
    return {"info": PRIV, "code": 0, "call": -1, **changes}


def nobody(**changes: object) -> dict[str, object]:
    return {"info": NONE, "code": 0, **changes}


def exiting(**changes: object) -> dict[str, object]:
    return {"flags": PF_EXITING, "call": EXIT_GROUP, **changes}


# How a kernel raises it -> its cause, call, whether a source is named, scope and code.
OBSERVED: list[tuple[str, dict[str, object], str]] = [
    ("kill", {}, "user kill source process SI_USER"),
    ("pidfd", {"call": 424}, "user pidfd_send_signal source process SI_USER"),
    (
        "pidfd of a thread",
        {"call": 424, "code": -6, "group": 0},
        "user pidfd_send_signal source thread SI_TKILL",
    ),
    ("tgkill", {"call": 234, "code": -6, "group": 0}, "user tgkill source thread SI_TKILL"),
    ("tkill", {"call": 200, "code": -6, "group": 0}, "user tkill source thread SI_TKILL"),
    (
        "tgkill SIGKILL",
        {"call": 234, "code": -6, "group": 0, "number": 9},
        "user tgkill source thread SI_TKILL",
    ),
    ("sigqueue", {"call": 129, "code": -1}, "user rt_sigqueueinfo source process SI_QUEUE"),
    (
        "forged as a timer's",
        {"call": 129, "code": -2},
        "user rt_sigqueueinfo source process SI_TIMER",
    ),
    (
        "forged to itself as the kernel's",
        {"call": 129, "code": 128, "itself": True},
        "user rt_sigqueueinfo source process SI_KERNEL",
    ),
    (
        "sigqueue to a thread",
        {"call": 297, "code": -77, "group": 0},
        "user rt_tgsigqueueinfo source thread -77",
    ),
    (
        "pidfd of a process group",
        {"call": 424, "bits": CALL | TO_GROUP},
        "user pidfd_send_signal source group SI_USER",
    ),
    (
        "pidfd of a process group, queued",
        {"call": 424, "bits": CALL | TO_GROUP, "code": -1},
        "user pidfd_send_signal source group SI_QUEUE",
    ),
    (
        "stopped in sending to a process group",
        {"call": 424, "bits": CALL | TO_GROUP, "number": 17, "code": 5},
        "child - source process CLD_STOPPED",
    ),
    ("kill of a group", {"positive": False}, "user kill source group SI_USER"),
    ("kill by int 0x80", {"call": 37, "bits": CALL | COMPAT}, "user kill source process SI_USER"),
    ("kill by x32", {"call": (1 << 30) + 62, "positive": False}, "user kill source group SI_USER"),
    (
        "abort",
        {"number": 6, "call": 234, "code": -6, "group": 0, "itself": True},
        "fault tgkill source thread SI_TKILL",
    ),
    ("alarm", priv(number=14), "timer - nobody process SI_KERNEL"),
    (
        "alarm over kill(2)",
        priv(number=14, call=62, bits=INTERRUPTED),
        "timer - nobody process SI_KERNEL",
    ),
    ("timer_create", {"number": 34, "code": -2, "call": -1}, "timer - nobody process SI_TIMER"),
    (
        "timer_create over sigqueue",
        {"number": 34, "code": -2, "call": 129, "bits": INTERRUPTED},
        "timer - nobody process SI_TIMER",
    ),
    (
        "timer_create over kill, unseen",
        {"number": 34, "code": -2},
        "timer - nobody process SI_TIMER",
    ),
    ("profiling", priv(number=27, itself=True), "timer - nobody process SI_KERNEL"),
    ("CPU limit", priv(number=24, itself=True), "timer - nobody process SI_KERNEL"),
    (
        "CPU limit by interrupt",
        priv(number=9, itself=True, bits=INTERRUPTED),
        "timer - nobody process SI_KERNEL",
    ),
    (
        "bad address",
        {"number": 11, "code": 1, "group": 0, "call": -1, "itself": True},
        "fault - nobody thread SEGV_MAPERR",
    ),
    (
        "int3",
        {"number": 5, "code": 128, "group": 0, "call": -1, "itself": True},
        "fault - nobody thread SI_KERNEL",
    ),
    (
        "single step",
        {"number": 5, "code": 2, "group": 0, "call": -1, "itself": True},
        "ptrace - nobody thread TRAP_TRACE",
    ),
    (
        "broken memory",
        {"number": 7, "code": 5, "group": 0, "flags": PF_KTHREAD},
        "fault - nobody thread BUS_MCEERR_AO",
    ),
    (
        "seccomp",
        {"number": 31, "code": 1, "group": 0, "call": 62, "itself": True},
        "fault - nobody thread SYS_SECCOMP",
    ),
    (
        "seccomp on a sender of any code",
        {"number": 31, "code": 1, "group": 0, "call": 424, "itself": True},
        "fault - nobody thread SYS_SECCOMP",
    ),
    ("SIGPIPE", nobody(number=13, group=0, call=1, itself=True), "pipe - source thread SI_USER"),
    (
        "SIGXFSZ",
        nobody(number=25, group=0, call=1, itself=True),
        "filesize - source thread SI_USER",
    ),
    ("cgroup.kill", nobody(number=9, group=0, call=1), "cgroup.kill write source process SI_USER"),
    (
        "cgroup.kill of its own",
        nobody(number=9, group=0, call=1, itself=True),
        "cgroup.kill write source process SI_USER",
    ),
    ("PDEATHSIG", nobody(**exiting()), "pdeathsig - source process SI_USER"),
    (
        "PDEATHSIG of a parent that killed itself",
        nobody(**exiting(call=62)),
        "pdeathsig - source process SI_USER",
    ),
    (
        "PDEATHSIG of a parent killed while it computed",
        nobody(**exiting(call=-1)),
        "pdeathsig - source process SI_USER",
    ),
    (
        "end of a PID namespace",
        priv(**exiting(number=9, init=True)),
        "pidns - source process SI_KERNEL",
    ),
    (
        "end of a PID namespace, to threads of the init's own",
        priv(**exiting(number=9, init=True, itself=True)),
        "pidns - source process SI_KERNEL",
    ),
    ("EXITKILL", priv(**exiting(number=9, group=0)), "ptrace - source process SI_KERNEL"),
    ("ptrace attach", priv(number=19, group=0, call=101), "ptrace ptrace source thread SI_KERNEL"),
    (
        "PTRACE_KILL",
        nobody(number=9, group=0, call=101),
        "ptrace ptrace source process SI_USER",
    ),
    (
        "exec of a traced process",
        nobody(number=5, group=0, call=59, itself=True),
        "ptrace - nobody thread SI_USER",
    ),
    ("OOM in a fault", priv(number=9), "oom - nobody process SI_KERNEL"),
    ("OOM in read", priv(number=9, call=0), "oom - nobody process SI_KERNEL"),
    ("OOM of the allocator", priv(number=9, itself=True), "oom - nobody process SI_KERNEL"),
    ("OOM inside kill(2)", priv(number=9, call=62), "oom - nobody process SI_KERNEL"),
    ("OOM of an ending process", priv(**exiting(number=9)), "oom - nobody process SI_KERNEL"),
    ("OOM by a kernel thread", priv(number=9, flags=PF_KTHREAD), "oom - nobody process SI_KERNEL"),
    ("SysRq by keyboard", priv(number=9, bits=INTERRUPTED), "kernel - nobody process SI_KERNEL"),
    (
        "Ctrl-C on a pty",
        priv(number=2, flags=PF_KTHREAD, call=62),
        "tty - nobody process SI_KERNEL",
    ),
    ("window size", priv(number=28, call=16), "tty ioctl source process SI_KERNEL"),
    ("pty master closed", priv(number=1, call=3), "tty close source process SI_KERNEL"),
    ("pty master replaced", priv(number=18, call=33), "tty dup2 source process SI_KERNEL"),
    ("Ctrl-C by TIOCSIG", priv(number=2, call=16), "tty ioctl source process SI_KERNEL"),
    ("session leader's exit", priv(**exiting(number=1)), "session - source process SI_KERNEL"),
    (
        "orphaned group goes on",
        priv(**exiting(number=18, call=34)),
        "session - source process SI_KERNEL",
    ),
    ("TIOCNOTTY", nobody(number=1, call=16), "tty ioctl source process SI_USER"),
    ("background read", priv(number=21, call=0), "job - source process SI_KERNEL"),
    ("SIGIO on a pipe", priv(number=29, call=1), "io write source process SI_KERNEL"),
    ("F_SETSIG on a pipe", {"number": 40, "code": 1, "call": 1}, "io write source process POLL_IN"),
    ("SIGIO by UDP", priv(number=29, call=1, bits=INTERRUPTED), "io - nobody process SI_KERNEL"),
    (
        "SIGIO of who reads its own socket",
        priv(number=29, call=45, itself=True),
        "io - nobody process SI_KERNEL",
    ),
    (
        "mq_notify",
        {"number": 10, "code": -3, "call": 242},
        "mq mq_timedsend source process SI_MESGQ",
    ),
    (
        "child ended",
        {"number": 17, "code": 1, **exiting(bits=CALL | ENDED)},
        "child - source process CLD_EXITED",
    ),
    (
        "child ended, by a signal of its own choice",
        {"number": 10, "code": 1, **exiting(bits=CALL | ENDED)},
        "child - source process CLD_EXITED",
    ),
    (
        "child was killed, and a fault's signal tells it",
        {"number": 11, "code": 2, **exiting(bits=CALL | ENDED)},
        "child - source process CLD_KILLED",
    ),
    (
        "file closed at the end, for F_SETSIG",
        {"number": 10, "code": 1, **exiting()},
        "kernel - nobody process POLL_IN",
    ),
    (
        "dead child of a parent that ends",
        {"number": 17, "code": 1, **exiting()},
        "child - nobody process CLD_EXITED",
    ),
    (
        "timer over a zombie",
        {"number": 10, "code": -2, **exiting(bits=INTERRUPTED | ENDED)},
        "timer - nobody process SI_TIMER",
    ),
    (
        "fault's siginfo sent to itself",
        {"number": 11, "code": 1, "group": 0, "call": 297, "itself": True},
        "user rt_tgsigqueueinfo source thread SEGV_MAPERR",
    ),
    (
        "fault's siginfo sent to itself by pidfd",
        {"number": 8, "code": 1, "group": 0, "call": 424, "itself": True},
        "user pidfd_send_signal source thread FPE_INTDIV",
    ),
    (
        "no room for a handler behind rt_tgsigqueueinfo",
        {"number": 11, "code": 128, "group": 0, "call": 297, "itself": True},
        "fault - nobody thread SI_KERNEL",
    ),
    (
        "seccomp forbids rt_tgsigqueueinfo",
        {"number": 31, "code": 1, "group": 0, "call": 297, "itself": True},
        "fault - nobody thread SYS_SECCOMP",
    ),
    (
        "broken memory in rt_tgsigqueueinfo",
        {"number": 7, "code": 4, "group": 0, "call": 297, "itself": True},
        "fault - nobody thread BUS_MCEERR_AR",
    ),
    (
        "child stopped itself by tgkill",
        {"number": 17, "code": 5, "call": 234},
        "child - source process CLD_STOPPED",
    ),
    (
        "child stopped while it computed",
        {"number": 17, "code": 5, "call": -1},
        "child - source process CLD_STOPPED",
    ),
    (
        "death told by the tracer",
        {"number": 17, "code": 2, "call": 61},
        "child - nobody process CLD_KILLED",
    ),
    ("unknown", priv(number=10), "kernel - nobody process SI_KERNEL"),
]


@pytest.mark.parametrize(
    ("changes", "expected"), [row[1:] for row in OBSERVED], ids=[row[0] for row in OBSERVED]
)
def test_each_way_to_raise_one(changes, expected) -> None:
    made = of(**changes)
    source = "source" if made.has_source else "nobody"
    assert f"{made.cause} {made.call or '-'} {source} {made.scope} {made.code}" == expected


# Where the kernel cannot tell the call, siginfo is the evidence.
WITHOUT_CALL: list[tuple[str, dict[str, object], tuple[str, bool]]] = [
    ("kill", {}, ("user", True)),
    ("tgkill", {"code": -6, "group": 0}, ("user", True)),
    ("sigqueue", {"code": -1}, ("user", True)),
    ("abort", {"number": 6, "code": -6, "group": 0, "itself": True}, ("fault", True)),
    ("timer or forged as one", {"code": -2}, ("timer", False)),
    ("mq_notify", {"code": -3}, ("mq", True)),
    ("cgroup.kill", {"info": NONE, "number": 9, "group": 0}, ("cgroup.kill", True)),
    ("hang-up", {"info": PRIV, "number": 1}, ("tty", False)),
    ("window size", {"info": PRIV, "number": 28}, ("tty", False)),
    ("SIGIO", {"info": PRIV, "number": 29}, ("io", False)),
    ("OOM", {"info": PRIV, "number": 9}, ("oom", False)),
    ("PDEATHSIG", {"info": NONE, "flags": PF_EXITING}, ("pdeathsig", True)),
    ("bad address", {"number": 11, "code": 1, "group": 0, "itself": True}, ("fault", False)),
]


@pytest.mark.parametrize(
    ("changes", "expected"), [row[1:] for row in WITHOUT_CALL], ids=[row[0] for row in WITHOUT_CALL]
)
def test_on_a_kernel_that_cannot_tell_the_call(changes, expected) -> None:
    made = of(**{**changes, "bits": 0, "call": -1})
    assert (made.cause, made.has_source, made.call) == (*expected, None)


@pytest.mark.parametrize("machine", ["s390x", "", "i686"])
def test_a_machine_whose_numbers_we_lack_is_one_that_cannot_tell(machine) -> None:
    made = of(machine, call=37)
    assert (made.cause, made.call, made.has_source) == ("user", None, True)


@pytest.mark.parametrize(
    ("machine", "bits", "numbers"),
    [
        ("x86_64", CALL, (62, 200, 234, 129, 297, 424)),
        ("x86_64", CALL | COMPAT, (37, 238, 270, 178, 335, 424)),
        ("aarch64", CALL, (129, 130, 131, 138, 240, 424)),
        ("aarch64", CALL | COMPAT, (37, 238, 268, 178, 363, 424)),
    ],
)
def test_the_senders_by_number(machine, bits, numbers) -> None:
    codes_and_groups = ((0, 1), (-6, 0), (-6, 0), (-1, 1), (-1, 0), (0, 1))
    names = "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal".split()
    for number, (code, group), name in zip(numbers, codes_and_groups, names, strict=True):
        made = of(machine, bits=bits, call=number, code=code, group=group)
        assert (made.cause, made.call, made.has_source) == ("user", name, True)


@pytest.mark.parametrize(
    ("result", "name"),
    list(enumerate("delivered ignored already_pending overflow_fail lose_info 5".split())),
)
def test_results_by_name(result, name) -> None:
    assert of(result=result).result == name


def test_a_call_that_cannot_make_this_siginfo_did_not_send_it() -> None:
    for call, code, group in itertools.product((62, 200, 234), (-6, 0, 1, 128, -1), (0, 1)):
        fits = (code, group) == ((0, 1) if call == 62 else (-6, 0))
        assert (of(call=call, code=code, group=group).cause == "user") == fits


def test_what_is_raised_while_a_group_is_killed_is_not_for_the_group() -> None:
    for changes in ({"code": -3}, {"number": 29, "code": 1}, priv(number=29, call=62)):
        made = of(**changes, positive=False)
        assert (made.scope, made.has_source) == ("process", False)


ANY = st.integers(-(1 << 31), (1 << 31) - 1)
RAISED = st.builds(
    Raised,
    number=st.one_of(st.integers(0, 64), ANY),
    code=st.one_of(st.integers(-7, 15), ANY),
    info=st.integers(0, 3),
    group=st.integers(0, 1),
    result=st.integers(0, 255),
    bits=st.integers(0, 255),
    call=st.one_of(st.sampled_from([-1, 1, 3, 16, 37, 62, 101, 129, 234, 242, 424]), ANY),
    positive=st.booleans(),
    flags=st.sampled_from([0, PF_EXITING, PF_KTHREAD, PF_EXITING | PF_KTHREAD]),
    itself=st.booleans(),
    idle=st.booleans(),
    init=st.booleans(),
)
MACHINES = st.sampled_from(["x86_64", "aarch64", "riscv64", "vax"])
CAUSES = set(
    "user cgroup.kill tty oom timer fault pipe filesize pdeathsig pidns session child io mq job "
    "ptrace kernel".split()
)
NEVER_ANYBODY = {"oom", "timer"}


@settings(max_examples=1000)
@given(RAISED, MACHINES)
def test_any_record_has_a_meaning_and_a_bystander_is_never_named(raised, machine) -> None:
    made = facts(raised, machine)
    assert made.cause in CAUSES
    assert made.scope in {"process", "thread", "group"}
    assert made.name
    assert made.code
    assert made.call != ""
    if raised.bits & INTERRUPT or raised.flags & PF_KTHREAD or raised.idle:
        assert not made.has_source
    if made.cause in NEVER_ANYBODY | {"kernel"}:
        assert not made.has_source
    if not made.has_source:
        assert made.call is None
        assert made.cause != "user"
    if made.scope == "group":
        assert (made.cause, made.call) in (("user", "kill"), ("user", "pidfd_send_signal"))


@settings(max_examples=1000)
@given(RAISED, MACHINES)
def test_without_a_call_only_an_ending_or_a_changed_child_is_the_source(raised, machine) -> None:
    interrupted = raised._replace(bits=raised.bits | CALL, call=-1)
    made = facts(interrupted, machine)
    if made.has_source and not interrupted.itself:
        assert raised.flags & PF_EXITING or made.cause == "child"
