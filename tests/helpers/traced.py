"""A running tracer whose ring is read all the time, so that no other work on the host fills it."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from struct import Struct

from otel_killsnoop.model import NUMBERS, Event, KernelCounts
from otel_killsnoop.tracer import contract, load
from otel_killsnoop.tracer.decode import Decoder

_KIND = Struct("=I")
_PAUSE = 0.001


def assert_adds_up(counts: KernelCounts) -> None:
    """generated = filtered + folded + lost + submitted, number by number."""
    parts = zip(
        counts.generated,
        counts.filtered,
        counts.folded,
        counts.lost,
        counts.submitted,
        strict=True,
    )
    for number, (generated, *rest) in enumerate(parts):
        assert generated == sum(rest), f"signal {number}: {generated} of which {rest}"


class Traced:
    """A tracer and a thread that empties its ring into a list. Made by `traced`."""

    def __init__(self, tracer: load.Tracer) -> None:
        self.tracer = tracer
        self.records: list[tuple[int, bytes]] = []
        self._failed: BaseException | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        ring = self.tracer.ring
        try:
            while True:
                ending = self._end.is_set()
                found = ring.read(4096)
                ring.commit()
                self.records += found
                if not found:
                    if ending:
                        return
                    self._end.wait(_PAUSE)
        except BaseException as error:
            self._failed = error

    def counts(self) -> KernelCounts:
        """The counters now, after a look whether they add up."""
        counts = self.tracer.counts()
        assert_adds_up(counts)
        return counts

    def finish(self) -> KernelCounts:
        """Detach, read all that is left, hold what was read against the counters; the counters."""
        self.tracer.detach()
        self._end.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed
        counts = self.counts()
        signals = sum(_KIND.unpack_from(one)[0] == contract.SIGNAL for _, one in self.records)
        assert signals == sum(counts.submitted)
        assert len(counts.generated) == NUMBERS
        assert set(counts.recursion_misses) >= {"fork", "exec", "exit", "signal", "oom", "cgroup"}
        return counts

    def events(self) -> list[Event]:
        """All events, after `finish`."""
        decoder = Decoder(self.tracer.made_at)
        events = decoder.decode(self.records)
        assert decoder.undecodable == 0
        sequences = [one.sequence for one in events]
        assert all(a < b for a, b in itertools.pairwise(sequences))
        return events


@contextlib.contextmanager
def traced(options: load.Options | None = None) -> Iterator[Traced]:
    tracer = load.attach(options or load.Options())
    one = Traced(tracer)
    try:
        yield one
    finally:
        one._end.set()
        one._thread.join()
        tracer.close()
