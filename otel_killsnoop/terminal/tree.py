"""Signals for people: who, how, whom, and where both came from, in four to six lines each.

12:03:41.208  SIGKILL  pkill > nginx  delivered  by kill
  from  pkill[4711] root      pkill -9 -f 'nginx: worker'
        < bash[4702] < sshd[4690] < sshd[812] < systemd[1]
  to    nginx[1234] www-data  nginx: worker process
        < nginx[1200] < systemd[1]   unit nginx.service
12:03:41.300  exit 137  nginx[1234]  died of SIGKILL after 12.3 s
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Death, Joined, Process, Side
from otel_killsnoop.terminal import circumstances
from otel_killsnoop.terminal.describe import Describer
from otel_killsnoop.terminal.ink import lethality, lethality_of_death, paint, wanted
from otel_killsnoop.terminal.layout import Line, Piece, columns, wrap
from otel_killsnoop.terminal.output import Initiator, other_initiator
from otel_killsnoop.terminal.printable import takes_ascii_only, visible

USUAL_WIDTH = 80
LEAST_WIDTH = 40
INDENT = 8  # of what stands under "from" and "to"
BESIDE = 3  # lines that a command may take beside its process before it is put below
NAME_WIDTH = 7  # of the usual signals, so that the columns of neighbours agree


class TreePrinter:
    """Prints the tree view, as wide as the terminal is at that moment; 80 columns elsewhere."""

    needs_flat = False

    def __init__(self, stream: TextIO, max_depth: int, initiator: Initiator) -> None:
        self._stream = stream
        self._initiator = initiator
        self._ascii_only = takes_ascii_only(stream)
        self._describe = Describer(max_depth, self._ascii_only)
        self._coloured = wanted(stream)

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one signal; ``flat`` is not looked at."""
        self._write(self._lines(joined, unix_ns, _width(self._stream)))

    def print_death(self, death: Death, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write the end of one process; ``flat`` is not looked at."""
        number, status, core_dumped = circumstances.ending(death)
        code = f"exit {status}"
        pieces = [
            Piece(_clock(unix_ns), "faint"),
            Piece(code, lethality_of_death(number), "  "),
            Piece(self._describe.numbered(death.target.process), "strong", _gap(code)),
            Piece(f"died of {unixsignals.name(number)}", "", "  "),
            Piece(f"after {circumstances.lasted(death.run_time)}"),
        ]
        if core_dumped:
            pieces.append(Piece("core dumped", "faint", "  "))
        self._write(_wrapped(pieces, _width(self._stream)))

    def _write(self, lines: list[Line]) -> None:
        self._stream.write("".join([paint(line, self._coloured) + "\n" for line in lines]))

    def flush(self) -> None:
        """Hand on what is written."""
        self._stream.flush()

    def _lines(self, joined: Joined, unix_ns: int, width: int) -> list[Line]:
        source, target = joined.source, joined.target
        facts, details = joined.signal.facts, joined.signal.details or circumstances.NONE
        more = circumstances.particulars(facts, details)
        how = circumstances.how(facts, details, joined.signal.target_tid)
        lines = self._head(joined, unix_ns, how if source is None else how + more, width)
        beside = self._column([side for side in (source, target) if side is not None], width)
        if source is None:
            kernel = [Piece("the kernel"), Piece(f"({self._visible(facts.cause)})")]
            lines += _under("from", wrap(kernel + self._listed(more), width - INDENT))
        else:
            initiator = other_initiator(source, self._initiator)
            lines += self._side("from", source, beside, width, initiator)
        return lines + self._side("to", target, beside, width) if target else lines

    def _column(self, sides: list[Side], width: int) -> int:
        """Where commands begin that stand beside their process: for both sides the same."""
        column = 0
        for side in sides:
            own = INDENT + 2 + columns(self._describe.label(side))
            command = self._describe.command(side.process)
            if command and own <= width // 2 and len(wrap(command, width - own)) <= BESIDE:
                column = max(column, own)
        return column

    def _head(self, joined: Joined, unix_ns: int, how: list[str], width: int) -> list[Line]:
        signal, source, target = joined
        facts = signal.facts
        if target is None:
            to = circumstances.aim(facts, signal.details or circumstances.NONE)
        else:
            to = self._describe.name(target)
        by = self._describe.name(source) if source else "kernel"
        pieces = [
            Piece(_clock(unix_ns), "faint"),
            Piece(self._visible(facts.name), lethality(facts), "  "),
            Piece(by, "strong", _gap(facts.name)),
            Piece(">"),
            Piece(to, "strong"),
            Piece(self._visible(circumstances.outcome(facts)), "", "  "),
        ]
        return _wrapped(pieces + self._listed(how), width)

    def _listed(self, words: Sequence[str]) -> list[Piece]:
        """``  by kill, to the group``."""
        last = len(words) - 1
        return [
            Piece(self._visible(one) + ("," if at < last else ""), "faint", " " if at else "  ")
            for at, one in enumerate(words)
        ]

    def _side(
        self, word: str, side: Side, beside: int, width: int, initiator: Process | None = None
    ) -> list[Line]:
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
        around = self._describe.ancestors(side) + self._describe.places(side.process, initiator)
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


def _gap(word: str) -> str:
    """What stands between the name of a signal and the next column."""
    return " " * max(2, 2 + NAME_WIDTH - len(word))


def _wrapped(head: list[Piece], width: int) -> list[Line]:
    first, *others = wrap(head, width - INDENT, width)
    return [first, *_indented(others)]


def _indented(lines: list[Line], by: int = INDENT) -> list[Line]:
    return [[Piece(" " * by), line[0]._replace(before=""), *line[1:]] for line in lines]


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
