"""One batch's way: ring -> events -> joined -> encoded and durable, printed -> ring committed.

The ring is the queue in memory, beside the bounded one that the spool has for a disk in trouble:
what the spool cannot take is tried again, nothing more is read meanwhile, and the kernel counts
what then finds no room.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Death, Event, Facts, Joined, Request, Signal
from otel_killsnoop.selected import ATTEMPTS, Selected
from otel_killsnoop.stages import Notebook, OutputGone, Printer, Ring, Stages

BATCH = 2048  # records read at a time: about 1 MiB of events
REQUEST = 1_000_000  # bytes of requests that are joined: what their makers keep to as well
KINDS = 4096  # kinds of signal that are counted apart; see `_fewer`

_log = logging.getLogger(__name__)


class Pipeline:
    """Moves batches. put: makes a request durable or raises `SpoolError`; None to ship nothing.

    offset: what to add to boot ns for unix ns, now.  made_at: the sequence of the ring's first
    byte.  selected: what the user wants of it.  signals: records of signals and attempts so far,
    by kind.  made: records so far, by event (``signal``, ``attempt``, ``exit``,
    ``repeats``).  notebook: what is told of all that is durable, before the ring is committed.
    """

    def __init__(
        self,
        ring: Ring,
        made_at: int,
        stages: Stages,
        put: Callable[[Request], None] | None,
        printer: Printer | None,
        offset: Callable[[], int],
        selected: Selected,
        notebook: Notebook | None = None,
    ) -> None:
        self._ring = ring
        self._made_at = made_at
        self._stages = stages
        self._put = put
        self._printer = printer
        self._offset = offset
        self._selected = selected
        self._notebook = notebook
        self._reached = made_at
        self._unjudged: list[Event] = []
        self._waiting: Sequence[Event] = ()
        self._pending: list[Request] = []
        self._trouble = False
        self.signals: dict[Facts, int] = {}
        self.made = {"signal": 0, "attempt": 0, "exit": 0, "repeats": 0}

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
        decoded = self._stages.decode(records)
        if records:
            self._count_again(decoded)
            self._reached = self._made_at + records[-1][0] + 1
        events: Sequence[Event] = [*self._unjudged, *decoded]
        told = len(events) if last else len(self._unjudged)
        ready, self._unjudged = self._stages.judge(events, told)
        waited = len(self._waiting)
        events = [*self._waiting, *ready] if waited else ready
        applied = self._stages.apply(events, len(events) if last else waited)
        self._waiting = applied.rest
        self._take(*self._selected.of(applied.joined, applied.deaths))
        self.settle()
        return len(records)

    def tell_repeats(self, events: Sequence[Event]) -> None:
        """Record repeats that the kernel counted; they wait for nothing."""
        applied = self._stages.apply(events, len(events))
        self._take(*self._selected.of(applied.joined, applied.deaths))
        self.settle()

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
        if self._notebook is not None:
            waiting = sum(isinstance(one, Signal) for one in (*self._waiting, *self._unjudged))
            self._notebook.note(waiting, self._reached)
        # Up to the first event that waits: should the agent die, it is still in the ring.
        held = [events[0].sequence for events in (self._waiting, self._unjudged) if events]
        self._ring.commit(min(held) - self._made_at if held else None)
        return True

    def _count_again(self, events: Sequence[Event]) -> None:
        """Signals that an agent before had read from this ring, and had not committed."""
        book = self._notebook
        if book is not None and self._reached < book.reread_to:
            again = [one for one in events if one.sequence < book.reread_to]
            book.again(sum(isinstance(one, Signal) for one in again))

    def _take(self, joined: list[Joined], deaths: list[Death]) -> None:
        if not joined and not deaths:
            return
        offset = self._offset()
        self._count(joined, deaths)
        if self._put is not None:
            requests = self._stages.encode(joined, offset)
            if deaths:
                requests = _together(requests + self._stages.encode_deaths(deaths, offset))
            self._pending += requests
        if self._printer is not None:
            self._print(self._printer, joined, deaths, offset)

    def _count(self, joined: list[Joined], deaths: list[Death]) -> None:
        counts = self.signals
        attempts = repeats = 0
        for signal, _, _ in joined:
            if signal.details is not None and signal.details.repeats:
                repeats += 1
                counts[signal.facts] = counts.get(signal.facts, 0) + signal.details.repeats - 1
        for facts, count in Counter([one.signal.facts for one in joined]).items():
            counts[facts] = counts.get(facts, 0) + count
            if facts.result in ATTEMPTS:
                attempts += count
        if len(counts) > KINDS:
            self.signals = _fewer(counts)
        self.made["signal"] += len(joined) - attempts - repeats
        self.made["repeats"] += repeats
        self.made["attempt"] += attempts
        self.made["exit"] += len(deaths)

    def _print(
        self, printer: Printer, joined: list[Joined], deaths: list[Death], offset: int
    ) -> None:
        stages, flat = self._stages, printer.needs_flat
        # Signals and deaths by their times, as they would have been told one by one.
        order: list[tuple[int, Joined | Death]] = [(one.signal.sequence, one) for one in joined]
        order += [(death.sequence, death) for death in deaths]
        if deaths:
            order.sort(key=lambda pair: pair[0])
        try:
            for _, one in order:
                if isinstance(one, Joined):
                    record = stages.flat(one, offset) if flat else None
                    printer.print(one, one.signal.time + offset, record)
                else:
                    record = stages.flat_death(one, offset) if flat else None
                    printer.print_death(one, one.time + offset, record)
            printer.flush()
        except OSError as error:  # who reads has gone, or the file system of a file is full
            self._printer = None
            if self._put is None:
                raise OutputGone(error) from error
            _log.error("cannot print, %s: nothing is printed from here on", error.strerror)


def _together(requests: list[Request]) -> list[Request]:
    """As few requests as can be, in that order: each costs a file, two syncs and a post.

    A request is a list of one kind of field, so two of them, one behind the other, are one.
    """
    made = requests[:1]
    for body, records in requests[1:]:
        before = made[-1]
        if len(before.body) + len(body) <= REQUEST:
            made[-1] = Request(before.body + body, before.records + records)
        else:
            made.append(Request(body, records))
    return made


def _fewer(counts: dict[Facts, int]) -> dict[Facts, int]:
    """The same sums by what the metrics tell apart; forged codes make kinds without end."""
    first: dict[tuple[str, str, str], Facts] = {}
    made: dict[Facts, int] = {}
    for facts, count in counts.items():
        one = first.setdefault((facts.name, facts.cause, facts.result), facts)
        made[one] = made.get(one, 0) + count
    return made
