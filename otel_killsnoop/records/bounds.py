"""How long anything in a record may be, and how to cut it so that it stays valid text.

Loki drops an entry whose metadata exceeds 128 attributes or 64 KB, and behind a Collector nobody
hears of it. So every record stays under ``RECORD_BYTES`` by Loki's own count: names, and values
as it stores them (integers in decimal, arrays as JSON text).
All text here is bytes; what ``utf8`` and ``cut`` return is valid UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from otel_killsnoop.records.otlp import Value

RECORD_BYTES = 60_000
TREE_BYTES = 1024
NAME_BYTES = 64  # a comm is 15 bytes at most, thrice that when none of them is UTF-8
PATH_BYTES = 4096  # the kernel's PATH_MAX, for executables and cgroups
WORD_BYTES = 256  # user, container, pod and unit names
RESOURCE_BYTES = 8_000  # the agent's own resource attributes, all together
RESOURCE_ATTRIBUTES = 24  # so that with all else a record stays under 100 entries

# What a record has beside the resource: its own attributes with the longest values they can
# have, and the fields that Loki adds as metadata (severity, scope, observed time).
LOG_ATTRIBUTES_BYTES = 6_144


class Limits(NamedTuple):
    """Bytes that the long values may have; 0 leaves the attribute out.

    arguments: the array as escaped JSON.  line: the command line.  ancestor: one ancestor's line.
    """

    arguments: int
    line: int
    ancestor: int


LADDER = (
    Limits(16_384, 2_048, 256),
    Limits(16_384, 2_048, 128),
    Limits(16_384, 2_048, 64),
    Limits(16_384, 2_048, 0),
    Limits(16_384, 512, 0),
    Limits(16_384, 0, 0),
    Limits(8_192, 0, 0),
    Limits(4_096, 0, 0),
    Limits(1_024, 0, 0),
    Limits(0, 0, 0),
)
"""The limits of a usual record, and what is tried in turn where a record would be too long."""

_ESCAPED_AS_TWO = b'"\\\n'
_PLAIN = bytes(c for c in range(0x20, 0x100) if c not in _ESCAPED_AS_TWO)

T = TypeVar("T")


def first_fit(make: Callable[[Limits], T], size: Callable[[T], int], budget: int) -> T:
    """What ``make`` makes on the first rung of the ladder whose size is within the budget.

    The last rung's is returned even when it is not: there is nothing left to cut then.
    """
    for limits in LADDER:
        made = make(limits)
        if size(made) <= budget:
            break
    return made


def utf8(raw: bytes) -> bytes:
    """Valid UTF-8 for any bytes; each bad one becomes U+FFFD."""
    return raw if raw.isascii() else raw.decode("utf-8", "replace").encode()


def utf8_text(text: str) -> bytes:
    """Valid UTF-8 for any str; each lone surrogate becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def cut(value: bytes, limit: int) -> bytes:
    """The longest whole-character beginning of valid UTF-8 that has at most ``limit`` bytes."""
    if len(value) <= limit:
        return value
    return value[:limit].decode("utf-8", "ignore").encode()


def escapes(value: bytes) -> int:
    """How many bytes more than it has valid UTF-8 takes inside a JSON string as Go writes it."""
    special = value.translate(None, _PLAIN)
    size = 0
    if special:
        two = sum(map(special.count, _ESCAPED_AS_TWO))
        size += two + 5 * (len(special) - two)
    if not value.isascii():
        # The line and paragraph separators: three bytes of UTF-8, written as six of escape.
        size += 3 * (value.count(b"\xe2\x80\xa8") + value.count(b"\xe2\x80\xa9"))
    return size


def json_size(value: bytes) -> int:
    """Bytes of valid UTF-8 inside a JSON string, its two quotes not counted."""
    return len(value) + escapes(value)


def array_size(values: Sequence[bytes]) -> int:
    """Bytes of an array of texts as JSON without spaces."""
    return 2 + 3 * len(values) - (1 if values else 0) + json_size(b"".join(values))


def loki_surplus(value: Value) -> int:
    """How many bytes more than its encoded attribute Loki may count for this value.

    Texts and single numbers never take more: their attribute's lengths and tags make up for it.
    """
    if type(value) is not tuple or not value:
        return 0
    if type(value[0]) is int:
        return 2 * len(value)
    return escapes(b"".join(value))  # type: ignore[arg-type]  # an array holds one type only


def cut_array(values: tuple[bytes, ...], limit: int) -> tuple[bytes, ...]:
    """The longest beginning whose ``array_size`` is within ``limit``; the last text may be cut.

    The same object when nothing had to be cut.
    """
    if array_size(values) <= limit:
        return values
    kept: list[bytes] = []
    room = limit - 2
    for value in values:
        room -= 3 if kept else 2
        size = json_size(value)
        if size > room:
            part = _cut_json(value, room)
            if part:
                kept.append(part)
            break
        kept.append(value)
        room -= size
    return tuple(kept)


def _cut_json(value: bytes, room: int) -> bytes:
    """The longest beginning of ``value`` that takes at most ``room`` bytes inside JSON."""
    low, high = 0, max(0, min(len(value), room))
    while low < high:
        middle = (low + high + 1) // 2
        if json_size(cut(value, middle)) <= room:
            low = middle
        else:
            high = middle - 1
    return cut(value, low)
