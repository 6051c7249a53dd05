"""The words that the kernel program reads and user space writes: struct killsnoop_turns."""

from __future__ import annotations

import mmap

from otel_killsnoop.tracer import contract

BYTES = contract.whole("killsnoop_turns").size


class Turns:
    """The two words in mapped memory; each is read and written by one native access."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._view = memoryview(memory)
        self._words = self._view[:BYTES].cast("Q")

    @property
    def epoch(self) -> int:
        """Its lowest bit says which of the two maps of repeats the program counts in."""
        return self._words[0]

    def switch(self) -> None:
        """Have the program count in the other map; one that runs now may still use the first."""
        self._words[0] = self._words[0] + 1

    @property
    def turn(self) -> int:
        """The number under which the program notes when something is lost."""
        return self._words[1]

    def next(self) -> None:
        """Have it note what is lost from here on apart from what was before."""
        self._words[1] = self._words[1] + 1

    def close(self) -> None:
        """Unmap."""
        self._words.release()
        self._view.release()
        self._memory.close()
