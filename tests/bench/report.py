"""Rows of figures, and how they are printed: plain text, one table a subject."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

_HEADS = ("", "median", "range", "unit", "against")


@dataclass
class Row:
    """values: one a round, in the order of the rounds; rows of a table share their rounds.

    against: what its figures are held against, as text.
    """

    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    against: list[str] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, peer: Row, name: str) -> Row:
        """Say how much this is more than the peer, round by round."""
        self._held(peer, name, lambda a, b: a - b, lambda by: f"{by:+,.{_places(by)}f}")
        return self

    def times(self, peer: Row, name: str) -> Row:
        """Say how many times the peer this is, round by round."""
        self._held(peer, name, lambda a, b: a / b, lambda by: f"{by:.2f} x")
        return self

    def note(self, text: str) -> Row:
        """Say anything else."""
        self.against.append(text)
        return self

    def _held(self, peer: Row, name: str, by: object, shown: object) -> None:
        assert callable(by)
        assert callable(shown)
        if not self.values or not peer.values:
            return
        both = [by(a, b) for a, b in zip(self.values, peer.values, strict=False)]
        self.against.append(f"{shown(statistics.median(both))} {name}")


def _places(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def _shown(value: float) -> str:
    return f"{value:,.{_places(value)}f}"


def _cells(row: Row) -> tuple[str, ...]:
    against = "; ".join(row.against)
    if not row.values:
        return row.name, "-", "", row.unit, against
    low, high = min(row.values), max(row.values)
    spread = f"{_shown(low)} - {_shown(high)}" if len(row.values) > 1 else "once"
    return row.name, _shown(row.median), spread, row.unit, against


def table(title: str, rows: Iterable[Row], notes: Sequence[str] = ()) -> None:
    """Print a table, and below it what else is to be said."""
    lines = [_HEADS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    print(f"\n== {title}")
    for name, median, spread, unit, against in lines:
        cells = (
            name.ljust(widths[0]),
            median.rjust(widths[1]),
            spread.rjust(widths[2]),
            unit.ljust(widths[3]),
            against,
        )
        print("  ".join(cells).rstrip())
    for note in notes:
        print(f"   {note}")
    print(flush=True)
