"""Losses are told once; over a kill at any moment at least once, and then by the same name."""

from __future__ import annotations

import mmap

import pytest

from otel_killsnoop.losses import Losses
from otel_killsnoop.model import NUMBERS, KernelCounts, Request, ShippingCounts
from otel_killsnoop.tracer.notes import BYTES, Notes

Told = list[tuple[str, int, int]]


class Encoder:
    """Says what it was given: reason, count and the time of the last."""

    def __init__(self) -> None:
        self.told: Told = []

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request:
        self.told.append((reason, count, span[1]))
        return Request(b"", 1)


def lost(full: int, short: int = 0, unread: int = 0) -> KernelCounts:
    words = (full + short,) + (0,) * (NUMBERS - 1)
    return KernelCounts(lost=words, refused=short, unread=unread)


@pytest.fixture
def memory() -> mmap.mmap:
    return mmap.mmap(-1, BYTES)


def look(losses: Losses, kernel: KernelCounts, now: int, safe: bool = True) -> int:
    return len(losses.look(kernel, 0, ShippingCounts(), now, 0, safe))


def test_each_loss_is_told_once(memory: mmap.mmap) -> None:
    encoder = Encoder()
    losses = Losses(encoder, Notes(memory), 0)
    assert look(losses, lost(0), 1) == 0
    assert look(losses, lost(3, 2), 2) == 2
    assert look(losses, lost(3, 2), 3) == 0
    assert look(losses, lost(10, 2, 1), 4) == 2
    assert encoder.told == [
        ("ring_full", 3, 2),
        ("ring_short", 2, 2),
        ("ring_full", 7, 4),
        ("unread", 1, 4),
    ]
    assert losses.made == 4


def test_while_the_last_telling_is_not_safe_the_next_waits(memory: mmap.mmap) -> None:
    encoder = Encoder()
    losses = Losses(encoder, Notes(memory), 0)
    look(losses, lost(3), 1)
    look(losses, lost(5), 2, safe=False)
    look(losses, lost(9), 3)
    assert encoder.told == [("ring_full", 3, 1), ("ring_full", 6, 3)]


def test_the_next_agent_tells_the_same_again_and_goes_on_from_there(memory: mmap.mmap) -> None:
    first, second = Encoder(), Encoder()
    look(Losses(first, Notes(memory), 0), lost(3), 1)  # and killed before it was safe
    losses = Losses(second, Notes(memory), 0)
    assert len(losses.again(0)) == 1
    look(losses, lost(8), 5)
    assert second.told == [*first.told, ("ring_full", 5, 5)]


def test_the_next_agent_does_not_tell_what_was_safe(memory: mmap.mmap) -> None:
    losses = Losses(Encoder(), Notes(memory), 0)
    look(losses, lost(3), 1)
    look(losses, lost(3), 2)
    second = Encoder()
    losses = Losses(second, Notes(memory), 0)
    assert losses.again(0) == []
    look(losses, lost(4), 3)
    assert second.told == [("ring_full", 1, 3)]


def test_a_loss_of_the_agents_own_is_told_beside(memory: mmap.mmap) -> None:
    encoder = Encoder()
    losses = Losses(encoder, Notes(memory), 0)
    counts = ShippingCounts(unspooled=4, evicted=5)
    losses.look(lost(0), 2, counts, 1, 0, True)
    assert encoder.told == [("undecodable", 2, 1), ("unspooled", 4, 1)]
