"""What ``--print`` names: the one door of this room.

A printer writes each signal, and each death, with a single ``write`` of whole lines, so that a
pipe or another writer can split it nowhere else than between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol, TextIO

from otel_killsnoop.errors import UsageError
from otel_killsnoop.model import Death, Joined, Process, Side

Initiator = Callable[[Side], Process | None]
"""Says who started what a source did: its nearest ancestor that is no wrapper, or itself."""

SOURCES_KEPT = 256  # whose initiators are remembered
KINDS = ("tree", "logfmt", "json", "none")


class Printer(Protocol):
    """Shows signals, and deaths by them, on one stream. No bytes in the data make it raise; what
    the stream itself raises (``BrokenPipeError`` when its reader is gone) passes to the caller.
    """

    @property
    def needs_flat(self) -> bool:
        """Whether ``print`` must be given the record's flat dict."""

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one signal; unix_ns: when it was sent.  flat: None unless ``needs_flat``."""

    def print_death(self, death: Death, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write the end of one process; unix_ns: when that was.  flat: as of ``print``."""

    def flush(self) -> None:
        """Hand on what is written; to be called once a batch."""


def printer(
    kind: str, stream: TextIO, max_depth: int, initiator: Initiator = lambda side: None
) -> Printer | None:
    """The printer of this kind (one of ``KINDS``); None for ``none``.

    max_depth: ancestors to show on each side, at most.  initiator: asked once for each source, as
    long as it is remembered.  Imports what that kind needs and no
    more: an agent that ships to a Collector pays for none of it.
    """
    if kind == "none":
        return None
    initiator = lru_cache(maxsize=SOURCES_KEPT)(initiator)
    if kind == "tree":
        from otel_killsnoop.terminal.tree import TreePrinter

        return TreePrinter(stream, max_depth, initiator)
    if kind == "logfmt":
        from otel_killsnoop.terminal.logfmt import LogfmtPrinter

        return LogfmtPrinter(stream, max_depth, initiator)
    if kind == "json":
        from otel_killsnoop.terminal.jsonl import JsonPrinter

        return JsonPrinter(stream)
    raise UsageError("there is no such way to print", kind, f"use one of {', '.join(KINDS)}")


def other_initiator(source: Side, initiator: Initiator) -> Process | None:
    """The source's initiator, when that is not the source itself nor its parent."""
    found = initiator(source)
    if found is None:
        return None
    for near in (source, source.parent):
        if near and (near.process.pid, near.process.start) == (found.pid, found.start):
            return None
    return found
