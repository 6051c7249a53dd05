"""The spool: the only queue on disk. One file is one request, written once and never changed.

What holds, and docs/delivery.md says it for people:

- A file with a spool name is whole and durable: it got the name by rename, after its bytes had
  reached the disk, and the directory was synced before `put` returned.
- Every file leaves the spool in one of four counted ways: acknowledged, evicted (the oldest, when
  a put would exceed the limit), set aside (it is no request), or by someone else's hand (counted
  as rejected once it is missed).
- While the disk takes nothing, requests are held in memory, up to a bound; they are sent from
  there, and written to the disk when it can be written again.
- recovered + spooled = delivered + rejected + evicted + on_disk, for whoever asks, at any moment;
  and over all agents that have used the directory, by the ledger in it.
- Order is the order of the puts, over restarts too, but for what was held in memory: that
  overtakes. At most one file is in flight; it is never evicted. After a crash it is sent again:
  at least once, and the same to the byte.

It may be used from two threads: one puts, one takes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.bookkeeper import Bookkeeper
from otel_killsnoop.shipping.books import Intent
from otel_killsnoop.shipping.directory import LOCK, Directory
from otel_killsnoop.shipping.packing import pack
from otel_killsnoop.shipping.queue import Entry
from otel_killsnoop.shipping.recovery import recover, set_aside
from otel_killsnoop.shipping.rejected import Rejected
from otel_killsnoop.shipping.stock import Stock
from otel_killsnoop.shipping.writer import Writer

LIMIT = 256 << 20
MEMORY = 8 << 20
RETRY = 1.0
SET_ASIDE, REJECTED = "set-aside", "rejected"
_OURS = frozenset({LOCK, SET_ASIDE, REJECTED})
_STRANGE = "it is no file of ours"

_log = logging.getLogger(__name__)


class Spool:
    """A locked spool directory, recovered. `SpoolError` when it cannot be had.

    limit: bytes that the queued files may take on disk, in whole blocks.  memory: bytes of
    requests that are held in memory while the disk takes none.  retry: seconds between tries at
    such a disk.  set_aside_files: how many files were moved to set-aside/ because they are not
    what a spool file must be; the records that a valid name tells of count as rejected.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        limit: int = LIMIT,
        memory: int = MEMORY,
        retry: float = RETRY,
    ) -> None:
        self._stock = Stock(limit, memory)
        self._state = threading.Lock()  # over the stock
        self._listener: Callable[[], None] = lambda: None
        self._held = contextlib.ExitStack()  # descriptors, given back in reverse: the lock last
        with contextlib.ExitStack() as opened:
            self._main = opened.enter_context(Directory(os.fspath(path)))
            opened.callback(os.close, self._main.lock())
            self._aside = opened.enter_context(Directory(SET_ASIDE, self._main))
            kept = opened.enter_context(Directory(REJECTED, self._main))
            self._rejected = Rejected(kept)
            found = recover(self._main, _OURS)
            for name in found.strange:
                set_aside(self._main, self._aside, name, _STRANGE)
            self._books = Bookkeeper(self._main, self._aside, found, self._stock)
            self._held = opened.pop_all()
        self.set_aside_files = len(found.strange) + self._books.set_aside_files
        for entry in found.whole:
            self._stock.recovered(entry)
        self._clear(found.torn)
        self._writer = Writer(
            self._main, self._stock, self._books, self._state, threading.Lock(), memory, retry
        )
        # The clock's nanoseconds keep a name from coming back where there is no ledger.
        self._next = max(self._books.first, time.time_ns())

    def _clear(self, torn: list[Entry]) -> None:
        for entry in torn:
            self._books.intend(Intent(entry.sequence, rejected=entry.records))
            set_aside(self._main, self._aside, entry.name, "it is torn")
            self._stock.torn(entry)
        self.set_aside_files += len(torn)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have the listener called after each put (by the thread that puts)."""
        self._listener = listener

    def put(self, request: Request) -> None:
        """Keep a request: it would outlive a power cut when this returns.

        When the disk does not take it, it is held in memory. `SpoolError` when that is full too;
        then nothing of it is left, nothing is counted, and the caller decides: try again, or
        `abandon` it.
        """
        if request.records < 1:
            raise ValueError("a request without records is not worth a file")
        packed = pack(request.body)
        entry = Entry(self._next, request.records, len(packed))
        self._next += 1
        self._writer.put(entry, packed)
        self._listener()

    def abandon(self, records: int) -> None:
        """Count records that could not be put and are gone."""
        with self._state:
            self._stock.abandon(records)
            self._books.write()

    @property
    def since(self) -> int:
        """Unix ns when the counting over all agents began."""
        return self._books.since

    @property
    def notes(self) -> str:
        """The JSON object that was noted last, by this agent or one before; `{}` at first."""
        return self._books.notes

    def note(self, notes: str) -> None:
        """Keep a JSON object in the ledger: it outlives a SIGKILL when this returns."""
        with self._state:
            self._books.note(notes)

    def sync(self) -> None:
        """Have the ledger outlive a power cut too."""
        self._books.sync()

    @property
    def rescue_due(self) -> float:
        """When to call `rescue` (time.monotonic()); infinite while there is nothing to do."""
        return self._writer.due

    def rescue(self) -> None:
        """Try to write what is held in memory, and to remove what is decided."""
        self._writer.rescue()

    def save(self) -> int:
        """The last try before the end; how many records were in memory only, and are gone."""
        return self._writer.save()

    def oldest(self) -> Entry | None:
        """The next request, in flight from now on; the same again until it is decided."""
        with self._state:
            return self._stock.take()

    def read(self, entry: Entry) -> bytes:
        """The request as it was packed; `SpoolError` if it cannot be read."""
        with self._state:
            held = self._stock.body(entry)
        if held is not None:
            return held
        packed = self._main.read(entry.name)
        if len(packed) != entry.size:
            what = f"a file of the spool has {len(packed)} bytes, not those of its name"
            raise SpoolError(what, f"{self._main.path}/{entry.name}", "look who writes there")
        return packed

    def acknowledge(self, entry: Entry, rejected: int = 0) -> None:
        """The one in flight is decided: all of it was delivered, but for `rejected` records."""
        rejected = min(rejected, entry.records)
        with self._state:
            if self._settle(entry, entry.records - rejected, rejected):
                self._writer.remove(entry)

    def _settle(self, entry: Entry, delivered: int, rejected: int) -> bool:
        """Count it; whether there is a file of it, which goes now."""
        if self._stock.is_on_disk(entry):
            self._books.intend(Intent(entry.sequence, delivered, rejected))
        stays = self._stock.settle(entry, rejected)
        if not stays:
            self._books.write()
        return stays

    def keep_rejected(self, entry: Entry, index: int, body: bytes, why: str) -> None:
        """Keep one refused record (packed) with the answer, for people; it is not counted here."""
        self._rejected.keep(f"{entry.sequence:020d}-{index:06d}", body, why)

    def set_aside(self, entry: Entry, why: str) -> None:
        """The one in flight is no request: move it away, and count its records as rejected."""
        with self._state:
            self.set_aside_files += 1
            if self._settle(entry, 0, entry.records):
                set_aside(self._main, self._aside, entry.name, why)
            else:
                _log.error("a request that was held in memory is none, and is gone: %s", why)

    def counts(self) -> ShippingCounts:
        """All counts since this was made, at one moment."""
        with self._state:
            return self._stock.counts()

    def accounts(self) -> ShippingCounts:
        """The same over all agents that have used the directory, as far as the ledger goes back."""
        with self._state:
            return self._books.counts()

    def files(self) -> int:
        """How many requests wait, the one in flight included."""
        with self._state:
            return self._stock.files()

    def close(self) -> None:
        """Let another agent have the directory. What is in it stays."""
        self.save()
        with self._state:
            self._books.write()
        self._books.sync()
        self._held.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
