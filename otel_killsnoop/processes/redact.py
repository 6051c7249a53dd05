"""Arguments -> arguments that may leave the host.

Bytes in, bytes out, total on any bytes, in time proportional to their length. A masked value is
``***``; what stands around it stays, so that a command line can still be recognised.

Masked: the value of an option, variable, setting, query parameter or JSON member with a secret's
name (``--password x``, ``--token=x``, ``PGPASSWORD=x``, ``"apiKey": "x"``); options that are secret
in one program only (``mysql -pX``, ``curl -u user:X``), also behind ``sudo``, ``env``, ``docker
exec``; the password in a URL; credentials in headers; private keys, JSON Web Tokens, and keys with
a known shape wherever they stand; and long random-looking runs (``randomness`` says which). An
argument with blanks in it (a script after ``-c``, a title that a process gave itself) is read like
a command line of its own.

Kept: paths, UUIDs, digests in hex (so git commits and container ids; a secret that has the form of
one and no name is not recognised), names of files with secrets, references such as ``$PASSWORD``
inside scripts.

Users add patterns of their own: see ``patterns``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from otel_killsnoop.processes import patterns
from otel_killsnoop.processes.reader import Reader, Span
from otel_killsnoop.processes.sensitive import may_hold

MASK = b"***"

Redact = Callable[[tuple[bytes, ...]], tuple[tuple[bytes, ...], int]]


def redactor(mode: str, extra: Sequence[re.Pattern[bytes]] = ()) -> Redact:
    """How ``--args`` treats arguments: a function to (arguments to show, values masked).

    ``redacted``: as above, and what the extra patterns find.  ``full``: as they are.  ``none``:
    only the program's name, as the first argument gives it up to its first blank (a title may go
    on with anything).
    """
    if mode == "redacted" and extra:
        return partial(redact, extra=tuple(extra))
    return {"redacted": redact, "full": _full, "none": _name_alone}[mode]


def redact(
    args: tuple[bytes, ...], extra: Sequence[re.Pattern[bytes]] = ()
) -> tuple[tuple[bytes, ...], int]:
    """Mask what is secret in these arguments; and say how many values that was."""
    found = patterns.find(extra, args) if extra else None
    if not may_hold(b"\0".join(args)) and not (found and any(found)):
        return args, 0
    masked = 0
    shown: list[bytes] = []
    reader = Reader()
    for place, arg in enumerate(args):
        spans = reader.read(arg)
        if found:
            spans += found[place]
        if spans:
            arg, count = _mask(arg, spans)
            masked += count
        shown.append(arg)
    return (tuple(shown), masked) if masked else (args, 0)


def _full(args: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], int]:
    return args, 0


def _name_alone(args: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], int]:
    return tuple(arg.split(None, 1)[0] if arg.strip() else b"" for arg in args[:1]), 0


def _mask(text: bytes, spans: list[Span]) -> tuple[bytes, int]:
    """Replace the spans (in any order, overlapping or not) and count the holes."""
    spans.sort()
    parts: list[bytes] = []
    end = count = 0
    for start, stop in spans:
        if start > end or not count:  # spans that touch are one hole
            parts += (text[end:start], MASK)
            count += 1
        end = max(end, stop)
    parts.append(text[end:])
    return b"".join(parts), count
