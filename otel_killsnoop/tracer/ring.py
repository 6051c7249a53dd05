"""Reader of a BPF ring buffer (BPF_MAP_TYPE_RINGBUF): bytes and positions, and no system calls
but the two mmaps of `map_ring`.

The kernel's layout, in pages: the consumer position, the producer position, the data, and the
same data once more, so that a record which crosses the end is in one piece. A record is a header
(u32: length, busy bit, discard bit; u32: of no use here) and its payload, in multiples of 8 bytes.
Positions are u64 that only grow, so a record's position names it for as long as the map lives.

Source: kernel/bpf/ringbuf.c of the kernel.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable

from otel_killsnoop.errors import RingError

_BUSY, _DISCARD = 1 << 31, 1 << 30
_HEADER = 8


def _nothing() -> None:
    """The fence of x86_64, where loads are seen in order, and stores not before them."""


def map_ring(fd: int, size: int, fence: Callable[[], None] = _nothing) -> Ring:
    """The ring of a map's descriptor, which may be closed after; size: the map's max_entries.

    OSError if it cannot be mapped; then nothing is left mapped.
    """
    page, write = mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE
    with contextlib.ExitStack() as opened:
        consumer = opened.enter_context(mmap.mmap(fd, page, mmap.MAP_SHARED, write))
        producer = opened.enter_context(
            mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        )
        ring = Ring(consumer, producer, size, fence)
        opened.pop_all()
        return ring


class Ring:
    """One reader's place in a ring. `close` it when done; nothing else may be called after that.

    consumer: the writable page.  producer: the page of the producer position and the data twice.
    size: bytes of the data.  fence: orders what this CPU loads and stores before and after it,
    for machines that do not do so by themselves; it must do so in a process of one thread too.
    """

    def __init__(
        self,
        consumer: mmap.mmap,
        producer: mmap.mmap,
        size: int,
        fence: Callable[[], None] = _nothing,
    ) -> None:
        page = mmap.PAGESIZE
        if size < page or size & (size - 1) or len(producer) != page + 2 * size:
            raise RingError(
                "the ring's mapping is of another size",
                f"{len(producer)} bytes for a ring of {size}",
                "map it with the max_entries of its own map",
            )
        self._maps = consumer, producer
        self._size, self._fence = size, fence
        self._data = producer
        # Native loads and stores of whole words: the kernel reads and writes these at any moment.
        self._consumer = memoryview(consumer)[:8].cast("Q")
        self._producer = memoryview(producer)[:8].cast("Q")
        self._headers = memoryview(producer)[page:].cast("I")
        self._committed = self._position = self._consumer[0]

    @property
    def position(self) -> int:
        """Where the next read goes on: behind the last record that was read."""
        return self._position

    @property
    def pending(self) -> int:
        """Bytes that the kernel has reserved and `commit` has not given back."""
        return self._end() - self._committed

    @property
    def unread(self) -> int:
        """Bytes that the kernel has reserved and `read` has not come to."""
        return self._end() - self._position

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """Up to limit records after the last one read, in order: (position, payload).

        It ends at a record that is not finished yet; the next read comes back to it. Discarded
        records are left out. Nothing is given back to the kernel before `commit`. `RingError` for
        what no kernel writes; then nothing counts as read.
        """
        end, position = self._end(), self._position
        if position == end:
            return []
        self._fence()  # the headers are not older than the producer position
        headers, mask, base = self._headers, self._size - 1, mmap.PAGESIZE + _HEADER
        found: list[tuple[int, int, int]] = []
        add = found.append
        while position < end and len(found) < limit:
            offset = position & mask
            length = headers[offset >> 2]
            if length >= _BUSY:
                break
            if length < _DISCARD:
                add((position, base + offset, base + offset + length))
            else:
                length -= _DISCARD
            position += (length + _HEADER + 7) & -8
        if position > end:
            raise self._impossible(f"a record of {length} bytes ends at {position}, after {end}")
        self._fence()  # the payloads are not older than the headers
        data = self._data
        records = [(where, data[start:stop]) for where, start, stop in found]
        self._position = position
        return records

    def commit(self, before: int | None = None) -> None:
        """Give back what was read, for the kernel to write over it.

        before: the position of a record that was read and must stay, with all that follow it;
        None for all that was read. `RingError` if it was given back already or not read yet.
        """
        to = self._position if before is None else before
        if not self._committed <= to <= self._position or to & 7:
            raise self._impossible(f"a commit up to {to}")
        if self._committed != to:
            self._fence()  # what was read is not younger than this store
            self._consumer[0] = self._committed = to

    def rewind(self) -> None:
        """Forget what was read since the last commit: it will be read again."""
        self._position = self._committed

    def close(self) -> None:
        """Undo the mappings, without a commit. May be called twice."""
        for view in (self._consumer, self._producer, self._headers):
            view.release()
        for one in self._maps:
            one.close()

    def _end(self) -> int:
        """The producer position, after a look whether it can be."""
        end = self._producer[0]
        if (end | self._committed) & 7:
            raise self._impossible(f"the producer position {end}, or ours, is not a multiple of 8")
        if not self._position <= end <= self._committed + self._size:
            raise self._impossible(f"the producer position {end} is out of the ring")
        return end

    def _impossible(self, on: str) -> RingError:
        where = f"{on} (committed {self._committed}, read to {self._position})"
        return RingError("the ring contradicts itself", where, "restart the agent, and report it")
