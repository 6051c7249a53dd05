"""Finds the secrets in the authority of a URL: ``://user:secret@host``, ``://secret@host``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_killsnoop.processes import randomness

Span = tuple[int, int]

_ALONE = re.compile(rb"://(\S++)")
_IN_TEXT = re.compile(rb"""://([^\s"'<>|`]++)""")
_END = re.compile(rb"[/?#]")
_TOKEN = 20  # bytes from which on a name without a password may be a token


def find(text: bytes, in_text: bool) -> Iterator[Span]:
    """What is secret in the URLs of an argument. in_text: it is not one URL, but has blanks."""
    for found in (_IN_TEXT if in_text else _ALONE).finditer(text):
        yield from _user_info(found)


def _user_info(authority: re.Match[bytes]) -> Iterator[Span]:
    """The secret in ``://user:secret@host``, or in ``://secret@host``."""
    text, start = authority[1], authority.start(1)
    path = _END.search(text)
    end = text.rfind(b"@", 0, path.start() if path else len(text))
    if end < 0 and path:
        # A slash in the password, against the rules; not so if a port comes before the slash.
        head = text[: path.start()]
        _, colon, port = head.partition(b":")
        if colon and not port.isdigit() and not head.startswith(b"["):
            end = text.rfind(b"@")
    if end <= 0:
        return
    colon_at = text.find(b":", 0, end)
    if colon_at >= 0:
        if colon_at + 1 < end and text[colon_at + 1 : end] != b"***":
            yield start + colon_at + 1, start + end
    elif end >= _TOKEN and randomness.is_unreadable(text[:end]):
        yield start, start + end
