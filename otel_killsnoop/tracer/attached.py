"""A tracer that runs: our own generation of maps and programs, and the ones before it.

What an agent before this one left unread comes first; its maps go when all of it is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from otel_killsnoop.model import KernelCounts
from otel_killsnoop.tracer import bpf, counters, folds
from otel_killsnoop.tracer.generation import Generation
from otel_killsnoop.tracer.notes import Notes
from otel_killsnoop.tracer.pins import LINK, Pins
from otel_killsnoop.tracer.ring import Ring
from otel_killsnoop.tracer.succession import Part, Succession


def boot_ns() -> int:
    """The clock of every record."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Tracer:
    """features: what this kernel lets the program tell, by name.

    origin: ``fresh``, ``adopted`` (another agent's programs went on, and so does their ring from
    `Ring.position` on) or ``took over`` (another's programs were replaced).
    pinning: where the pins are, or why there are none.  why: another's place was taken.
    """

    generation: Generation
    features: dict[str, bool]
    origin: str = "fresh"
    pinning: str = "off"
    why: str = ""
    _pins: Pins | None = None
    _name: str = ""
    _older: dict[str, Generation] = field(default_factory=dict)
    _unread: dict[str, int] = field(default_factory=dict)
    _succession: Succession | None = None

    @property
    def ring(self) -> Ring:
        """Our own ring."""
        return self.generation.ring

    @property
    def made_at(self) -> int:
        """Boot ns when it was made: the sequence of its first byte."""
        return self.generation.made_at

    @property
    def rings(self) -> list[int]:
        """`made_at` of all whose counts are in `counts`, our own first."""
        return [self.made_at, *(one.made_at for one in self._older.values())]

    @property
    def mode(self) -> str:
        """``tp_btf`` or ``raw_tp``."""
        return self.generation.mode

    @property
    def fell_back(self) -> str:
        """Why it is ``raw_tp``, if that was not wished."""
        return self.generation.fell_back

    @property
    def attempts(self) -> str:
        """``off``, or by what refused calls are seen: ``fexit`` or ``sys_exit``."""
        return self.generation.attempts

    @property
    def notes(self) -> Notes:
        """What an agent after this one shall know."""
        return self.generation.notes

    @property
    def folds(self) -> folds.Folds:
        """Where repeats are to be taken from: first from what is left of older ones."""
        older = (one.folds for one in self._older.values())
        return next((one for one in older if one.owed or one.unsafe), self.generation.folds)

    @property
    def owed(self) -> int:
        """At how many maps of repeats there is to be looked before those of our own are next."""
        return sum(one.folds.owed for one in (*self._older.values(), self.generation))

    @property
    def source(self) -> tuple[Ring | Succession, int]:
        """What is to be read, and what to add to its positions to have sequences."""
        if self._succession is not None:
            return self._succession, 0
        return self.ring, self.made_at

    def succeed(
        self, pins: Pins, name: str, older: dict[str, Generation], unread: dict[str, int]
    ) -> None:
        """Have older generations, whose programs have ended, and the pins of our own.

        unread: how many signals are in those that cannot be read.
        """
        self._pins, self._name, self._older, self._unread = pins, name, older, unread
        self.pinning = f"{pins.path}/{name}"
        if older:
            parts = [Part(one.ring, one.made_at) for one in (*older.values(), self.generation)]
            self._succession = Succession(parts, boot_ns(), self._carry)
        elif unread:
            self._carry()
            self.look_after()

    def _before(self) -> KernelCounts:
        """What the older programs counted, without the signals that ours have recorded, too."""
        counted = KernelCounts(unread=sum(self._unread.values()))
        for one in self._older.values():
            counted = counters.added(counted, one.counts())
        if self._succession is None:
            return counted
        copies = self._succession.copies
        less = tuple(-copies[number] for number in range(len(counted.generated)))
        twice = KernelCounts(generated=less, submitted=less)
        return counters.added(counted, twice)

    def _carry(self) -> None:
        """All that the older programs wrote was read: their counts are ours from now on."""
        if self.notes.carried is None:
            self.notes.carry(self._before())

    def counts(self) -> KernelCounts:
        """Everything counted up to now; exact for each CPU, and after `detach` for all."""
        counts = self.generation.counts()
        if self.notes.carried is None and (self._older or self._unread):
            counts = counters.added(counts, self._before())
        return counts

    def told(self) -> None:
        """What was lost so far is told: `counts` says when what is lost from here on was lost."""
        self.generation.tally.told()

    def answers(self) -> bool:
        """Whether the kernel lets this process, as it is now, ask for what the tracer holds.

        Before Linux 5.19 it may want CAP_BPF for that, later only for what is made.
        """
        try:
            bpf.recursion_misses(self.generation.programs["signal"])
        except PermissionError:
            return False
        except OSError:
            return True  # it has an answer, if not this one
        return True

    def look_after(self) -> None:
        """Let older generations go as soon as nothing is left in them."""
        if not self._older and not self._unread:
            return
        over = self._succession is None or self._succession.is_over
        if over and not any(one.folds.owed or one.folds.unsafe for one in self._older.values()):
            self._each_older(lambda pins, name: pins.drop(name))

    def _each_older(self, do: Callable[[Pins, str], None]) -> None:
        for name, one in self._older.items():
            one.close()
            if self._pins is not None:
                do(self._pins, name)
        for name in self._unread:
            if self._pins is not None:
                do(self._pins, name)
        self._older, self._unread = {}, {}

    def detach(self) -> None:
        """No event from here on: when this returns, the last record is in the ring."""
        if self._pins is not None:
            # While we hold them: else the kernel ends them some time later.
            self._pins.unpin(self._name, LINK)
            self.generation.settle()
        self.generation.detach()
        self.generation.settle()

    def close(self) -> None:
        """Detach and let go of everything; what is in the ring is gone."""
        if self.generation.links:
            self.detach()
        if self._pins is not None:
            self._pins.drop(self._name)
            self._each_older(lambda pins, name: pins.drop(name))
            self._pins.close()
            self._pins = None
        self.generation.close()

    def leave(self) -> None:
        """Let go, but leave what is pinned to the next agent; without pins as `close`."""
        if self._pins is None:
            self.close()
            return
        self._each_older(lambda pins, name: None)
        self.generation.close()
        self._pins.close()
        self._pins = None
