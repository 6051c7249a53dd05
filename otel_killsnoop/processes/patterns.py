"""Secrets that only the user knows of: regular expressions from a file.

One a line; blank lines and lines that begin with ``#`` say nothing. Each is sought in the whole
command line, arguments joined by one blank each, so it may reach over several. What its groups
match is masked, or all that it matches where it has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from otel_killsnoop.errors import UsageError

_LONGEST = 1 << 20  # bytes of such a file

Spans = list[tuple[int, int]]


def read(path: str) -> tuple[re.Pattern[bytes], ...]:
    """The patterns of a file. `UsageError` when it cannot be read, or for the first bad line."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"cannot read the redaction patterns, {why}", path, "give a file that can be read"
        ) from error
    if len(content) > _LONGEST:
        raise UsageError("the file of redaction patterns is over 1 MiB", path, "shorten it")
    lines = enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
    return tuple(
        compiled(line, f"{path}, line {number}")
        for number, raw in lines
        if (line := raw.removesuffix(b"\r")).strip() and not line.lstrip().startswith(b"#")
    )


def compiled(line: bytes, where: str) -> re.Pattern[bytes]:
    """One pattern. `UsageError` that names ``where`` for one that cannot be meant."""
    try:
        pattern = re.compile(line)
    except (re.error, RecursionError, OverflowError) as error:
        why = f"no regular expression, {error}"
        raise UsageError(why, where, "correct it, or put # before it") from error
    if pattern.match(b"") is not None and pattern.groups == 0:
        raise UsageError("the pattern matches nothing at all", where, "let it match a character")
    return pattern


def find(patterns: Sequence[re.Pattern[bytes]], args: tuple[bytes, ...]) -> list[Spans]:
    """For each argument the spans that the patterns mask in it."""
    found: list[Spans] = [[] for _ in args]
    line = b" ".join(args)
    for pattern in patterns:
        for match in pattern.finditer(line):
            for group in range(1, pattern.groups + 1) if pattern.groups else (0,):
                start, end = match.span(group)
                if start < end:
                    _spread(start, end, args, found)
    return found


def _spread(start: int, end: int, args: tuple[bytes, ...], found: list[Spans]) -> None:
    """Part a span of the line among the arguments that it covers."""
    begins = 0
    for arg, spans in zip(args, found, strict=True):
        ends = begins + len(arg)
        if start < ends and begins < end:
            spans.append((max(start - begins, 0), min(end - begins, len(arg))))
        begins = ends + 1
        if begins >= end:
            return
