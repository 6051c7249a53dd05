"""The spool: the only queue on disk. One directory; one file = one request, compressed once.

Its invariants are written out in docs/delivery.md and tested with a state machine:
- `put` returns only when the request would outlive a power cut, or raises and leaves nothing.
- A file goes away only by acknowledge (delivered, or refused for good), by eviction when the
  limit is reached, or by being set aside; each is counted in the step in which it happens.
- recovered + spooled = delivered + rejected + evicted + on_disk, for whoever asks, at any moment.
- Order is the order of the puts, over restarts too. At most one file is in flight; it is never
  evicted. After a crash it is sent again: at least once, and the same to the byte.

It may be used from two threads: one puts, one takes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from types import TracebackType

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.directory import LOCK, UNFINISHED, Directory
from otel_killsnoop.shipping.packing import pack
from otel_killsnoop.shipping.queue import Entry, Queue, parse
from otel_killsnoop.shipping.rejected import Rejected

LIMIT = 256 << 20
SET_ASIDE, REJECTED = "set-aside", "rejected"
_OURS = frozenset({LOCK, SET_ASIDE, REJECTED})

_log = logging.getLogger(__name__)


class Spool:
    """A locked spool directory, recovered. `SpoolError` when it cannot be had.

    limit: bytes that the queued files may take on disk, in whole blocks.
    set_aside_files: how many files were moved to set-aside/ because they are not what a spool
    file must be; only those with a valid name had records that are counted (as rejected).
    """

    def __init__(self, path: str | os.PathLike[str], limit: int = LIMIT) -> None:
        self._limit = limit
        self._state = threading.Lock()  # the queue and the counts
        self._writing = threading.Lock()  # the one unfinished file
        self._listener: Callable[[], None] = lambda: None
        self._queue = Queue()
        self._in_flight: Entry | None = None
        self._recovered = self._spooled = self._delivered = 0
        self._refused = self._evicted = self._unspooled = 0
        self._evicting = False
        self.set_aside_files = 0
        self._held = contextlib.ExitStack()  # descriptors, given back in reverse: the lock last
        with contextlib.ExitStack() as opened:
            self._main = opened.enter_context(Directory(os.fspath(path)))
            opened.callback(os.close, self._main.lock())
            self._aside = opened.enter_context(Directory(SET_ASIDE, self._main))
            kept = opened.enter_context(Directory(REJECTED, self._main))
            self._rejected = Rejected(kept)
            self._recover()
            self._held = opened.pop_all()

    def _recover(self) -> None:
        found: list[Entry] = []
        for name, status in self._main.entries():
            if stat.S_ISLNK(status.st_mode):
                cure = "remove it, and look who made it: nobody but the agent should write here"
                raise SpoolError(
                    "a symbolic link is in the spool", f"{self._main.path}/{name}", cure
                )
            if name in _OURS or name == "lost+found":  # the latter is the file system's own
                continue
            if name == UNFINISHED:
                self._main.unlink(name)
                continue
            entry = parse(name)
            whole = stat.S_ISREG(status.st_mode) and entry and entry.size == status.st_size
            if entry and whole and status.st_uid == os.geteuid():
                found.append(entry)
            else:
                self._aside_with(name, "it is torn, or no file of ours")
        for entry in sorted(found):
            self._queue.append(entry)
        self._recovered = self._queue.records
        # The clock's nanoseconds keep a name from coming back once the spool has been empty.
        self._next = max(found[-1].sequence + 1 if found else 0, time.time_ns())

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have the listener called after each put (by the thread that puts)."""
        self._listener = listener

    def put(self, request: Request) -> None:
        """Keep a request: it would outlive a power cut when this returns.

        `SpoolError` when it cannot be written; then nothing of it is left, nothing is counted, and
        the caller decides: try again, or `abandon` it.
        """
        if request.records < 1:
            raise ValueError("a request without records is not worth a file")
        packed = pack(request.body)
        with self._writing:
            entry = Entry(self._next, request.records, len(packed))
            self._make_room(entry)
            self._next += 1
            self._main.write(entry.name, packed)
            with self._state:
                self._queue.append(entry)
                self._spooled += entry.records
        self._listener()

    def _make_room(self, entry: Entry) -> None:
        """Evict the oldest until the entry fits beside what is in flight."""
        while True:
            with self._state:
                busy = self._in_flight.cost if self._in_flight else 0
                if self._queue.cost + busy + entry.cost <= self._limit:
                    return
                if not self._queue:
                    what = f"a request of {entry.size} bytes does not fit beside the one in flight"
                    raise SpoolError(what, self._main.path, "raise --spool-limit")
                self._main.unlink(self._queue.oldest().name)
                self._evicted += self._queue.pop().records
                begins, self._evicting = not self._evicting, True
            if begins:
                where = self._main.path
                _log.warning("the spool %s is full: from now on the oldest records go", where)

    def abandon(self, records: int) -> None:
        """Count records that could not be put and are gone."""
        with self._state:
            self._unspooled += records

    def oldest(self) -> Entry | None:
        """The oldest file, in flight from now on; the same again until it is decided."""
        with self._state:
            if self._in_flight is None and self._queue:
                self._in_flight = self._queue.pop()
            return self._in_flight

    def read(self, entry: Entry) -> bytes:
        """The request as it was packed; `SpoolError` if it cannot be read."""
        return self._main.read(entry.name)

    def acknowledge(self, entry: Entry, rejected: int = 0) -> None:
        """The file in flight is decided: all of it was delivered, but for `rejected` records."""
        with self._state:
            self._settle(entry, rejected)
            self._evicting = False
            try:
                self._main.unlink(entry.name)
            except SpoolError as error:  # it is decided all the same; a restart may send it again
                _log.error("%s; its records may be sent twice", error)

    def keep_rejected(self, entry: Entry, index: int, body: bytes, why: str) -> None:
        """Keep one refused record (packed) with the answer, for people; it is not counted here."""
        self._rejected.keep(f"{entry.sequence:020d}-{index:06d}", body, why)

    def set_aside(self, entry: Entry, why: str) -> None:
        """The file in flight is no request: move it away, and count its records as rejected."""
        with self._state:
            self._settle(entry, entry.records)
            self._aside_with(entry.name, why)

    def _settle(self, entry: Entry, rejected: int) -> None:
        if entry != self._in_flight:
            raise ValueError(f"{entry.name} is not in flight")
        self._in_flight = None
        rejected = min(rejected, entry.records)
        self._refused += rejected
        self._delivered += entry.records - rejected

    def _aside_with(self, name: str, why: str) -> None:
        self.set_aside_files += 1
        try:
            there = self._main.move(name, self._aside)
            _log.error("%r in %s was set aside as %r: %s", name, self._main.path, there, why)
        except SpoolError as error:
            _log.error("%s; it is left alone: %s", error, why)

    def counts(self) -> ShippingCounts:
        """All counts, at one moment."""
        with self._state:
            busy = self._in_flight.records if self._in_flight else 0
            return ShippingCounts(
                recovered=self._recovered,
                spooled=self._spooled,
                delivered=self._delivered,
                rejected=self._refused,
                evicted=self._evicted,
                on_disk=self._queue.records + busy,
                unspooled=self._unspooled,
            )

    def files(self) -> int:
        """How many requests wait, the one in flight included."""
        with self._state:
            return len(self._queue) + (self._in_flight is not None)

    def close(self) -> None:
        """Let another agent have the directory. What is in it stays."""
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
