"""Whether a joined signal is kept: the filters that only user space can judge."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from otel_killsnoop.filter_keys import Plain
from otel_killsnoop.filters import Expression
from otel_killsnoop.model import Facts, Joined, Process

# Pairs are few as a rule. A bound, for each holds its processes with their arguments.
KNOWN = 1024

_Pair = tuple[Facts, Process | None, Process | None]

_SIDE = {
    "comm": "comm",
    "uid": "uid",
    "user": "user",
    "container": "container_id",
    "pod": "pod_uid",
    "unit": "systemd_unit",
}
# key -> which of the pair has it, and what reads it there
READS: dict[str, tuple[int, Callable[[object], Plain | None]]] = {
    "signal": (0, attrgetter("number")),
    "cause": (0, attrgetter("cause")),
    "call": (0, attrgetter("call")),
    "result": (0, attrgetter("result")),
    "scope": (0, attrgetter("scope")),
    "target.disposition": (0, attrgetter("disposition")),
}
READS |= {f"source.{key}": (1, attrgetter(name)) for key, name in _SIDE.items()}
READS |= {f"target.{key}": (2, attrgetter(name)) for key, name in _SIDE.items()}


class Filter:
    """Keeps what one of `include` holds for (all, when that is empty) and none of `exclude`.

    What a side does not have matches no value. left_out: signals not kept so far.
    Filters of the same expressions are equal, whatever they have counted.
    """

    __hash__ = None  # type: ignore[assignment]  # it counts
    __slots__ = ("_exclude", "_include", "_verdicts", "exclude", "include", "left_out")

    def __init__(self, include: tuple[Expression, ...], exclude: tuple[Expression, ...]) -> None:
        self.include = include
        self.exclude = exclude
        self.left_out = 0
        self._include = [_checks(one) for one in include]
        self._exclude = [_checks(one) for one in exclude]
        self._verdicts: dict[_Pair, bool] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Filter):
            return NotImplemented
        return (self.include, self.exclude) == (other.include, other.exclude)

    def keeps(self, joined: Joined) -> bool:
        """Whether it is kept; counted when it is not. One look-up for a pair that is known."""
        signal, source, target = joined
        # By processes, not by sides: ancestors do not matter, and need not be held for it.
        pair = (
            signal.facts,
            None if source is None else source.process,
            None if target is None else target.process,
        )
        kept = self._verdicts.get(pair)
        if kept is None:
            kept = self._judged(pair)
        if not kept:
            self.left_out += 1
        return kept

    def _judged(self, pair: _Pair) -> bool:
        if len(self._verdicts) >= KNOWN:
            self._verdicts.clear()
        kept = not any(_holds(one, pair) for one in self._exclude)
        if kept and self._include:
            kept = any(_holds(one, pair) for one in self._include)
        self._verdicts[pair] = kept
        return kept


class _Check(NamedTuple):
    """A term, ready to be asked: which of the pair has the value, and what reads it there."""

    part: int
    read: Callable[[object], Plain | None]
    negated: bool
    any: bool
    exact: frozenset[Plain]
    prefixes: tuple[bytes | str, ...]


_Checks = tuple[_Check, ...]


def _checks(expression: Expression) -> _Checks:
    """Those of the signal first: they take no reading of a side."""
    made = [
        _Check(*READS[term.key], term.negated, term.any, term.exact, term.prefixes)
        for term in expression
    ]
    return tuple(sorted(made, key=lambda check: check.part))


def _holds(checks: _Checks, pair: _Pair) -> bool:
    for part, read, negated, is_any, exact, prefixes in checks:
        owner = pair[part]
        value = None if owner is None else read(owner)
        if value is None:
            matches = False
        elif is_any or value in exact:
            matches = True
        else:
            # Of one key all are of one type, and numbers have no beginnings.
            matches = bool(prefixes) and value.startswith(prefixes)  # type: ignore[union-attr, arg-type]
        if matches is negated:
            return False
    return True
