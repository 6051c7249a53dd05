"""What all agents with this spool counted, one after another: the shell's part of the ledger.

Noted each time the ring is about to be committed, so the numbers are of the same moment as what
is durable. An agent that goes on with the ring of one that was killed reads again what that one
had not committed: `reached` says up to where it had been counted. Where the ring is another, its
last counts are added to what the dead have counted, and what was in its ring is `orphaned`.

    generated = filtered + folded + lost + submitted
    submitted + reread = undecodable + left out + recorded + orphaned (+ waiting, + in the ring)
    recovered + made + unnoted = delivered + rejected + evicted + unspooled + missing
                                 + on disk + in memory (+ encoded and not durable)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from otel_killsnoop.kernel_sums import together, told, untold
from otel_killsnoop.model import Ended, KernelCounts, ShippingCounts


class Here(NamedTuple):
    """What this agent alone has counted; the kernel's counts are of its ring.

    All of it is durable when it is noted.  told: gaps that were told, over all agents, by reason.
    looked: Unix ns up to which all losses are told.  ring_told: gaps of this ring's, by reason.
    """

    kernel: KernelCounts
    undecodable: int
    left_out: int
    made: Mapping[str, int]
    told: Mapping[str, int]
    looked: int = 0
    ring_told: Mapping[str, int] = {}


class Lives:
    """notes: what was noted last, JSON; `{}` at first.  rings: names, over boots too, of
    those whose counts are in `Here`, our own first.

    shipping: the spool's accounts at the start.  here: reads what this agent has counted.
    write: keeps notes.

    killed: signals of an agent that ended without `end`, which nobody will read; None if there
    was none.  seen: Unix ns of its last note.  looked: as of `Here`, of it; 0 if there was none.
    reread_to: the sequence up to which another
    agent has read this ring, 0 if none has.  debt: how many of those it had not counted.  told:
    as of `Here`, at the start.
    """

    def __init__(
        self,
        notes: str,
        rings: Sequence[str],
        shipping: ShippingCounts,
        here: Callable[[], Here],
        write: Callable[[str], None],
    ) -> None:
        self._ring, self._here, self._write = rings[0], here, write
        before = _Notes(json.loads(notes))
        self._undecodable = before.count("undecodable")
        self._left_out = before.count("left_out")
        self._made = before.counts("made")
        self.told = before.counts("told")
        self._reread, self.debt = before.count("reread"), before.count("debt")
        self._orphaned, self._unnoted = before.count("orphaned"), before.count("unnoted")
        noted = sum(self._made.values()) + self._unnoted
        self._unnoted += max(0, shipping.spooled + shipping.unspooled - noted)
        self._dead = untold(before.of("dead"))
        self.reread_to = 0
        self.killed: int | None = None
        self.seen, self.looked = before.count("seen"), before.count("looked")
        if before.text("ring") in rings:
            self.reread_to = before.count("reached")
            self.debt += before.count("waiting")
        elif before.text("ring"):
            for reason, count in before.counts("ring_told").items():
                self.told[reason] = self.told.get(reason, 0) + count
            self._bury(untold(before.of("kernel")), before.count("ended") == 1)
        self._last: tuple[object, ...] = ()
        self._progress = (0, self.reread_to)

    def _bury(self, kernel: KernelCounts, ended: bool) -> None:
        """The ring of the agent before is gone."""
        self._dead = together(self._dead, kernel)
        counted = self._undecodable + self._left_out + self._made.get("signal", 0)
        lost = sum(self._dead.submitted) + self._reread - counted - self._orphaned
        self._orphaned += max(0, lost)
        self.debt = 0
        if not ended or lost > 0:
            self.killed = max(0, lost)

    def again(self, signals: int) -> None:
        """So many signals were read that an agent before had read, and perhaps counted."""
        owed = min(self.debt, signals)
        self.debt -= owed
        self._reread += signals - owed

    def note(self, waiting: int, reached: int) -> None:
        """Keep it all, if anything has changed. waiting: signals that are read and not counted.

        reached: the sequence up to which the ring is read.
        """
        now = self._here()
        key = (now.undecodable, now.left_out, waiting, self._reread, *now.made.values())
        self._progress = (waiting, max(reached, self.reread_to))
        if key != self._last:
            self._last = key
            self._keep(now, False)

    def refresh(self) -> None:
        """Keep it all, for the kernel goes on counting. For when nothing waits to be durable."""
        self._keep(self._here(), False)

    def end(self) -> None:
        """The same at a stop in good order: the tracer is detached, and the ring is read."""
        self._keep(self._here(), True)

    def _keep(self, now: Here, ended: bool) -> None:
        made = self.made(now.made)
        notes = {
            "ring": self._ring,
            "ended": int(ended),
            "seen": time.time_ns(),
            "waiting": self._progress[0],
            "reached": self._progress[1],
            "undecodable": self.undecodable(now.undecodable),
            "left_out": self.left_out(now.left_out),
            "made": made,
            "told": dict(now.told),
            "looked": now.looked,
            "ring_told": dict(now.ring_told),
            "reread": self._reread,
            "debt": self.debt,
            "orphaned": self._orphaned,
            "unnoted": self._unnoted,
            "kernel": told(now.kernel),
            "dead": told(self._dead),
        }
        self._write(json.dumps(notes))

    def ended(self) -> Ended:
        """What agents that were killed have left to be told."""
        return Ended(self._reread, self._orphaned, self._unnoted)

    def kernel(self, now: KernelCounts) -> KernelCounts:
        """Over all agents, as are the rest: now is this ring's."""
        return together(self._dead, now)

    def undecodable(self, now: int) -> int:
        """Signals that could not be understood."""
        return self._undecodable + now

    def left_out(self, now: int) -> int:
        """Signals that the user's filters left out."""
        return self._left_out + now

    def made(self, now: Mapping[str, int]) -> dict[str, int]:
        """Records made, by event."""
        names = [*now, *(name for name in self._made if name not in now)]
        return {name: self._made.get(name, 0) + now.get(name, 0) for name in names}


class _Notes:
    """A JSON object that may be anything: what is not as expected is not there."""

    def __init__(self, notes: object) -> None:
        self._notes = notes if isinstance(notes, dict) else {}

    def count(self, name: str) -> int:
        value = self._notes.get(name)
        return value if isinstance(value, int) and value >= 0 else 0

    def text(self, name: str) -> str:
        value = self._notes.get(name)
        return value if isinstance(value, str) else ""

    def of(self, name: str) -> dict[str, object]:
        value = self._notes.get(name)
        return value if isinstance(value, dict) else {}

    def counts(self, name: str) -> dict[str, int]:
        inner = _Notes(self.of(name))
        return {one: inner.count(one) for one in self.of(name)}
