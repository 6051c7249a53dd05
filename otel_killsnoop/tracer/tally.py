"""Everything that the kernel counts of a loaded tracer, as one reading."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from otel_killsnoop.model import LIVES, KernelCounts
from otel_killsnoop.tracer import bpf, counters
from otel_killsnoop.tracer.turns import Turns


class Tally:
    """by_number, table: the program's counters.  turns: says what was told of losses.

    programs: descriptors of each program by its name, all that do the same under one.
    """

    def __init__(
        self,
        by_number: counters.Elements,
        table: counters.Elements,
        turns: Turns,
        programs: Mapping[str, Sequence[int]],
    ) -> None:
        self._by_number = by_number
        self._table = table
        self._turns = turns
        self._programs = programs

    def counts(self) -> KernelCounts:
        """Everything counted up to now, exact for each CPU."""
        turn = self._turns.turn
        by_number, table = self._by_number.all(), self._table.all()
        generated, filtered, folded, lost, submitted = counters.by_number(by_number)
        return KernelCounts(
            generated,
            filtered,
            folded,
            lost,
            submitted,
            counters.table_lost(table),
            self._misses(),
            counters.refused(by_number),
            {
                "ring_full": counters.full_span(by_number, turn),
                "ring_short": counters.refused_span(by_number, turn),
                "attempts": counters.table_span(table, turn, ("attempt",)),
                "lives": counters.table_span(table, turn, LIVES),
            },
        )

    def folded(self) -> int:
        """Repeats counted up to now."""
        return sum(counters.by_number(self._by_number.all())[2])

    def told(self) -> None:
        """Have what is lost from here on noted apart."""
        self._turns.next()

    def _misses(self) -> dict[str, int]:
        found = {}
        for name, descriptors in self._programs.items():
            # A kernel that does not tell: what it did not count is not made up.
            with contextlib.suppress(OSError):
                found[name] = sum(map(bpf.recursion_misses, descriptors))
        return found
