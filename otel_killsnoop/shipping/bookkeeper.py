"""Keeps the ledger: what is written into it at a start, before a file goes, and when told to.

Every method is called under the lock over the stock, but for the making and `sync`.
"""

from __future__ import annotations

import logging
import time

from otel_killsnoop.model import ShippingCounts
from otel_killsnoop.shipping import books
from otel_killsnoop.shipping.books import Intent, Page
from otel_killsnoop.shipping.directory import Directory
from otel_killsnoop.shipping.ledger import LEDGER, Ledger
from otel_killsnoop.shipping.recovery import Found, set_aside
from otel_killsnoop.shipping.stock import Stock

_log = logging.getLogger(__name__)


class Bookkeeper:
    """found: what is in the directory; a ledger that is none is moved to `aside`.

    since: Unix ns when the counting began.  notes: those of the agent before, as JSON.
    set_aside_files: 1 where a ledger was damaged.
    """

    def __init__(self, main: Directory, aside: Directory, found: Found, stock: Stock) -> None:
        self._stock = stock
        self._ledger = Ledger(main, found.ledger)
        files = [*found.whole, *found.torn]
        top = max((one.sequence for one in files), default=0)
        page, self.set_aside_files = self._page(main, aside, top)
        self.since, self.notes = page.since, page.notes
        self._start = books.reopened(page, files)
        self._last = max(page.last, top)
        self._accepted = max(page.accepted, self._last)
        self._tell(page.counts)
        self._ledger.make(self._written(None))

    def _page(self, main: Directory, aside: Directory, top: int) -> tuple[Page, int]:
        anew = Page(time.time_ns(), last=top, accepted=top)
        fault = self._ledger.fault
        if fault is None and self._ledger.page is None:
            return anew, 0
        try:
            if fault is None:
                assert self._ledger.page is not None
                return books.read(self._ledger.page), 0
        except (ValueError, TypeError) as error:
            fault = str(error)
        set_aside(main, aside, LEDGER, f"it is no ledger, {fault}; the accounts begin anew")
        return anew, 1

    def _tell(self, before: ShippingCounts) -> None:
        if more := self._start.missing - before.missing:
            _log.error("%d records that the ledger tells of are not in the spool any more", more)
        if more := self._start.unspooled - before.unspooled:
            _log.error("%d records were in memory only when the agent before ended", more)

    def _written(self, intent: Intent | None) -> str:
        return Page(
            self.since, self.counts(), self._last, self._accepted, intent, self.notes
        ).written()

    def counts(self) -> ShippingCounts:
        """The accounts over all agents."""
        return books.since(self._start, self._stock.counts())

    @property
    def first(self) -> int:
        """The lowest sequence that was never used."""
        return self._accepted + 1

    def stored(self, sequence: int) -> None:
        """A file of that sequence is on disk; it says so by itself, so nothing is written."""
        self._last = max(self._last, sequence)
        self._accepted = max(self._accepted, sequence)

    def held(self, sequence: int) -> None:
        """A request of that sequence is in memory."""
        self._accepted = max(self._accepted, sequence)
        self.write()

    def intend(self, intent: Intent) -> None:
        """A file is about to go. The stock counts it afterwards."""
        self._ledger.write(self._written(intent))

    def write(self) -> None:
        """Something was counted of which no file tells."""
        self._ledger.write(self._written(None))

    def note(self, notes: str) -> None:
        """Keep this JSON object of whoever uses the spool, beside the accounts of this moment."""
        self.notes = notes
        self.write()

    def sync(self) -> None:
        """Have it outlive a power cut."""
        self._ledger.sync()
