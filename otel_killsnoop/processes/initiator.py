"""Who decided on a signal: the nearest in the source's tree that is no wrapper.

Wrappers are data: ``wrappers.txt`` says what they are and how a pattern is written. With ``--args
none`` there are no arguments to match, so patterns with words match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from otel_killsnoop.errors import UsageError
from otel_killsnoop.model import Process, Side

LIST = Path(__file__).with_name("wrappers.txt")

_KNOWN = 1024  # sides whose initiator is remembered
_SEVERAL = frozenset({b"busybox", b"toybox", b"coreutils"})  # go by the name they are called
_ELSEWHERE = (b"/proc/", b"/dev/fd/", b"/memfd:")  # a program run by descriptor, not by name
_LETTER = re.compile(r"-[A-Za-z0-9]")


class Pattern:
    """One line of the list. `UsageError` for one that means nothing."""

    def __init__(self, line: str) -> None:
        name, *words = line.split() or [""]
        if not name or name.startswith("-") or "/" in name:
            raise UsageError(
                "a wrapper's pattern must begin with a program's name",
                repr(line),
                "write for example: mytool, or: python3 */deploy",
            )
        self.name = name.encode()
        self.is_exact = not any(sign in name for sign in "*?[")
        self._name = _glob(name)
        self._letters = [word[1].encode() for word in words if _LETTER.fullmatch(word)]
        self._words = [_glob(word) for word in words if not _LETTER.fullmatch(word)]

    def fits_name(self, name: bytes) -> bool:
        """Whether it is for programs of that name."""
        return self._name.match(name) is not None

    def fits(self, args: Sequence[bytes]) -> bool:
        """Whether its words are among these arguments, the program's own name left out."""
        if self._letters:
            given = b"".join(_short_options(args))
            if not all(letter in given for letter in self._letters):
                return False
        return all(any(word.match(arg) for arg in args) for word in self._words)


class Initiators:
    """extra: more patterns, as in the list."""

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self._exact: dict[bytes, list[Pattern]] = {}
        self._globs: list[Pattern] = []
        for pattern in (*_listed(LIST.read_text("utf-8")), *map(Pattern, extra)):
            if pattern.is_exact:
                self._exact.setdefault(pattern.name, []).append(pattern)
            else:
                self._globs.append(pattern)
        self._known: dict[Side, Process | None] = {}

    def of(self, side: Side) -> Process | None:
        """The source itself, or its nearest ancestor, that is no wrapper; None if all known are."""
        if side in self._known:
            return self._known[side]
        above: Side | None = side
        while above is not None and self.is_wrapper(above.process):
            above = above.parent
        if len(self._known) >= _KNOWN:
            self._known.clear()
        found = self._known[side] = None if above is None else above.process
        return found

    def is_wrapper(self, process: Process) -> bool:
        """Whether a process only passes on what another one decided."""
        name, args = _program(process)
        patterns: Iterable[Pattern] = self._exact.get(name, ())
        if any(pattern.fits(args) for pattern in patterns):
            return True
        return any(one.fits_name(name) and one.fits(args) for one in self._globs)


def _listed(text: str) -> Iterable[Pattern]:
    for line in text.splitlines():
        meant = line.partition("#")[0].strip()
        if meant:
            yield Pattern(meant)


def _glob(word: str) -> re.Pattern[bytes]:
    return re.compile(translate(word).encode())


def _program(process: Process) -> tuple[bytes, Sequence[bytes]]:
    """A program's name, and its arguments without it.

    By its file; by what it was called as where that is a file of many programs, or none.
    """
    args = process.args
    name = process.path.rpartition(b"/")[2]
    if name and name not in _SEVERAL and not process.path.startswith(_ELSEWHERE):
        return name, args[1:]
    if not args:
        return process.comm, ()
    called = args[0].rpartition(b"/")[2].lstrip(b"-")
    if called in _SEVERAL and len(args) > 1 and not args[1].startswith(b"-"):
        return args[1], args[2:]
    return called or process.comm, args[1:]


def _short_options(args: Sequence[bytes]) -> Iterable[bytes]:
    """The letters of the options before the first argument that is none.

    The value of an option that stands apart from it (``-o pipefail``) does not end them.
    """
    takes = False
    for arg in args:
        if not arg.startswith((b"-", b"+")):
            if not takes:
                return
            takes = False
            continue
        if arg in (b"-", b"--"):
            return
        if arg.startswith(b"--"):
            takes = arg in (b"--rcfile", b"--init-file")
            continue
        takes = arg.endswith((b"o", b"O"))
        if arg.startswith(b"-"):
            yield arg[1:]
