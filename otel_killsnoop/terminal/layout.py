"""Pieces of text -> lines that fit a width, in terminal columns: a wide character has two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells


class Piece(NamedTuple):
    """Some text that is not broken unless it is longer than a line.

    text: printable.  style: what ``ink`` knows.  before: the gap to the piece before it, left out
    where a line begins.
    """

    text: str
    style: str = ""
    before: str = " "


Line = list[Piece]

_SEAMS = ":;,/&|"
"""Where a word that is longer than a line is best broken: class paths, URLs, lists."""


def columns(line: Sequence[Piece]) -> int:
    """How many columns the line takes."""
    return sum(
        cell_len(piece.text) + (cell_len(piece.before) if at else 0)
        for at, piece in enumerate(line)
    )


def wrap(pieces: Iterable[Piece], room: int, first_room: int | None = None) -> list[Line]:
    """The pieces in as few lines as a greedy reader makes; no line takes more than ``room``.

    first_room: what the first line may take, when that differs.
    """
    lines: list[Line] = []
    line: Line = []
    used = 0
    free = room if first_room is None else first_room
    for piece in pieces:
        size = cell_len(piece.text)
        gap = cell_len(piece.before)
        if line and used + gap + size <= free:
            line.append(piece)
            used += gap + size
            continue
        if line:
            lines.append(line)
            free = room
        rest = piece.text
        while size > free:
            part = _beginning(rest, free)
            lines.append([piece._replace(text=part)])
            free = room
            rest = rest[len(part) :]
            size = cell_len(rest)
        line = [piece._replace(text=rest)]
        used = size
    if line:
        lines.append(line)
    return lines


def _beginning(word: str, free: int) -> str:
    """As much of the word as fits, less where there is a seam in the second half of that."""
    part = chop_cells(word, free)[0] or word[:1]
    seam = 1 + max(part.rfind(one) for one in _SEAMS)
    return part[:seam] if seam > len(part) // 2 else part
