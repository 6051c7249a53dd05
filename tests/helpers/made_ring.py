"""The kernel's side of a ring, for the tests of its reader."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from otel_killsnoop.tracer.ring import Ring, map_ring

PAGE = mmap.PAGESIZE
SIZE = PAGE
BUSY, DISCARD = 1 << 31, 1 << 30


class Writer:
    """Positions, headers, busy and discard bits in the kernel's order, in a shared memory file.

    The reader maps the file as it would map the map.  start: where both positions begin.
    """

    def __init__(self, size: int = SIZE, start: int = 0) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * PAGE + 2 * size)
        self.memory = mmap.mmap(self.fd, 0)
        self.size, self.position = size, start
        self.memory[0:8] = self.memory[PAGE : PAGE + 8] = struct.pack("=Q", start)

    def store(self, position: int, raw: bytes) -> None:
        """Into the data, and into its second mapping, which here is not the same memory."""
        for index, byte in enumerate(raw):
            at = 2 * PAGE + (position + index) % self.size
            self.memory[at] = self.memory[at + self.size] = byte

    def consumed(self) -> int:
        return int(struct.unpack_from("=Q", self.memory)[0])

    def reserve(self, length: int) -> int | None:
        """The position of a busy record of that length; None if there is no room for it."""
        position = self.position
        end = position + (length + 8 + 7) // 8 * 8
        if end - self.consumed() >= self.size:
            return None
        self.store(position, struct.pack("=II", length | BUSY, 0x55))
        self.advance(end)
        return position

    def advance(self, end: int) -> None:
        self.position = end
        self.memory[PAGE : PAGE + 8] = struct.pack("=Q", end)

    def finish(self, position: int, payload: bytes, bits: int = 0) -> None:
        self.store(position + 8, payload)
        self.store(position, struct.pack("=I", len(payload) | bits))

    def write(self, payload: bytes, bits: int = 0) -> int:
        position = self.reserve(len(payload))
        assert position is not None
        self.finish(position, payload, bits)
        return position

    def close(self) -> None:
        self.memory.close()
        os.close(self.fd)


def payload(number: int, length: int) -> bytes:
    return bytes((number + index) % 251 for index in range(length))


@contextmanager
def made_ring(size: int = SIZE, start: int = 0) -> Iterator[tuple[Writer, Ring]]:
    """A writer, and the reader of its ring."""
    writer = Writer(size, start)
    ring = map_ring(writer.fd, size)
    try:
        yield writer, ring
    finally:
        ring.close()
        writer.close()
