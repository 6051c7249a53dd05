"""Colour, and when there is any: by lethality, on a terminal only."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TextIO

from rich.color import ColorSystem
from rich.style import Style

from otel_killsnoop.model import Facts
from otel_killsnoop.terminal.layout import Line
from otel_killsnoop.unixsignals import FAULTS

# Only the eight colours that every terminal has, in the shades its owner chose.
_STYLES = {
    name: Style.parse(definition)
    for name, definition in {
        "error": "bold reverse red",
        "warn": "bold red",
        "info": "bold yellow",
        "debug": "bold cyan",
        "strong": "bold",
        "faint": "dim",
    }.items()
}

_KILL = 9
_ENDS_OR_STOPS = frozenset({1, 2, 3, 15, 19})  # HUP, INT, QUIT, TERM, STOP


def wanted(stream: TextIO) -> bool:
    """Whether to colour: a terminal that can, and nobody who set NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "").lower() == "dumb":
        return False
    return stream.isatty()


def lethality(facts: Facts) -> str:
    """The style of a signal's name: as the severity that its record has."""
    if facts.result == "refused":
        return "info" if facts.number in FAULTS | _ENDS_OR_STOPS | {_KILL} else "debug"
    if facts.cause == "oom":
        return "error"
    if facts.number in FAULTS and facts.cause != "ptrace":
        return "warn" if facts.has_source and facts.cause != "fault" else "error"
    if facts.number == _KILL:
        return "warn"
    return "info" if facts.number in _ENDS_OR_STOPS else "debug"


def lethality_of_death(number: int) -> str:
    """The style of what a process died of: as the severity that its record has."""
    return "warn" if number == _KILL or number in FAULTS else "info"


def paint(line: Line, coloured: bool) -> str:
    """The line as it goes to the stream; neighbours of one style share one escape sequence."""
    parts = [
        (piece.style, piece.before + piece.text if at else piece.text)
        for at, piece in enumerate(line)
    ]
    if not coloured:
        return "".join([text for _, text in parts])
    return "".join(
        [
            _colour("".join([text for _, text in group]), style)
            for style, group in groupby(parts, key=lambda part: part[0])
        ]
    )


def _colour(text: str, style: str) -> str:
    if not style:
        return text
    gap = len(text) - len(text.lstrip(" "))  # not painted: a reversed gap is a bar
    return text[:gap] + _STYLES[style].render(text[gap:], color_system=ColorSystem.STANDARD)
