"""Everything that the kernel counts of a loaded tracer, as one reading."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from otel_killsnoop.model import LIVES, KernelCounts
from otel_killsnoop.tracer import bpf, counters
from otel_killsnoop.tracer.members import TRACEPOINTS
from otel_killsnoop.tracer.turns import Turns


class Tally:
    """by_number, table: the program's counters.  turns: says what was told of losses.

    programs: descriptors by name; one that is no tracepoint's is a function's, and sees attempts.
    """

    def __init__(
        self,
        by_number: counters.Elements,
        table: counters.Elements,
        turns: Turns,
        programs: Mapping[str, int],
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
        found: dict[str, int] = {}
        for name, descriptor in self._programs.items():
            event = name if name in TRACEPOINTS else "attempt"
            # A kernel that does not tell: what it did not count is not made up.
            with contextlib.suppress(OSError):
                found[event] = found.get(event, 0) + bpf.recursion_misses(descriptor)
        return found
