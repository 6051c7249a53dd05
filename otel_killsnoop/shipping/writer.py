"""The spool's writing side: onto the disk, or into memory while the disk takes nothing.

The bound of the memory is the bound of what a SIGKILL can cost while the disk is in trouble. It
is left as soon as the disk allows it, the oldest first.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import AbstractContextManager

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.shipping.bookkeeper import Bookkeeper
from otel_killsnoop.shipping.books import Intent
from otel_killsnoop.shipping.directory import Directory
from otel_killsnoop.shipping.queue import Entry
from otel_killsnoop.shipping.stock import Stock

_AT_ONCE = 16  # of the held, before each put: so that a put never takes long, and fewer are left

Lock = AbstractContextManager[bool]

_log = logging.getLogger(__name__)


class Writer:
    """state: the lock over the stock.  writing: over the one unfinished file; taken first.

    memory: as of `Stock`.  retry: seconds between tries at a disk that takes nothing.
    """

    def __init__(
        self,
        directory: Directory,
        stock: Stock,
        books: Bookkeeper,
        state: Lock,
        writing: Lock,
        memory: int,
        retry: float,
    ) -> None:
        self._directory = directory
        self._stock = stock
        self._books = books
        self._state, self._writing = state, writing
        self._memory, self._retry = memory, retry
        self._again = 0.0  # time.monotonic() before which the disk is left in peace
        self._fault: SpoolError | None = None  # why the last write failed, None if it did not
        self._evicting = False

    def put(self, entry: Entry, packed: bytes) -> None:
        """Have it on disk, or else in memory; `SpoolError` when that is full too."""
        with self._writing:
            try:
                if self._save(_AT_ONCE):
                    self._write(entry, packed)
                    with self._state:
                        self._stock.stored(entry)
                        self._books.stored(entry.sequence)
                    return
            except SpoolError as error:
                self._failed(error)
            with self._state:
                taken = self._stock.hold(entry, packed)
                if taken:
                    self._books.held(entry.sequence)
            if not taken:
                raise self._fault or SpoolError("the memory is full", self._directory.path)

    @property
    def due(self) -> float:
        """When to call `rescue` (time.monotonic()); infinite while there is nothing to do."""
        with self._state:
            waits = self._stock.held() is not None or self._stock.undeleted
            return self._again if waits else math.inf

    def rescue(self) -> None:
        """Try to write what is held in memory, and to remove what is decided."""
        try:
            done = False
            while not done:
                with self._writing:  # once for each, for another thread puts meanwhile
                    done = self._save(1) or time.monotonic() < self._again
        except SpoolError as error:
            self._failed(error)
        with self._state:
            self._remove_all()

    def save(self) -> int:
        """The last try before the end; how many records were in memory only, and are gone."""
        with self._writing:
            self._again = 0.0
            try:
                while not self._save(_AT_ONCE):
                    pass
            except SpoolError as error:
                self._failed(error)
            with self._state:
                self._remove_all()
                return self._stock.give_up_held()

    def remove(self, entry: Entry) -> None:
        """A decided file goes, or is tried again if it cannot. Under the lock over the stock."""
        self._evicting = False
        try:
            self._directory.unlink(entry.name)
        except SpoolError as error:
            if not self._stock.undeleted:
                _log.error("%s; until that is done, a restart would send its records again", error)
                self._again = time.monotonic() + self._retry
            self._stock.undeleted.append(entry)

    def _remove_all(self) -> None:
        undeleted = self._stock.undeleted
        try:
            while undeleted:
                self._directory.unlink(undeleted.oldest().name)
                undeleted.pop()
        except SpoolError:  # told already
            self._again = time.monotonic() + self._retry

    def _failed(self, error: SpoolError) -> None:
        self._again = time.monotonic() + self._retry
        if self._fault is None and self._memory:
            _log.error(
                "%s; what comes is held in memory, at most %g MiB, and sent from there; "
                "the disk is tried again",
                error,
                self._memory / (1 << 20),
            )
        self._fault = error

    def _write(self, entry: Entry, packed: bytes) -> None:
        self._make_room(entry)
        self._directory.write(entry.name, packed)
        if self._fault is not None and self._memory:
            _log.info("the spool %s can be written again", self._directory.path)
        self._fault = None

    def _save(self, count: int) -> bool:
        """Write up to so many of what is held in memory; whether none is left."""
        for _ in range(count):
            with self._state:
                held = self._stock.held()
            if held is None:
                return True
            if time.monotonic() < self._again:
                return False
            entry, packed = held
            self._write(entry, packed)
            with self._state:
                self._books.stored(entry.sequence)
                if not self._stock.saved(entry):  # decided while it was written
                    self.remove(entry)
        with self._state:
            return self._stock.held() is None

    def _make_room(self, entry: Entry) -> None:
        """Evict the oldest until the entry fits beside what is in flight."""
        while True:
            with self._state:
                if self._stock.fits(entry):
                    return
                if not self._stock.could_fit(entry):
                    what = f"a request of {entry.size} bytes does not fit beside the one in flight"
                    raise SpoolError(what, self._directory.path, "raise --spool-limit")
                victim = self._stock.next_victim()
                self._books.intend(Intent(victim.sequence, evicted=victim.records))
                self._directory.unlink(victim.name)
                self._stock.evict()
                begins, self._evicting = not self._evicting, True
            if begins:
                where = self._directory.path
                _log.warning("the spool %s is full: from now on the oldest records go", where)
