"""What a table of attributes has in a row."""

from __future__ import annotations

from typing import NamedTuple


class Attribute(NamedTuple):
    """type: ``string``, ``int``, ``double``, ``boolean``, ``string[]`` or ``int[]``; example: as a
    reader would see it.
    """

    name: str
    type: str
    meaning: str
    example: str
