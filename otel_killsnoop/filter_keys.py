"""The keys of the filters' language, and what may stand as a value of each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from otel_killsnoop import unixsignals
from otel_killsnoop.errors import UsageError
from otel_killsnoop.records.words import CAUSES, DISPOSITIONS, RESULTS
from otel_killsnoop.selection import COMM, EVERY
from otel_killsnoop.tracer import calls

Plain = int | bytes | str

WORDS = {
    "cause": list(CAUSES),
    "call": sorted(
        calls.SENDERS | calls.WRITERS | calls.SOCKET_WRITERS | calls.HANGERS | calls.QUEUERS
        | {"ptrace", "io_uring_enter"}
    ),
    "result": list(RESULTS),
    "scope": ["process", "thread", "group"],
    "target.disposition": list(DISPOSITIONS),
}  # fmt: skip
"""The keys whose values are words, and all their words."""

_UIDS = 1 << 32
_CONTAINER = re.compile(r"[0-9a-f]{12}[0-9a-f-]*")


class Value(NamedTuple):
    """text: without quotes and star.  is_prefix: whether there was a star."""

    text: str
    is_prefix: bool


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known word that was probably meant; none when that cannot be told."""
    from difflib import get_close_matches  # late: hardly anyone mistypes

    return get_close_matches(word, list(known), n=1)


_Read = tuple[set[Plain], list[bytes | str]]  # values that match, and beginnings of such


def _signal(_key: str, value: Value) -> _Read:
    word = value.text.upper()
    if word == "ALL" or value == ("", True):
        return set(EVERY), []
    if not value.is_prefix:
        number = unixsignals.number(word)
        found: set[Plain] = set() if number is None else {number}
    else:
        start = word.removeprefix("SIG")
        names = {} if start[:1].isdigit() else unixsignals.NAMES
        found = {number for number, name in names.items() if name[3:].startswith(start)}
    if not found:
        cure = "give a number from 0 to 64 or a name such as KILL or SIGRTMIN+3"
        raise UsageError("no such Unix signal", cure=cure)
    return found, []


def _word(key: str, value: Value) -> _Read:
    known, word = WORDS[key], value.text.lower()
    found: set[Plain] = {
        one for one in known if (one.startswith(word) if value.is_prefix else one == word)
    }
    if not found:
        near = nearest(word, known)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}"
        raise UsageError(f"no such {key.rpartition('.')[2]}", cure=hint)
    return found, []


def _comm(_key: str, value: Value) -> _Read:
    name = os.fsencode(value.text)
    if len(name) > COMM:
        what = f"a command name of {len(name)} bytes matches nothing"
        cure = f"the kernel keeps the first {COMM}: give {os.fsdecode(name[:COMM])!r}"
        raise UsageError(what, cure=cure)
    return (set(), [name]) if value.is_prefix else ({name}, [])


def _uid(_key: str, value: Value) -> _Read:
    digits = value.text
    if value.is_prefix or not re.fullmatch(r"[0-9]{1,10}", digits, re.ASCII):
        raise UsageError("not a user id", cure="give its number, all of it; names are for .user")
    if int(digits) >= _UIDS:
        raise UsageError("a user id out of range", cure=f"give 0 to {_UIDS - 1}")
    return {int(digits)}, []


def _container(_key: str, value: Value) -> _Read:
    """Any beginning of 12 digits or more is one container's: that is what runtimes print."""
    identity = value.text.lower()
    if not value.is_prefix and not _CONTAINER.fullmatch(identity):
        cure = "give 12 digits of it or more, or fewer and a *"
        raise UsageError("not a container's id", cure=cure)
    return set(), [identity]


def _lower(_key: str, value: Value) -> _Read:
    return _text("", Value(value.text.lower(), value.is_prefix))


def _text(_key: str, value: Value) -> _Read:
    return (set(), [value.text]) if value.is_prefix else ({value.text}, [])


_SIDE = {"comm": _comm, "uid": _uid, "user": _text, "container": _container}
_SIDE |= {"pod": _lower, "unit": _text}
KEYS: dict[str, Callable[[str, Value], _Read]] = {"signal": _signal}
KEYS |= dict.fromkeys(WORDS, _word)
KEYS |= {f"{side}.{name}": read for name, read in _SIDE.items() for side in ("source", "target")}
"""Every key, and what reads a value of it."""
