"""One batch's way: ring -> events -> joined -> encoded and durable, printed -> ring committed.

The ring is the only queue in memory: what could not be made durable is tried again, nothing more
is read meanwhile, and the kernel counts what then finds no room.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Event, Facts, Joined, Request

BATCH = 2048  # records read at a time: about 1 MiB of events
KINDS = 4096  # kinds of signal that are counted apart; see `_fewer`

_log = logging.getLogger(__name__)


class OutputGone(Exception):  # noqa: N818  # the end of the work, not a fault of ours
    """Nothing is shipped, and what is printed cannot be written. error: why."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


class Ring(Protocol):
    """``tracer.ring.Ring``."""

    def read(self, limit: int) -> list[tuple[int, bytes]]: ...
    def commit(self, before: int | None = None) -> None: ...


class Applied(Protocol):
    """``processes.table.Applied``."""

    @property
    def joined(self) -> list[Joined]: ...
    @property
    def rest(self) -> Sequence[Event]: ...


class Printer(Protocol):
    """``terminal.output.Printer``."""

    @property
    def needs_flat(self) -> bool: ...
    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None: ...
    def flush(self) -> None: ...


class Stages(Protocol):
    """What the rooms do for a batch; ``agent`` puts it together."""

    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]: ...
    def judge(self, events: Sequence[Event], waited: int) -> tuple[list[Event], list[Event]]: ...
    def apply(self, events: Sequence[Event], waited: int) -> Applied: ...
    def encode(self, joined: Sequence[Joined], offset_ns: int) -> list[Request]: ...
    def flat(self, joined: Joined, offset_ns: int) -> Mapping[str, object]: ...


class Pipeline:
    """Moves batches. put: makes a request durable or raises `SpoolError`; None to ship nothing.

    offset: what to add to boot ns for unix ns, now.  made_at: the sequence of the ring's first
    byte.  signals: joined signals so far, by kind.  waiting: whether events wait for others.
    """

    def __init__(
        self,
        ring: Ring,
        made_at: int,
        stages: Stages,
        put: Callable[[Request], None] | None,
        printer: Printer | None,
        offset: Callable[[], int],
    ) -> None:
        self._ring = ring
        self._made_at = made_at
        self._stages = stages
        self._put = put
        self._printer = printer
        self._offset = offset
        self._unjudged: list[Event] = []
        self._waiting: Sequence[Event] = ()
        self._pending: list[Request] = []
        self._trouble = False
        self.signals: dict[Facts, int] = {}

    @property
    def waiting(self) -> bool:
        """Whether signals wait for records that tell more of them or of whom they name."""
        return bool(self._waiting or self._unjudged)

    @property
    def pending(self) -> int:
        """Records that are encoded and not durable yet."""
        return sum(one.records for one in self._pending)

    def step(self, last: bool = False) -> int:
        """Move one batch; how many records it had.

        0 also when the spool cannot be written: call again after a pause.  last: nothing more
        will come, so nothing waits.
        """
        if not self.settle():
            return 0
        records = self._ring.read(BATCH)
        if not records and not self.waiting:
            return 0
        events: Sequence[Event] = [*self._unjudged, *self._stages.decode(records)]
        told = len(events) if last else len(self._unjudged)
        ready, self._unjudged = self._stages.judge(events, told)
        waited = len(self._waiting)
        events = [*self._waiting, *ready] if waited else ready
        applied = self._stages.apply(events, len(events) if last else waited)
        self._waiting = applied.rest
        self._take(applied.joined)
        self.settle()
        return len(records)

    def add(self, requests: Sequence[Request]) -> None:
        """Requests of the agent's own, behind what is pending."""
        self._pending += requests

    def abandon(self) -> int:
        """Give up what is pending; how many records that was."""
        count = self.pending
        self._pending.clear()
        return count

    def settle(self) -> bool:
        """Make durable what is pending and commit the ring; False when that is not possible."""
        while self._pending and self._put is not None:
            try:
                self._put(self._pending[0])
            except SpoolError as error:
                if not self._trouble:
                    _log.error("%s; it is tried again, meanwhile the kernel's ring holds", error)
                self._trouble = True
                return False
            del self._pending[0]
        if self._trouble:
            _log.info("the spool can be written again")
            self._trouble = False
        # Up to the first event that waits: should the agent die, it is still in the ring.
        held = [events[0].sequence for events in (self._waiting, self._unjudged) if events]
        self._ring.commit(min(held) - self._made_at if held else None)
        return True

    def _take(self, joined: list[Joined]) -> None:
        if not joined:
            return
        offset = self._offset()
        counts = self.signals
        for facts, count in Counter([one.signal.facts for one in joined]).items():
            counts[facts] = counts.get(facts, 0) + count
        if len(counts) > KINDS:
            self.signals = _fewer(counts)
        if self._put is not None:
            self._pending += self._stages.encode(joined, offset)
        if self._printer is not None:
            self._print(self._printer, joined, offset)

    def _print(self, printer: Printer, joined: list[Joined], offset: int) -> None:
        try:
            for one in joined:
                flat = self._stages.flat(one, offset) if printer.needs_flat else None
                printer.print(one, one.signal.time + offset, flat)
            printer.flush()
        except OSError as error:  # who reads has gone, or the file system of a file is full
            self._printer = None
            if self._put is None:
                raise OutputGone(error) from error
            _log.error("cannot print, %s: nothing is printed from here on", error.strerror)


def _fewer(counts: dict[Facts, int]) -> dict[Facts, int]:
    """The same sums by what the metrics tell apart; forged codes make kinds without end."""
    first: dict[tuple[str, str, str], Facts] = {}
    made: dict[Facts, int] = {}
    for facts, count in counts.items():
        one = first.setdefault((facts.name, facts.cause, facts.result), facts)
        made[one] = made.get(one, 0) + count
    return made
