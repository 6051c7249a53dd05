"""Signals for people: who, how, whom, and where both came from, in four to six lines each.

12:03:41.208  SIGKILL  pkill > nginx  delivered  by kill
  from  pkill[4711] root      pkill -9 -f 'nginx: worker'
        < bash[4702] < sshd[4690] < sshd[812] < systemd[1]
  to    nginx[1234] www-data  nginx: worker process
        < nginx[1200] < systemd[1]   unit nginx.service
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TextIO

from otel_killsnoop.model import Facts, Joined, Side
from otel_killsnoop.terminal.describe import Describer
from otel_killsnoop.terminal.ink import lethality, paint, wanted
from otel_killsnoop.terminal.layout import Line, Piece, columns, wrap
from otel_killsnoop.terminal.printable import takes_ascii_only, visible

USUAL_WIDTH = 80
LEAST_WIDTH = 40
INDENT = 8  # of what stands under "from" and "to"
BESIDE = 3  # lines that a command may take beside its process before it is put below
NAME_WIDTH = 7  # of the usual signals, so that the columns of neighbours agree

# Codes that say no more than cause and call do.
_PLAIN_CODES = frozenset({"SI_USER", "SI_KERNEL", "SI_TKILL", "SI_QUEUE", "SI_TIMER"})


class TreePrinter:
    """Prints the tree view, as wide as the terminal is at that moment; 80 columns elsewhere."""

    needs_flat = False

    def __init__(self, stream: TextIO, max_depth: int) -> None:
        self._stream = stream
        self._ascii_only = takes_ascii_only(stream)
        self._describe = Describer(max_depth, self._ascii_only)
        self._coloured = wanted(stream)

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one signal; ``flat`` is not looked at."""
        lines = self._lines(joined, unix_ns, _width(self._stream))
        self._stream.write("".join([paint(line, self._coloured) + "\n" for line in lines]))

    def flush(self) -> None:
        """Hand on what is written."""
        self._stream.flush()

    def _lines(self, joined: Joined, unix_ns: int, width: int) -> list[Line]:
        source, target = joined.source, joined.target
        lines = self._head(joined, unix_ns, width)
        beside = self._column([side for side in (source, target) if side is not None], width)
        if source is None:
            kernel = [Piece("the kernel"), Piece(f"({self._visible(joined.signal.facts.cause)})")]
            lines += _under("from", wrap(kernel, width - INDENT))
        else:
            lines += self._side("from", source, beside, width)
        return lines + self._side("to", target, beside, width)

    def _column(self, sides: list[Side], width: int) -> int:
        """Where commands begin that stand beside their process: for both sides the same."""
        column = 0
        for side in sides:
            own = INDENT + 2 + columns(self._describe.label(side))
            command = self._describe.command(side.process)
            if command and own <= width // 2 and len(wrap(command, width - own)) <= BESIDE:
                column = max(column, own)
        return column

    def _head(self, joined: Joined, unix_ns: int, width: int) -> list[Line]:
        facts = joined.signal.facts
        source = joined.source
        pieces = [
            Piece(_clock(unix_ns), "faint"),
            Piece(self._visible(facts.name), lethality(facts), "  "),
            Piece(
                self._describe.name(source) if source else "kernel",
                "strong",
                " " * max(2, 2 + NAME_WIDTH - len(facts.name)),
            ),
            Piece(">"),
            Piece(self._describe.name(joined.target), "strong"),
            Piece(self._visible(facts.result), "", "  "),
        ]
        how = _how(facts, joined.signal.target_tid)
        pieces += [
            Piece(self._visible(one), "faint", "  " if at == 0 else ", ")
            for at, one in enumerate(how)
        ]
        first, *others = wrap(pieces, width - INDENT, width)
        return [first, *_indented(others)]

    def _side(self, word: str, side: Side, beside: int, width: int) -> list[Line]:
        """The process and its command; under it its ancestors, and where it runs."""
        label = self._describe.label(side)
        command = self._describe.command(side.process)
        gap = beside - INDENT - columns(label)
        lines = wrap(command, width - beside)
        if gap >= 2 and len(lines) <= BESIDE:
            if lines:
                label += [lines[0][0]._replace(before=" " * gap), *lines[0][1:]]
            shown = _under(word, [label]) + _indented(lines[1:], beside)
        else:
            shown = _under(word, wrap(label, width - INDENT))
            shown += _indented(wrap(command, width - INDENT))
        around = self._describe.ancestors(side) + self._describe.places(side.process)
        return shown + _indented(wrap(around, width - INDENT))

    def _visible(self, text: str) -> str:
        return visible(text, self._ascii_only)


def _under(word: str, lines: list[Line]) -> list[Line]:
    """Lines whose first begins with ``from`` or ``to``."""
    first = lines[0]
    margin = Piece(f"  {word}")
    gap = " " * (INDENT - 2 - len(word))
    head = [margin, first[0]._replace(before=gap), *first[1:]]
    return [head, *_indented(lines[1:])]


def _indented(lines: list[Line], by: int = INDENT) -> list[Line]:
    return [[Piece(" " * by), line[0]._replace(before=""), *line[1:]] for line in lines]


def _how(facts: Facts, target_tid: int) -> list[str]:
    """Why and by what it was sent, as far as that is not said elsewhere or self-evident."""
    how = []
    if facts.cause != "user" and facts.has_source:
        how.append(facts.cause)
    if facts.call is not None:
        how.append(f"by {facts.call}")
    if facts.scope == "thread":
        how.append(f"to thread {target_tid}")
    elif facts.scope != "process":
        how.append(f"to the {facts.scope}")
    if facts.code not in _PLAIN_CODES:
        how.append(facts.code)
    return how


def _clock(unix_ns: int) -> str:
    """The local time of day."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{rest // 1_000_000:03d}"


def _width(stream: TextIO) -> int:
    if not stream.isatty():
        return USUAL_WIDTH
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        width = 0
    return max(width, LEAST_WIDTH) if width else USUAL_WIDTH
