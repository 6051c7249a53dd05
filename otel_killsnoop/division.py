"""Filters divided: what the kernel can decide by itself, and what is left for user space.

The kernel knows a signal's number, and the command name of whoever is running.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_killsnoop.errors import UsageError
from otel_killsnoop.filters import Expression, parse
from otel_killsnoop.matching import Filter
from otel_killsnoop.options import Given
from otel_killsnoop.selection import EVERY, Filters


def divided(exclude: Given, include: Given, faults: list[UsageError]) -> Filters:
    """What the expressions come to; what is wrong with them is appended to the faults."""
    says_none = [text.strip().lower() for text in exclude.texts] == ["none"]
    excluded = () if says_none else parse(exclude, faults)
    included = parse(include, faults)
    passing = _any_of(included) if included else EVERY
    comms: dict[bytes, None] = {}
    rest: list[Expression] = []
    for one in excluded:
        if all(term.key == "signal" for term in one):
            passing -= _numbers(one)
        elif (names := _comms(one)) is not None:
            comms |= dict.fromkeys(names)
        else:
            rest.append(one)
    named = _any_of(one for one in included if _names_signals(one))
    if all(term.key == "signal" for one in included for term in one):
        included = ()
    keep = Filter(included, tuple(rest)) if included or rest else None
    return Filters(named, passing, tuple(comms), keep)


def _any_of(expressions: Iterable[Expression]) -> frozenset[int]:
    """The signals for which one of these can hold."""
    return frozenset[int]().union(*map(_numbers, expressions))


def _numbers(expression: Expression) -> frozenset[int]:
    """The signals for which it can hold."""
    numbers = EVERY
    for term in expression:
        if term.key == "signal":
            numbers = numbers - term.exact if term.negated else numbers & term.exact
    return numbers


def _names_signals(expression: Expression) -> bool:
    return any(term.key == "signal" and not term.negated for term in expression)


def _comms(expression: Expression) -> list[bytes] | None:
    """The command names that it is all about; None when there is more to it."""
    if len(expression) != 1:
        return None
    (term,) = expression
    if term.key != "source.comm" or term.negated or term.prefixes or term.any:
        return None
    return sorted(name for name in term.exact if isinstance(name, bytes))
