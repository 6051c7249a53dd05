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
    if facts.disposition is not None:
        values.append(("killsnoop.target.signal.disposition", _word(facts.disposition)))
    if facts.forged:
        values.append(("killsnoop.signal.forged", True))
    if facts.address is not None:
        values.append(("killsnoop.signal.fault.address", _word(facts.address)))
    if facts.session is not None:
        values.append(("killsnoop.signal.session.reason", _word(facts.session)))
    if facts.error is not None:
        values.append(("error.type", _word(facts.error)))
    return values


def body(facts: Facts, source: bytes | None, target: bytes | None) -> bytes:
    """``SIGKILL from bash[42] to nginx[1234]``, or ``SIGSEGV to nginx[1234] (fault)``.

    target: what an attempt was meant for when that is no process (`details.aim`); None unknown.
    Attempts end in what came of them: ``refused (EPERM)``, ``tested``.
    """
    by = b"" if source is None else b" from " + source
    to = b"" if target is None else b" to " + target
    return b"%b%b%b%b" % (_word(facts.name), by, to, _end(facts, source is None))


def _end(facts: Facts, nobody_sent_it: bool) -> bytes:
    if facts.result == "refused":
        return b" refused" if facts.error is None else b" refused (%b)" % _word(facts.error)
    if facts.result == "tested":
        return b" tested"
    return b" (%b)" % _word(facts.cause) if nobody_sent_it else b""


@lru_cache(maxsize=256)
def _word(text: str) -> bytes:
    return cut(utf8_text(text), WORD_BYTES)
