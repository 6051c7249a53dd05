"""``OTEL_EXPORTER_OTLP_HEADERS`` -> headers. Values are secrets: no message has one in it."""

from __future__ import annotations

import re
from collections.abc import Callable

_NAME = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+", re.ASCII)  # RFC 9110's token
_GRPC_NAME = re.compile(r"[0-9A-Za-z_.-]+", re.ASCII)
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")

Header = tuple[str, str]


def parse(
    variable: str, value: str, protocol: str, warn: Callable[[str], None]
) -> tuple[Header, ...]:
    """The headers of ``k=v,k2=v2``, percent-decoded, the last of each name.

    A pair that cannot be sent with this protocol is left out with a warning that has its place
    in the list, and its name where that is one.
    """
    found: dict[str, Header] = {}
    for place, pair in enumerate(value.split(","), 1):
        if not pair.strip():
            continue
        name, equals, rest = pair.partition("=")
        key = name.strip() if not equals else _decoded(name.strip()) or ""
        content = _decoded(rest.strip())
        # Without "=" the whole piece may be the rest of a value that has a comma in it.
        if not equals or not _NAME.fullmatch(key):
            warn(f"{variable}: pair {place} is not name=value, and is left out")
        elif content is None or not _sendable(key, content, protocol):
            warn(f"{variable}: header {key!r} cannot be sent by {protocol}, and is left out")
        else:
            found[key.lower()] = (key, content)
    return tuple(found.values())


def _sendable(name: str, value: str, protocol: str) -> bool:
    if protocol != "grpc":
        # A line break would begin a header of its own.
        return all(c >= " " and c != "\x7f" for c in value)
    if not _GRPC_NAME.fullmatch(name):
        return False
    return name.lower().endswith("-bin") or (value.isascii() and value.isprintable())


def _decoded(text: str) -> str | None:
    """Percent-decoded; None when that is no UTF-8."""
    escaped = text.encode(errors="surrogateescape")
    try:
        return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), escaped).decode()
    except UnicodeDecodeError:
        return None
