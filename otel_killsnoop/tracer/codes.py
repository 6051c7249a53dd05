"""``si_code`` numbers -> names, as the kernel's asm-generic/siginfo.h has them."""

from __future__ import annotations

USER, KERNEL = 0, 0x80
QUEUE, TIMER, MESGQ, ASYNCIO, SIGIO, TKILL = -1, -2, -3, -4, -5, -6

_ANY_SIGNAL = {
    USER: "SI_USER",
    KERNEL: "SI_KERNEL",
    QUEUE: "SI_QUEUE",
    TIMER: "SI_TIMER",
    MESGQ: "SI_MESGQ",
    ASYNCIO: "SI_ASYNCIO",
    SIGIO: "SI_SIGIO",
    TKILL: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}


def _numbered(prefix: str, names: str) -> dict[int, str]:
    return {number: f"{prefix}_{name}" for number, name in enumerate(names.split(), 1)}


_ILL = _numbered("ILL", "ILLOPC ILLOPN ILLADR ILLTRP PRVOPC PRVREG COPROC BADSTK BADIADDR")
_FPE = _numbered("FPE", "INTDIV INTOVF FLTDIV FLTOVF FLTUND FLTRES FLTINV FLTSUB")
_FPE |= {14: "FPE_FLTUNK", 15: "FPE_CONDTRAP"}
_SEGV = _numbered(
    "SEGV", "MAPERR ACCERR BNDERR PKUERR ACCADI ADIDERR ADIPERR MTEAERR MTESERR CPERR"
)
_BUS = _numbered("BUS", "ADRALN ADRERR OBJERR MCEERR_AR MCEERR_AO")
_TRAP = _numbered("TRAP", "BRKPT TRACE BRANCH HWBKPT UNK PERF")
_CLD = _numbered("CLD", "EXITED KILLED DUMPED TRAPPED STOPPED CONTINUED")
_POLL = _numbered("POLL", "IN OUT MSG ERR PRI HUP")
_SYS = _numbered("SYS", "SECCOMP USER_DISPATCH")

_OF_SIGNAL = {4: _ILL, 5: _TRAP, 7: _BUS, 8: _FPE, 11: _SEGV, 17: _CLD, 29: _POLL, 31: _SYS}


def name(number: int, code: int) -> str:
    """The code's name for this signal, or the bare number as text when it has none.

    A signal without codes of its own has SIGIO's, for F_SETSIG may have chosen it.
    """
    return _ANY_SIGNAL.get(code) or _OF_SIGNAL.get(number, _POLL).get(code) or str(code)
