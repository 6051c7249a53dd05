"""Signals as JSON lines: the flat dict that ``records`` makes, with exactly its names and order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TextIO

from otel_killsnoop.model import Death, Joined, text
from otel_killsnoop.terminal.printable import shows, takes_ascii_only, without_surrogates

_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]")


class JsonPrinter:
    """One object a line, UTF-8 where the stream takes it.

    What could steer a terminal and JSON would allow as it is (DEL, C1 controls, bidirectional
    overrides) is escaped too; a reader of JSON gets the same values.
    """

    needs_flat = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ascii_only = takes_ascii_only(stream)

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write the flat dict; an empty object when there is none."""
        self._write(flat)

    def print_death(self, death: Death, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """As ``print``."""
        self._write(flat)

    def flush(self) -> None:
        """Hand on what is written."""
        self._stream.flush()

    def _write(self, flat: Mapping[str, object] | None) -> None:
        line = json.dumps(dict(flat or {}), ensure_ascii=False, default=_other)
        if not shows(line, self._ascii_only):
            line = _BEYOND_ASCII.sub(self._escape, without_surrogates(line))
        self._stream.write(line + "\n")

    def _escape(self, found: re.Match[str]) -> str:
        character = found.group()
        if shows(character, self._ascii_only):
            return character
        return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def _other(value: object) -> object:
    """Values that JSON does not know; records makes none of them."""
    return text(value) if isinstance(value, bytes) else str(value)
