"""What ``--print`` names: the one door of this room.

A printer writes each signal with a single ``write`` of whole lines, so that a pipe or another
writer can split it nowhere else than between signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TextIO

from otel_killsnoop.errors import UsageError
from otel_killsnoop.model import Joined

KINDS = ("tree", "logfmt", "json", "none")


class Printer(Protocol):
    """Shows signals on one stream. No bytes in the data make it raise; what the stream itself
    raises (``BrokenPipeError`` when its reader is gone) passes to the caller.
    """

    @property
    def needs_flat(self) -> bool:
        """Whether ``print`` must be given the record's flat dict."""

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one signal; unix_ns: when it was sent.  flat: None unless ``needs_flat``."""

    def flush(self) -> None:
        """Hand on what is written; to be called once a batch."""


def printer(kind: str, stream: TextIO, max_depth: int) -> Printer | None:
    """The printer of this kind (one of ``KINDS``); None for ``none``.

    max_depth: ancestors to show on each side, at most.  Imports what that kind needs and no
    more: an agent that ships to a Collector pays for none of it.
    """
    if kind == "none":
        return None
    if kind == "tree":
        from otel_killsnoop.terminal.tree import TreePrinter

        return TreePrinter(stream, max_depth)
    if kind == "logfmt":
        from otel_killsnoop.terminal.logfmt import LogfmtPrinter

        return LogfmtPrinter(stream, max_depth)
    if kind == "json":
        from otel_killsnoop.terminal.jsonl import JsonPrinter

        return JsonPrinter(stream)
    raise UsageError("there is no such way to print", kind, f"use one of {', '.join(KINDS)}")
