"""A million signals at full speed through a small ring: each is read or counted as lost."""

from __future__ import annotations

import threading
from collections import Counter
from struct import Struct

import pytest
from flood import ignorer, sender
from traced import assert_adds_up

from otel_killsnoop.tracer import contract, load

pytestmark = pytest.mark.kernel

SIGNALS = 1_000_003
SHARES = (500_009, SIGNALS - 500_009)
BURST = 499
_LAYOUT = contract.LAYOUT["killsnoop_signal"]
_KIND, _NUMBER, _PID = (
    (Struct("=I"), _LAYOUT[member][0]) for member in ("kind", "how.number", "source.pid")
)
_RECORD = contract.whole("killsnoop_signal").size + 8  # with the ring's own header


class Counting:
    """A reader that keeps nothing: signals of one number by their source's pid."""

    def __init__(self, tracer: load.Tracer, number: int) -> None:
        self.by_pid: Counter[int] = Counter()
        self.all = 0
        self.last = -1
        self._ring = tracer.ring
        self._number = number

    def read(self) -> int:
        """All that is there; how many signals of ours."""
        found = self._ring.read(1 << 30)
        before = self.all
        for position, payload in found:
            assert position > self.last
            self.last = position
            if _member(payload, _KIND) == contract.SIGNAL:
                assert _member(payload, _NUMBER) == self._number
                self.by_pid[_member(payload, _PID)] += 1
                self.all += 1
        self._ring.commit()
        return self.all - before


def _member(payload: bytes, place: tuple[Struct, int]) -> int:
    value: int = place[0].unpack_from(payload, place[1])[0]
    return value


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
@pytest.mark.parametrize("size", [64 << 10, 1 << 20], ids=["64 KiB", "1 MiB"])
def test_what_a_reader_does_not_read_in_time_is_counted(
    size: int, direct: bool, own_number: int
) -> None:
    options = load.Options(frozenset({own_number}), ring_size=size, direct=direct)
    tracer = load.attach(options)
    reader = Counting(tracer, own_number)
    end = threading.Event()
    failed: list[BaseException] = []

    def keep_reading() -> None:
        try:
            while not end.is_set():
                reader.read()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=keep_reading)]
    try:
        with ignorer(own_number) as target, sender("one") as one, sender("other") as other:
            pids = one.pid, other.pid
            senders = [
                threading.Thread(target=each.flood, args=(target, own_number, share))
                for each, share in zip((one, other), SHARES, strict=True)
            ]
            threads += senders
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in senders):
                assert_adds_up(tracer.counts())  # while the kernel writes them, too
        tracer.detach()
        end.set()
        threads[0].join()
        assert failed == []
        reader.read()
        counts = tracer.counts()
        assert_adds_up(counts)
        assert counts.generated[own_number] == SIGNALS
        assert counts.filtered[own_number] == counts.folded[own_number] == 0
        assert reader.all == counts.submitted[own_number]
        assert reader.all + counts.lost[own_number] == SIGNALS
        assert set(reader.by_pid) <= set(pids)
        assert all(reader.by_pid[pid] <= share for pid, share in zip(pids, SHARES, strict=True))
        assert set(counts.recursion_misses.values()) == {0}
        assert tracer.ring.position >= reader.all * _RECORD > 2 * size
        assert tracer.ring.pending == 0
    finally:
        end.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        tracer.close()


def test_nothing_is_lost_while_the_reader_keeps_up(own_number: int) -> None:
    """Sender and reader take turns: hundreds of rings full, none lost."""
    size = 256 << 10
    bursts = [BURST] * (SIGNALS // BURST) + [SIGNALS % BURST]
    tracer = load.attach(load.Options(frozenset({own_number}), ring_size=size))
    try:
        reader = Counting(tracer, own_number)
        with ignorer(own_number) as target, sender("one") as one:
            for burst in bursts:
                one.flood(target, own_number, burst)
                assert reader.read() == burst
            assert reader.by_pid == {one.pid: SIGNALS}
        tracer.detach()
        counts = tracer.counts()
        assert_adds_up(counts)
        assert counts.submitted[own_number] == counts.generated[own_number] == SIGNALS
        assert counts.lost[own_number] == 0
        assert tracer.ring.position > 500 * size
    finally:
        tracer.close()


def test_a_full_ring_keeps_what_came_first(own_number: int) -> None:
    """Nobody reads before it is over: what fits is there, whole, and the rest is counted."""
    size = 64 << 10
    tracer = load.attach(load.Options(frozenset({own_number}), ring_size=size))
    try:
        reader = Counting(tracer, own_number)
        with ignorer(own_number) as target, sender("one") as one:
            one.flood(target, own_number, 10_007)
            tracer.detach()
            counts = tracer.counts()
            assert counts.generated[own_number] == 10_007
            assert 0 < counts.submitted[own_number] <= size // _RECORD
            assert counts.lost[own_number] == 10_007 - counts.submitted[own_number]
            assert reader.read() == counts.submitted[own_number]
            assert set(reader.by_pid) == {one.pid}
    finally:
        tracer.close()
