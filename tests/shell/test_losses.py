"""What was lost -> one gap record a reason and look, each with its own stretch of time."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from otel_killsnoop.losses import Losses
from otel_killsnoop.model import NUMBERS, KernelCounts, Request, ShippingCounts
from otel_killsnoop.tracer.notes import BYTES, Notes

BEGAN, OFFSET = 1_000, 77


class Gap(NamedTuple):
    reason: str
    count: int
    span: tuple[int, int]


class Encoding:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Gap] = []

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request:
        assert offset_ns == OFFSET
        assert observed_ns - offset_ns >= span[1]
        self.told.append(Gap(reason, count, span))
        return Request(b"", 1)


def kernel(lost: int, between: tuple[int, int] = (0, 0), **more: int) -> KernelCounts:
    by_number = (0,) * 10 + (lost,) + (0,) * (NUMBERS - 11)
    return KernelCounts(
        lost=by_number,
        table_lost={"fork": more.get("forks", 0), "attempt": more.get("attempts", 0)},
        recursion_misses={"signal": more.get("skipped", 0), "exec": more.get("execs", 0)},
        lost_between={"ring_full": between},
    )


def looked(*looks: tuple[KernelCounts, int]) -> list[list[Gap]]:
    encoding = Encoding()
    losses = Losses(encoding, Notes(mmap.mmap(-1, BYTES)), BEGAN)
    told = []
    for counts, now in looks:
        made = losses.look(counts, 0, ShippingCounts(), now, OFFSET, True)
        assert len(made) == len(encoding.told)
        told.append(list(encoding.told))
        encoding.told.clear()
    assert losses.made == sum(map(len, told))
    return told


def test_each_loss_is_told_once_with_the_kernels_times() -> None:
    assert looked(
        (kernel(0), 2_000),
        (kernel(7, (2_100, 2_900)), 3_000),
        (kernel(7, (2_100, 2_900)), 4_000),
        (kernel(9, (4_200, 4_300)), 5_000),
    ) == [
        [],
        [Gap("ring_full", 7, (2_100, 2_900))],
        [],
        [Gap("ring_full", 2, (4_200, 4_300))],
    ]


def test_a_loss_between_a_look_and_its_turn_does_not_reach_back() -> None:
    """The kernel notes it with those before, which were told: it came after the last of them."""
    assert looked(
        (kernel(7, (2_100, 2_900)), 3_000),
        (kernel(8, (2_100, 3_001)), 4_000),
    ) == [
        [Gap("ring_full", 7, (2_100, 2_900))],
        [Gap("ring_full", 1, (2_900, 3_001))],
    ]


def test_what_has_no_times_of_its_own_was_lost_between_two_looks() -> None:
    """Skipped programs, by what their records would have been."""
    assert looked(
        (kernel(0, skipped=1), 2_000),
        (kernel(0, skipped=3, execs=4, forks=5, attempts=6), 3_000),
    ) == [
        [Gap("skipped", 1, (BEGAN, 2_000))],
        [
            Gap("skipped", 2, (2_000, 3_000)),
            Gap("attempts", 6, (2_000, 3_000)),
            Gap("lives", 9, (2_000, 3_000)),
        ],
    ]
