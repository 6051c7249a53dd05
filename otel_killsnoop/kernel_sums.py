"""The kernel's counts of several tracers together, and as JSON that leaves out the zeros."""

from __future__ import annotations

from collections.abc import Mapping

from otel_killsnoop.model import NUMBERS, KernelCounts

_BY_NUMBER = ("generated", "filtered", "folded", "lost", "submitted")
_BY_PROGRAM = ("table_lost", "recursion_misses")


def together(one: KernelCounts, other: KernelCounts) -> KernelCounts:
    """Their sums. The times of losses are the other's: they are of a ring that is there."""

    def numbers(name: str) -> tuple[int, ...]:
        pairs = zip(getattr(one, name), getattr(other, name), strict=True)
        return tuple(a + b for a, b in pairs)

    return KernelCounts(
        generated=numbers("generated"),
        filtered=numbers("filtered"),
        folded=numbers("folded"),
        lost=numbers("lost"),
        submitted=numbers("submitted"),
        table_lost=_sums(one.table_lost, other.table_lost),
        recursion_misses=_sums(one.recursion_misses, other.recursion_misses),
        refused=one.refused + other.refused,
        lost_between=other.lost_between,
        unread=one.unread + other.unread,
    )


def _sums(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**other, **one}}


def told(counts: KernelCounts) -> dict[str, object]:
    """As JSON has it; numbers are strings there. Without times, which nobody needs later."""
    made: dict[str, object] = {"refused": counts.refused, "unread": counts.unread}
    for name in _BY_NUMBER:
        values = getattr(counts, name)
        if any(values):
            made[name] = {str(number): value for number, value in enumerate(values) if value}
    for name in _BY_PROGRAM:
        made[name] = dict(getattr(counts, name))
    return made


def untold(made: Mapping[str, object]) -> KernelCounts:
    """The counts that were told so; what is not as expected counts as zero."""

    def numbers(name: str) -> tuple[int, ...]:
        values = _counts(made.get(name))
        return tuple(values.get(str(number), 0) for number in range(NUMBERS))

    return KernelCounts(
        generated=numbers("generated"),
        filtered=numbers("filtered"),
        folded=numbers("folded"),
        lost=numbers("lost"),
        submitted=numbers("submitted"),
        table_lost=_counts(made.get("table_lost")),
        recursion_misses=_counts(made.get("recursion_misses")),
        refused=_counts(made).get("refused", 0),
        unread=_counts(made).get("unread", 0),
    )


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    return {str(name): count for name, count in value.items() if isinstance(count, int)}
