"""One set of maps, programs and links: what one loading made, and what is in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from otel_killsnoop.errors import KernelError
from otel_killsnoop.model import KernelCounts
from otel_killsnoop.tracer import counters, folds, maps, settling
from otel_killsnoop.tracer.notes import Notes
from otel_killsnoop.tracer.ring import Ring, map_ring
from otel_killsnoop.tracer.tally import Tally
from otel_killsnoop.tracer.turns import Turns


@dataclass(slots=True)
class Generation:
    """programs, links: descriptors by name; a link has its program's.  made_at: boot ns.

    mode: ``tp_btf`` or ``raw_tp``.  attempts: ``off``, ``fexit`` or ``sys_exit``.
    settle: as ``settling.settler`` has it.  maps: descriptors by symbol, where they are to be
    pinned.  fell_back: why it is ``raw_tp``, if that was not wished.
    """

    made_at: int
    mode: str
    attempts: str
    programs: dict[str, int]
    links: dict[str, int]
    ring: Ring
    folds: folds.Folds
    notes: Notes
    tally: Tally
    settle: Callable[[], None]
    maps: Mapping[str, int] = field(default_factory=dict)
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    fell_back: str = ""

    def counts(self) -> KernelCounts:
        """Everything counted, that of older programs too once `Notes.carry` was told of it."""
        counted = self.tally.counts()
        carried = self.notes.carried
        return counted if carried is None else counters.added(counted, carried)

    def detach(self) -> None:
        """Close the links; without a name elsewhere, they are no more."""
        while self.links:
            os.close(self.links.popitem()[1])

    def close(self) -> None:
        """Let go of all descriptors and mappings."""
        self.detach()
        self.held.close()


def opened(
    made_at: int,
    made: Mapping[str, int],
    programs: dict[str, int],
    ring_size: int,
    looks: Iterable[bool],
    held: contextlib.ExitStack,
) -> Generation:
    """Map what these maps hold; nothing is attached.

    made: descriptors by symbol.  looks: as of `Folds`.  What is mapped is closed with ``held``;
    so shall be what is given.
    """
    cpus = counters.possible_cpus()
    try:
        by_number = maps.elements(made["map_counts"], counters.ALL_NUMBERS, cpus)
        held.callback(by_number.close)
        table = maps.elements(
            made["map_table_counts"], counters.TABLE, cpus * len(counters.TABLE_PROGRAMS)
        )
        held.callback(table.close)
        turns = Turns(maps.writable(made["map_epoch"]))
        held.callback(turns.close)
        tally = Tally(by_number, table, turns, programs)
        settle = settling.settler(held)
        fence = {} if os.uname().machine == "x86_64" else {"fence": settling.fence}
        ring = map_ring(made["map_ring"], ring_size, **fence)
        held.callback(ring.close)
        folded = folds.Folds(
            (made["map_fold0"], made["map_fold1"]),
            turns,
            tally.folded,
            settle,
            made_at,
            looks,
        )
        notes = maps.notes_of(made)
        held.callback(notes.close)
    except OSError as error:
        what = f"cannot map the ring and the counters, {error.strerror}"
        raise KernelError(what, f"{ring_size} bytes", "lower --ring-size") from error
    return Generation(made_at, "", "", programs, {}, ring, folded, notes, tally, settle)
