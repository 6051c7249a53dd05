"""A signal record as the rules of causes.py see it: how it was raised, and what current was doing.

Values only; the numbers are the kernel's and the contract's (bpf/killsnoop.h).
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.tracer import calls

NONE, PRIV, GIVEN = 0, 1, 2  # enum killsnoop_info
INTERRUPT, COMPAT, CALL, TO_GROUP, ENDED = 1, 2, 4, 8, 16  # enum killsnoop_flags
PF_EXITING, PF_KTHREAD = 0x4, 0x00200000  # of a task

NO_CALL = ""  # no system call that could have sent it
OTHER_CALL = "other"  # one, but none that a rule asks for


class Raised(NamedTuple):
    """What the rules ask of a signal record; number to call are as in ``struct killsnoop_signal``.

    positive: the call's first argument is above 0, read as kill(2) reads its pid.  flags: PF_* of
    the thread that was current.  itself: that is a thread of the target's process.  idle: it is a
    CPU's idle task (pid 0).  init: it may be of the first process of its PID namespace.
    error: siginfo's si_errno.  disposition, address: enum killsnoop_disposition and _address.
    orphaned: current's process leads no session.  foreign: it is of another one than the target.
    """

    number: int
    code: int
    info: int
    group: int
    result: int
    bits: int
    call: int
    positive: bool
    flags: int
    itself: bool
    idle: bool
    init: bool
    error: int = 0
    disposition: int = 0
    address: int = 0
    orphaned: bool = False
    foreign: bool = False

    @property
    def by_bystander(self) -> bool:
        """Whether current is surely not who sent it: interrupted, or no process at all."""
        return bool(self.bits & INTERRUPT or self.flags & PF_KTHREAD or self.idle)

    @property
    def at_exit(self) -> bool:
        """Whether current is a task that ends, and did this in ending."""
        return bool(self.flags & PF_EXITING) and not self.bits & INTERRUPT

    def call_name(self, machine: str) -> str | None:
        """The call that current is in, ``NO_CALL``, ``OTHER_CALL``; None when it cannot be told.

        A task that ends is in none: its registers still show the call it came from, which may be
        the very kill by which it ended itself.
        """
        if self.by_bystander or self.flags & PF_EXITING:
            return NO_CALL
        if not self.bits & CALL:
            return None
        if self.call == -1:
            return NO_CALL
        table = calls.table(machine, bool(self.bits & COMPAT))
        return None if table is None else table.get(self.call, OTHER_CALL)
