"""What is shipped, and what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Request(NamedTuple):
    """One OTLP export request, serialised and not compressed, and how many records are in it."""

    body: bytes
    records: int


LIVES = ("fork", "exec", "exit", "oom", "cgroup")  # programs whose records trees are made of
NUMBERS = 65  # signal numbers 0 to 64: the length of every by-number tuple below


@dataclass(frozen=True, slots=True)
class KernelCounts:
    """What the kernel program counted since it was loaded; the first five by signal number.

    For every number n: generated[n] = filtered[n] + folded[n] + lost[n] + submitted[n].
    table_lost: records other than signals' that found no room in the ring, by program name.
    refused: of lost, how many were kept out of what is left of the ring for lethal signals.
    recursion_misses: times the kernel skipped a program, by program name.
    lost_between: boot ns of the first and last loss since it was last told, by reason:
    ``ring_full``, ``ring_short``, ``lives``, ``attempts``.
    unread: signals of an agent before this one, in a ring of a form that this one cannot read.
    """

    generated: tuple[int, ...] = (0,) * NUMBERS
    filtered: tuple[int, ...] = (0,) * NUMBERS
    folded: tuple[int, ...] = (0,) * NUMBERS
    lost: tuple[int, ...] = (0,) * NUMBERS
    submitted: tuple[int, ...] = (0,) * NUMBERS
    table_lost: Mapping[str, int] = field(default_factory=dict)
    recursion_misses: Mapping[str, int] = field(default_factory=dict)
    refused: int = 0
    lost_between: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unread: int = 0

    @property
    def by_number(self) -> tuple[tuple[int, ...], ...]:
        """The first five, in their order."""
        return self.generated, self.filtered, self.folded, self.lost, self.submitted

    def losses(self) -> dict[str, int]:
        """What was lost between the kernel's events and the ring, by reason."""
        misses, lost = self.recursion_misses, self.table_lost
        return {
            "ring_full": sum(self.lost) - self.refused,
            "ring_short": self.refused,
            "skipped": misses.get("signal", 0),
            "attempts": lost.get("attempt", 0) + misses.get("attempt", 0),
            "lives": sum(lost.get(name, 0) + misses.get(name, 0) for name in LIVES),
            "unread": self.unread,
        }


@dataclass(frozen=True, slots=True)
class ShippingCounts:
    """Log records, counted where they change hands: by one agent, or by all that used a spool.

    recovered + spooled = delivered + rejected + evicted + missing + on_disk, at every moment.
    recovered: found in the spool at start; of all agents, those that no ledger told of.  spooled:
    written there, or decided while they were in memory.  unspooled: could not be written and are
    gone.  in_memory: wait in memory only, for the spool cannot be written; on their way to one of
    spooled and unspooled.  missing: of all agents, those that the ledger told of and that a start
    did not find.
    """

    recovered: int = 0
    spooled: int = 0
    delivered: int = 0
    rejected: int = 0
    evicted: int = 0
    on_disk: int = 0
    unspooled: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)  # by outcome: delivered, retried, ...
    in_memory: int = 0
    missing: int = 0


class Ended(NamedTuple):
    """What agents that were killed have left to be told.

    reread: signals that were read from the ring again, and counted again.  orphaned: submitted
    signals that nobody could read any more.  unnoted: records that were put in the spool before
    it was noted of which events they are.
    """

    reread: int = 0
    orphaned: int = 0
    unnoted: int = 0


@dataclass(frozen=True, slots=True)
class TableCounts:
    """The process table's size and what it had to forget or could not know."""

    entries: int = 0
    bytes: int = 0
    evicted: int = 0
    partial: int = 0
    masked: int = 0
