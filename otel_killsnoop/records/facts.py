"""A kind of signal -> what is said of it in every record of that kind: attributes and body."""

from __future__ import annotations

from functools import lru_cache

from otel_killsnoop.model import Facts
from otel_killsnoop.records.bounds import WORD_BYTES, cut, utf8_text
from otel_killsnoop.records.process import Named


def describe(facts: Facts) -> Named:
    """The log attributes that depend on the kind alone, by their full names."""
    values: Named = [
        ("killsnoop.event", b"signal"),
        ("killsnoop.signal.number", facts.number),
        ("killsnoop.signal.name", _word(facts.name)),
        ("killsnoop.signal.code", _word(facts.code)),
        ("killsnoop.signal.cause", _word(facts.cause)),
    ]
    if facts.call is not None:
        values.append(("killsnoop.signal.call", _word(facts.call)))
    values.append(("killsnoop.signal.scope", _word(facts.scope)))
    values.append(("killsnoop.signal.result", _word(facts.result)))
    return values


def body(facts: Facts, source: bytes | None, target: bytes) -> bytes:
    """``SIGKILL from bash[42] to nginx[1234]``, or ``SIGSEGV to nginx[1234] (fault)``."""
    if source is None:
        return b"%b to %b (%b)" % (_word(facts.name), target, _word(facts.cause))
    return b"%b from %b to %b" % (_word(facts.name), source, target)


@lru_cache(maxsize=256)
def _word(text: str) -> bytes:
    return cut(utf8_text(text), WORD_BYTES)
