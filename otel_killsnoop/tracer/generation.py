"""One set of maps, programs and links: what one loading made, and what is in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from otel_killsnoop.errors import KernelError
from otel_killsnoop.model import KernelCounts
from otel_killsnoop.tracer import bpf, counters, folds, maps
from otel_killsnoop.tracer.notes import Notes
from otel_killsnoop.tracer.ring import Ring, map_ring

MISSES = frozenset({"cgroup", "fork", "exec", "exit", "oom", "signal", "attempt"})


@dataclass(slots=True)
class Generation:
    """programs, links: descriptors by name; a link has its program's.  made_at: boot ns.

    mode: ``tp_btf`` or ``raw_tp``.  attempts: ``off``, ``fexit`` or ``sys_exit``.
    maps: descriptors by symbol, where they are to be pinned.
    """

    made_at: int
    mode: str
    attempts: str
    programs: dict[str, int]
    links: dict[str, int]
    ring: Ring
    folds: folds.Folds
    notes: Notes
    by_number: counters.Elements
    table: counters.Elements
    maps: Mapping[str, int] = field(default_factory=dict)
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def counts(self) -> KernelCounts:
        """Everything counted, that of older programs too once `Notes.carry` was told of it."""
        by_number = self.by_number.all()
        misses = {}
        for name, descriptor in self.programs.items():
            if name in MISSES:
                with contextlib.suppress(OSError):  # a kernel that does not tell: nothing made up
                    misses[name] = bpf.recursion_misses(descriptor)
        generated, filtered, folded, lost, submitted = counters.by_number(by_number)
        counted = KernelCounts(
            generated,
            filtered,
            folded,
            lost,
            submitted,
            counters.table_lost(self.table.all()),
            misses,
            counters.refused(by_number),
        )
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
        fence = {} if os.uname().machine == "x86_64" else {"fence": bpf.fence}
        ring = map_ring(made["map_ring"], ring_size, **fence)
        held.callback(ring.close)
        folded = folds.Folds(
            (made["map_fold0"], made["map_fold1"]),
            maps.writable(made["map_epoch"]),
            lambda: sum(counters.by_number(by_number.all())[2]),
            made_at,
            looks,
        )
        held.callback(folded.close)
        notes = maps.notes_of(made)
        held.callback(notes.close)
    except OSError as error:
        what = f"cannot map the ring and the counters, {error.strerror}"
        raise KernelError(what, f"{ring_size} bytes", "lower --ring-size") from error
    return Generation(made_at, "", "", programs, {}, ring, folded, notes, by_number, table)
