"""Filters divided: what the kernel can decide by itself, and what is left for user space.

The kernel knows a signal's number and result, and the names and users of who sent it and of whom
it is sent to: an --exclude of one of these and nothing else is decided there.
"""

from __future__ import annotations

from collections.abc import Iterable

from otel_killsnoop.errors import UsageError
from otel_killsnoop.filter_keys import Plain
from otel_killsnoop.filters import Expression, parse
from otel_killsnoop.matching import Filter
from otel_killsnoop.options import Given
from otel_killsnoop.selection import EVERY, Filters

UIDS = 4  # of each side, and names of targets, in the kernel
RESULTS = ("delivered", "ignored", "already_pending", "overflow_fail", "lose_info")  # its numbers


def divided(exclude: Given, include: Given, faults: list[UsageError]) -> Filters:
    """What the expressions come to; what is wrong with them is appended to the faults."""
    says_none = [text.strip().lower() for text in exclude.texts] == ["none"]
    excluded = () if says_none else parse(exclude, faults)
    included = parse(include, faults)
    passing = _any_of(included) if included else EVERY
    comms: dict[bytes, None] = {}
    results: frozenset[int] = frozenset()
    to_comms: dict[bytes, None] = {}
    uids: dict[str, dict[int, None]] = {"source.uid": {}, "target.uid": {}}
    rest: list[Expression] = []
    for one in excluded:
        if all(term.key == "signal" for term in one):
            passing -= _numbers(one)
        elif (names := _comms(one)) is not None:
            comms |= dict.fromkeys(names)
        elif (numbers := _results(one)) is not None:
            results |= numbers
        else:
            # Of users the kernel leaves out what they sent honestly; the rest is left out here.
            rest.append(one)
            if (found := _users(one)) is not None:
                side, users = found
                if len(uids[side] | users) <= UIDS:
                    uids[side] |= users
            names = _comms(one, "target.comm") or []
            if len(to_comms | dict.fromkeys(names)) <= UIDS:
                to_comms |= dict.fromkeys(names)
    named = _any_of(one for one in included if _names_signals(one))
    if all(term.key == "signal" for one in included for term in one):
        included = ()
    keep = Filter(included, tuple(rest)) if included or rest else None
    return Filters(
        named,
        passing,
        tuple(comms),
        results,
        tuple(uids["source.uid"]),
        tuple(uids["target.uid"]),
        tuple(to_comms),
        keep,
    )


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


def _comms(expression: Expression, key: str = "source.comm") -> list[bytes] | None:
    """The command names that it is all about; None when there is more to it."""
    exact = _all_about(expression, key)
    if exact is None:
        return None
    return sorted(name for name in exact if isinstance(name, bytes))


def _results(expression: Expression) -> frozenset[int] | None:
    """The results that it is all about, by the kernel's numbers; attempts have none of these."""
    exact = _all_about(expression, "result")
    if exact is None or not exact <= set(RESULTS):
        return None
    return frozenset(RESULTS.index(str(one)) for one in exact)


def _users(expression: Expression) -> tuple[str, dict[int, None]] | None:
    """The side and the users that it is all about."""
    for side in ("source.uid", "target.uid"):
        exact = _all_about(expression, side)
        if exact is not None:
            return side, dict.fromkeys(sorted(one for one in exact if isinstance(one, int)))
    return None


def _all_about(expression: Expression, key: str) -> frozenset[Plain] | None:
    """The exact values of its one term, if that is of this key and says no more."""
    if len(expression) != 1:
        return None
    (term,) = expression
    if term.key != key or term.negated or term.prefixes or term.any:
        return None
    return term.exact
