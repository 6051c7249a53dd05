"""By which rule of the kernel's a Unix signal was raised, and whether current is who raised it.

Pure, and careful: whoever was current on the CPU is named as the source only where the record
leaves no doubt that it acted. Each rule follows what the kernel hands to its own send_signal:
which siginfo, directed at a process or a thread, by a task in which state, in which system call.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.tracer import calls, codes
from otel_killsnoop.tracer.raised import (
    ENDED,
    GIVEN,
    INTERRUPT,
    NONE,
    PF_EXITING,
    PRIV,
    Raised,
)
from otel_killsnoop.unixsignals import FAULTS

_HUP, _INT, _QUIT, _TRAP, _ABRT, _BUS, _KILL = 1, 2, 3, 5, 6, 7, 9
_PIPE, _ALRM, _CHLD, _CONT, _STOP, _TSTP, _TTIN, _TTOU = 13, 14, 17, 18, 19, 20, 21, 22
_URG, _XCPU, _XFSZ, _VTALRM, _PROF, _WINCH, _IO, _SYS = 23, 24, 25, 26, 27, 28, 29, 31

_MADE_BY_KERNEL = frozenset({codes.TIMER, codes.MESGQ, codes.ASYNCIO, codes.SIGIO, codes.TKILL})
_STEPS = frozenset({2, 3, 4})  # TRAP_TRACE, TRAP_BRANCH, TRAP_HWBKPT: a debugger's doing
_TRAP_PERF = 6
_BROKEN_MEMORY = frozenset({4, 5})  # BUS_MCEERR_AR, BUS_MCEERR_AO
_STATE_CHANGES = range(1, 7)  # CLD_EXITED to CLD_CONTINUED; POLL_IN to POLL_HUP as well
_STILL_ALIVE = range(4, 7)  # CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED


class Verdict(NamedTuple):
    """call: the one the rule rests on, if any.  certain: current is who did it."""

    cause: str
    call: str | None = None
    certain: bool = False


_KERNEL = Verdict("kernel")


def verdict(raised: Raised, call: str | None) -> Verdict:
    """By which rule, if the system call in progress is the one of that name.

    Total: whatever the numbers are, there is an answer.
    """
    if _is_sent(raised, call):
        aborts = raised.itself and raised.number == _ABRT and raised.code == codes.TKILL
        return Verdict("fault" if aborts else "user", call, True)
    if raised.at_exit and (at_exit := _at_exit(raised)) is not None:
        return at_exit
    if raised.info == GIVEN:
        return _given(raised, call)
    if raised.info == PRIV:
        return _by_kernel(raised, call)
    return _for_current(raised, call) if raised.info == NONE else _KERNEL


def _is_sent(raised: Raised, call: str | None) -> bool:
    """Whether the call itself sent it, and not something else while the call was in progress.

    So the siginfo must be one that this call makes: a process that stops itself by tgkill tells
    its parent by a SIGCHLD while still in tgkill, and memory can run out in any call.
    """
    if raised.info != GIVEN:
        return False
    code, group = raised.code, bool(raised.group)
    as_kill = code == codes.USER and group
    as_tkill = code == codes.TKILL and not group
    if call is None:
        return as_kill or as_tkill or (code < 0 and code not in _MADE_BY_KERNEL)
    if call == "kill":
        return as_kill
    if call in ("tkill", "tgkill"):
        return as_tkill
    if call not in calls.SENDERS:
        return False
    if raised.itself:  # one may tell oneself anything
        queued = group or code <= 0 or not _may_be_raised_in_any_call(raised.number, code)
    else:
        queued = code < 0 and code != codes.TKILL
    if call == "pidfd_send_signal":
        return as_kill or as_tkill or queued
    return queued and group == (call == "rt_sigqueueinfo")


def _may_be_raised_in_any_call(number: int, code: int) -> bool:
    """Whether it can be a fault while a call is in progress; most are the program's, between calls.

    A call that seccomp forbids, a debugger's step to its end, memory found broken, and a signal
    for whose handler there is no room on the stack.
    """
    if number in (_SYS, _TRAP):
        return True
    return code == codes.KERNEL or (number == _BUS and code in _BROKEN_MEMORY)


def _at_exit(raised: Raised) -> Verdict | None:
    """What a task sends because it ends; None when this is nothing of that kind."""
    number, info, group = raised.number, raised.info, bool(raised.group)
    if info == PRIV and group and number in (_HUP, _CONT):
        # Of another session, it held the other end of the terminal: an emulator, a login server.
        return Verdict("tty" if raised.foreign else "session", certain=True)
    if info == PRIV and group and number == _KILL and raised.init:
        # Its own other threads too. An ending process that is no init is a bystander of the OOM.
        return Verdict("pidns", certain=True)
    if info == PRIV and not group and number == _KILL and not raised.itself:
        return Verdict("ptrace", certain=True)
    if info == NONE and group and not raised.itself:
        return Verdict("pdeathsig", certain=True)
    return None


def _given(raised: Raised, call: str | None) -> Verdict:
    """The siginfo has a code of its own, and no system call made it."""
    number, code = raised.number, raised.code
    if code == codes.TIMER:
        return Verdict("timer")
    if code == codes.MESGQ:
        return Verdict("mq", call, call is None or call in calls.QUEUERS)
    if code == codes.ASYNCIO:
        return Verdict("io")
    if code == codes.SIGIO:
        return _io(raised, call)
    ended = bool(raised.bits & ENDED) and raised.at_exit
    if (number == _CHLD or (ended and raised.group)) and code in _STATE_CHANGES:
        # Of a death that is told by somebody who is no zombie, that one is the tracer, or the
        # parent that ends and leaves its dead to another: not the child.
        changed = code in _STILL_ALIVE or ended
        return Verdict("child", certain=changed and not raised.itself)
    if number in FAULTS:
        return _fault(raised) if code > 0 and not raised.group else _KERNEL
    if code in _STATE_CHANGES and not raised.flags & PF_EXITING:
        return _io(raised, call)  # F_SETSIG
    return _KERNEL


def _fault(raised: Raised) -> Verdict:
    if raised.number == _TRAP and raised.code in _STEPS:
        return Verdict("ptrace")
    if raised.number == _TRAP and raised.code == _TRAP_PERF:
        return _KERNEL
    return Verdict("fault")


def _io(raised: Raised, call: str | None) -> Verdict:
    """A file became ready: by current if it writes, and not to itself.

    Who reads a socket of its own may do the work for what came from the network meanwhile.
    """
    writes = call in calls.WRITERS or call in calls.SOCKET_WRITERS
    return Verdict("io", call, writes and not raised.itself)


def _by_kernel(raised: Raised, call: str | None) -> Verdict:
    """SEND_SIG_PRIV: the kernel for its own reasons, whoever is current."""
    number = raised.number
    if number in (_IO, _URG):
        return _io(raised, call)
    if not raised.group:
        traced = number in (_KILL, _STOP) and call == "ptrace"
        return Verdict("ptrace", call, True) if traced else _KERNEL
    if number in (_ALRM, _VTALRM, _PROF, _XCPU):
        return Verdict("timer")
    if number in (_HUP, _CONT):
        return Verdict("tty", call, call in calls.HANGERS)
    if number in (_INT, _QUIT, _TSTP, _WINCH):
        return Verdict("tty", call, call == "ioctl")
    if number in (_TTIN, _TTOU):
        return Verdict("job", certain=bool(call))
    if number == _KILL:
        if not raised.bits & INTERRUPT:
            return Verdict("oom")
        # Nobody waits for memory in an interrupt; the clock's own kill is by RLIMIT_CPU.
        return Verdict("timer") if raised.itself else _KERNEL
    return _KERNEL


def _for_current(raised: Raised, call: str | None) -> Verdict:
    """SEND_SIG_NOINFO: the kernel, for what current is doing."""
    number = raised.number
    if raised.group:
        hangs_up = number in (_HUP, _CONT) and call in (None, "ioctl")  # TIOCNOTTY
        return Verdict("tty", call, True) if hangs_up else _KERNEL
    if number == _KILL:
        if call is None or call in calls.WRITERS or call == "io_uring_enter":
            return Verdict("cgroup.kill", call, True)
        return Verdict("ptrace", call, True) if call == "ptrace" else _KERNEL
    if raised.itself and number == _PIPE:
        return Verdict("pipe", certain=True)
    if raised.itself and number == _XFSZ:
        return Verdict("filesize", certain=True)
    if raised.itself and number == _TRAP:
        return Verdict("ptrace")  # a traced process that runs a new program
    return _KERNEL
