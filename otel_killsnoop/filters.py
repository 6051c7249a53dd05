"""The language of --exclude and --include: text -> expressions.

    signal=CHLD,URG source.comm=runc; target.unit!="a b.service" source.user=deploy-*

All terms of an expression must hold. Of a term's values one must match, with ``!=`` none may. A
``*`` behind a value makes it the beginning of one, and alone stands for any. Double quotes take
blanks, commas and semicolons; in them ``\\"`` and ``\\\\`` stand for themselves. Semicolons part
expressions, of which one must hold.

Imported only when there is something to read: see `selection.filters`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from otel_killsnoop.errors import UsageError
from otel_killsnoop.filter_keys import KEYS, Plain, Value, nearest
from otel_killsnoop.options import Given

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PIECE = re.compile(rf'\s+|(?P<end>;)|(?P<term>(?:{_QUOTED}|[^\s;"])+)|(?P<open>")', re.DOTALL)
_TERM = re.compile(r'([^=!"]+)(!?=)(.*)', re.DOTALL)
_NEXT = re.compile(rf'((?:{_QUOTED}|[^,"])*)(,?)', re.DOTALL)


class Term(NamedTuple):
    """``key=value,value``; negated for ``!=``.

    A value matches that is one of exact, or begins with one of prefixes; any: that is there at
    all. Signals and uids are numbers, command names bytes, the others text.
    """

    key: str
    negated: bool
    any: bool
    exact: frozenset[Plain]
    prefixes: tuple[bytes | str, ...]


Expression = tuple[Term, ...]


def parse(given: Given, faults: list[UsageError]) -> tuple[Expression, ...]:
    """The expressions given; what is wrong is appended to the faults."""
    found: list[Expression] = []
    for text in given.texts:
        before = len(found), len(faults)
        for terms in _expressions(text, given, faults):
            read = [_term(term, given, faults) for term in terms]
            found.append(tuple(term for term in read if term is not None))
        if (len(found), len(faults)) == before:
            cure = "write one such as signal=TERM, or leave the option out"
            faults.append(UsageError("an empty expression", given.origin, cure))
    return tuple(found)


def _expressions(text: str, given: Given, faults: list[UsageError]) -> Iterator[list[str]]:
    """The terms of each expression in a text, as they are written."""
    terms: list[str] = []
    for piece in _PIECE.finditer(text):
        if piece["open"]:
            cure = 'end it by ", or write \\" within quotes'
            faults.append(UsageError("a quote without an end", given.on(text), cure))
            return
        if piece["term"]:
            terms.append(piece["term"])
        elif piece["end"] and terms:
            yield terms
            terms = []
    if terms:
        yield terms


def _term(text: str, given: Given, faults: list[UsageError]) -> Term | None:
    """One term; None when it cannot be meant, which is then among the faults."""
    match = _TERM.fullmatch(text)
    if match is None:
        cure = "write key=value without blanks around the sign, values with blanks in quotes"
        faults.append(UsageError("no term of a filter", given.on(text), cure))
        return None
    key, sign, rest = match[1].lower(), match[2], match[3]
    read = KEYS.get(key)
    if read is None:
        faults.append(UsageError("no such key of a filter", given.on(text), _near_key(key)))
        return None
    exact: set[Plain] = set()
    prefixes: list[bytes | str] = []
    is_any = False
    for part in _parts(rest):
        try:
            value = _value(part)
            if value.is_prefix and not value.text and key != "signal":
                is_any = True
                continue
            one, start = read(key, value)
        except UsageError as fault:
            on = given.on(f"{match[1]}{sign}{part}")
            faults.append(UsageError(fault.what, on, fault.cure))
        else:
            exact |= one
            prefixes += start
    return Term(key, sign == "!=", is_any, frozenset(exact), tuple(prefixes))


def _parts(text: str) -> Iterator[str]:
    """What the commas part that are not in quotes."""
    at, comma = 0, ","
    while comma:
        match = _NEXT.match(text, at)
        assert match is not None  # it can be empty
        at, comma = match.end(), match[2]
        yield match[1]


def _value(part: str) -> Value:
    bare = part.removesuffix("*")
    is_prefix = bare != part
    if re.fullmatch(_QUOTED, bare, re.DOTALL):
        text = re.sub(r'\\(["\\])', r"\1", bare[1:-1])
    elif '"' in bare:
        raise UsageError("a value that is only quoted in part", cure="quote the whole of it")
    elif "*" in bare:
        raise UsageError("a * that is not at the end", cure="quote it where it is meant")
    else:
        text = bare
    if not text and part != "*":
        raise UsageError("an empty value", cure="give one, or * for any")
    return Value(text, is_prefix)


def _near_key(key: str) -> str:
    near = [one for one in KEYS if one.endswith(f".{key}")] or nearest(key, KEYS)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(KEYS)}"
