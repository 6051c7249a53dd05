"""Text -> number, size, duration or word: the readers of single options.

Each raises UsageError without saying on what: only who calls knows where the text came from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from otel_killsnoop.errors import UsageError

_SIZE = re.compile(r"([0-9]{1,18})\s*(B|K|KIB|M|MIB|G|GIB)?", re.ASCII)
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:MS|S|M|H))+", re.ASCII)
_PART = re.compile(r"([0-9.]+)(MS|S|M|H)", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", re.ASCII)
_UNITS = {"MS": 0.001, "S": 1.0, "M": 60.0, "H": 3600.0}
_SHIFTS = {"": 0, "B": 0, "K": 10, "M": 20, "G": 30}


def word(text: str, known: Sequence[str]) -> str:
    """One of the known words, whatever its case."""
    found = text.strip().lower()
    if found not in known:
        raise UsageError("no such choice", cure=f"give one of {', '.join(known)}")
    return found


def whole(text: str, least: int, most: int) -> int:
    """A whole number from least to most."""
    digits = text.strip()
    if not re.fullmatch(r"[0-9]{1,18}", digits, re.ASCII) or not least <= int(digits) <= most:
        raise UsageError("not a number that is possible here", cure=f"give {least} to {most}")
    return int(digits)


def size(text: str, least: int, most: int) -> int:
    """Bytes; K, M, G (with or without iB) are powers of 1024, no unit is bytes."""
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        raise UsageError("not a size", cure="give one such as 512KiB, 64MiB or 1GiB")
    found = int(match[1]) << _SHIFTS[(match[2] or "").removesuffix("IB")]
    if not least <= found <= most:
        raise UsageError(
            "a size out of range", cure=f"give one from {size_text(least)} to {size_text(most)}"
        )
    return found


def power_of_two(text: str, least: int, most: int) -> int:
    """A size that is a power of two."""
    found = size(text, least, most)
    if found & (found - 1):
        below = 1 << (found.bit_length() - 1)
        raise UsageError(
            "a size that is no power of two",
            cure=f"the nearest are {size_text(below)} and {size_text(below * 2)}",
        )
    return found


def size_text(count: int) -> str:
    """``64KiB``: the largest unit that leaves a whole number."""
    for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count and not count % (1 << shift):
            return f"{count >> shift}{unit}"
    return f"{count}B"


def seconds(text: str, least: float, most: float) -> float:
    """A duration in seconds: ``90``, ``1.5``, ``500ms``, ``1m30s``; 0 or from least to most."""
    given = text.strip().upper()
    if _SECONDS.fullmatch(given):
        found = float(given)
    elif _DURATION.fullmatch(given):
        found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(given))
    else:
        raise UsageError("not a duration", cure="give seconds, or one such as 500ms, 5s or 1m30s")
    if found and not least <= found <= most:
        raise UsageError(
            "a duration out of range", cure=f"give 0 for off, or {least:g} to {most:g} seconds"
        )
    return found
