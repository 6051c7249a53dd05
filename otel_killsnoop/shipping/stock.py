"""What the spool has, as numbers: on disk, in memory, in flight, and what became of the rest.

Values only: no file, no lock, no clock. The spool does to its files what is said here, under its
lock. A record that is held in memory is counted as spooled when it leaves it: onto the disk, or
because it was decided.
"""

from __future__ import annotations

from otel_killsnoop.model import ShippingCounts
from otel_killsnoop.shipping.queue import Entry, Queue


class Stock:
    """recovered + spooled = delivered + rejected + evicted + on_disk, after each method.

    limit: bytes on disk, in whole blocks.  memory: bytes of requests that may be held in memory.
    undeleted: decided files that the disk would not let go of; they take room all the same.
    """

    def __init__(self, limit: int, memory: int) -> None:
        self._limit, self._memory = limit, memory
        self._queue = Queue()
        self._held: dict[Entry, bytes] = {}  # oldest first; the one in flight stays in it
        self._held_bytes = 0
        self._in_flight: Entry | None = None
        self.undeleted = Queue()
        self._recovered = self._spooled = self._delivered = 0
        self._refused = self._evicted = self._unspooled = 0

    def recovered(self, entry: Entry) -> None:
        """A file was there at the start."""
        self._recovered += entry.records
        self._queue.append(entry)

    def torn(self, entry: Entry) -> None:
        """A file was there at the start, and all its records are lost."""
        self._recovered += entry.records
        self._refused += entry.records

    def stored(self, entry: Entry) -> None:
        """A request is on disk, and never was in memory."""
        self._spooled += entry.records
        self._queue.append(entry)

    def hold(self, entry: Entry, body: bytes) -> bool:
        """Hold a request in memory; False if that is full."""
        if self._held_bytes + entry.size > self._memory:
            return False
        self._held[entry] = body
        self._held_bytes += entry.size
        return True

    def held(self) -> tuple[Entry, bytes] | None:
        """The oldest in memory, None if there is none."""
        return next(iter(self._held.items()), None)

    def body(self, entry: Entry) -> bytes | None:
        """The bytes of a request that is in memory; None if it is not."""
        return self._held.get(entry)

    def saved(self, entry: Entry) -> bool:
        """A request that was in memory is on disk; False if it was decided meanwhile."""
        if not self._leaves_memory(entry):
            return False
        if entry != self._in_flight:
            self._queue.append(entry)
        return True

    def _leaves_memory(self, entry: Entry) -> bool:
        if self._held.pop(entry, None) is None:
            return False
        self._held_bytes -= entry.size
        self._spooled += entry.records
        return True

    def give_up_held(self) -> int:
        """Nothing is held in memory from now on; how many records are gone with what was."""
        gone = sum(entry.records for entry in self._held)
        if self._in_flight in self._held:
            self._in_flight = None
        self._held.clear()
        self._held_bytes = self._memory = 0
        self._unspooled += gone
        return gone

    def abandon(self, records: int) -> None:
        """Records are gone that never got here."""
        self._unspooled += records

    def fits(self, entry: Entry) -> bool:
        """Whether there is room on disk for one more."""
        return self._queue.cost + self._fixed() + entry.cost <= self._limit

    def could_fit(self, entry: Entry) -> bool:
        """Whether there would be if all that may be evicted were."""
        return self._fixed() + entry.cost <= self._limit

    def _fixed(self) -> int:
        """Bytes on disk that eviction cannot free."""
        busy = self._in_flight
        return self.undeleted.cost + (busy.cost if busy and busy not in self._held else 0)

    def next_victim(self) -> Entry:
        """The file that goes first when the disk is full; IndexError if there is none."""
        return self._queue.oldest()

    def evict(self) -> None:
        """It is gone."""
        self._evicted += self._queue.pop().records

    def take(self) -> Entry | None:
        """The next to send, in flight from now on; the same again until it is settled.

        What is in memory goes first: it is what a crash would cost.
        """
        if self._in_flight is None:
            if self._held:
                self._in_flight = next(iter(self._held))
            elif self._queue:
                self._in_flight = self._queue.pop()
        return self._in_flight

    def is_on_disk(self, entry: Entry) -> bool:
        """Whether this is the one in flight, and there is a file of it."""
        return entry == self._in_flight and entry not in self._held

    def settle(self, entry: Entry, rejected: int) -> bool:
        """The one in flight is decided; whether there is a file of it. ValueError for others."""
        if entry != self._in_flight:
            raise ValueError(f"{entry.name} is not in flight")
        self._in_flight = None
        rejected = min(rejected, entry.records)
        self._refused += rejected
        self._delivered += entry.records - rejected
        return not self._leaves_memory(entry)

    def files(self) -> int:
        """How many requests wait, the one in flight included."""
        busy = self._in_flight is not None and self._in_flight not in self._held
        return len(self._queue) + len(self._held) + busy

    def counts(self) -> ShippingCounts:
        """All counts."""
        busy = self._in_flight
        on_disk = busy.records if busy and busy not in self._held else 0
        return ShippingCounts(
            recovered=self._recovered,
            spooled=self._spooled,
            delivered=self._delivered,
            rejected=self._refused,
            evicted=self._evicted,
            on_disk=self._queue.records + on_disk,
            unspooled=self._unspooled,
            in_memory=sum(entry.records for entry in self._held),
        )
