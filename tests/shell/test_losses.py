"""What was lost -> one gap record a reason and look, each with its own stretch of time."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from otel_killsnoop.losses import Before, Losses
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


def new_notes() -> Notes:
    return Notes(mmap.mmap(-1, BYTES))


def looked(
    *looks: tuple[KernelCounts, int], before: Before | None = None, dead: int = 0
) -> list[list[Gap]]:
    encoding = Encoding()
    losses = Losses(encoding, new_notes(), BEGAN, before)
    told = []
    for counts, now in looks:
        made = losses.look(counts, 0, ShippingCounts(), now, OFFSET, True, kernel(dead))
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


def test_what_an_agent_before_has_told_is_not_told_again() -> None:
    before = Before({"ring_full": 7}, {"ring_full": 7}, 500)
    looks = (kernel(0), 2_000), (kernel(2, (2_100, 2_900)), 3_000)
    assert looked(*looks, before=before, dead=7) == [
        [],
        [Gap("ring_full", 2, (2_100, 2_900))],
    ]


def test_what_an_agent_before_could_not_tell_was_lost_since_its_last_look() -> None:
    """Another boot's, with some of the new ring: whose kernel's times are of that ring only."""
    before = Before({"ring_full": 7, "skipped": 0}, {"ring_full": 4}, -500)
    assert looked(
        (kernel(1, (1_100, 1_200), skipped=1), 2_000),
        (kernel(2, (2_100, 2_900), skipped=1), 3_000),
        before=before,
        dead=7,
    ) == [
        [
            Gap("ring_full", 1, (1_100, 1_200)),
            Gap("skipped", 1, (BEGAN, 2_000)),
            Gap("ring_full", 3, (-500, 1_999)),
        ],
        [Gap("ring_full", 1, (2_100, 2_900))],
    ]


def test_what_is_told_late_is_told_from_the_first_look_that_could_not() -> None:
    """And `looked` waits with it, for the next agent."""
    encoding = Encoding()
    losses = Losses(encoding, new_notes(), BEGAN)
    assert losses.looked == BEGAN
    seen = []
    for now, delivered, evicted in ((2_000, 0, 0), (3_000, 0, 5), (4_000, 0, 6), (5_000, 1, 6)):
        counts = ShippingCounts(delivered=delivered, evicted=evicted)
        losses.look(KernelCounts(), 0, counts, now, OFFSET, True)
        seen.append(losses.looked)
    assert encoding.told == [Gap("evicted", 6, (2_000, 5_000))]
    assert seen == [2_000, 2_000, 2_000, 5_000]


def test_a_killed_agents_gap_goes_from_its_last_note_to_the_new_ring() -> None:
    encoding = Encoding()
    losses = Losses(encoding, new_notes(), BEGAN)
    losses.killed(3, 8, (-70, BEGAN), 1_500, OFFSET)
    assert encoding.told == [Gap("orphaned", 3, (-70, BEGAN))]
    assert losses.told == {"orphaned": 8}
    assert losses.made == 1
