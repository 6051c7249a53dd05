"""The process table: the kernel's events in, signals joined with who is who out.

What is known is in the ``registry``; how events change it, and what of them is told, is in
``joining``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from otel_killsnoop.model import Event, TableCounts
from otel_killsnoop.processes.attempts import Attempts
from otel_killsnoop.processes.deaths import Deaths
from otel_killsnoop.processes.joining import Applied, Joining
from otel_killsnoop.processes.life import Life
from otel_killsnoop.processes.node import Entry
from otel_killsnoop.processes.parents import Ask, Parents
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.redact import Redact
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.repeats import Repeats
from otel_killsnoop.processes.seeding import Seeding
from otel_killsnoop.processes.sides import Sides
from otel_killsnoop.processes.titles import Titles


class Table:
    """Who is who, fed by events. Not for use by several threads.

    look_up: pid -> what /proc says of it now, or None.  user: uid -> name or None.
    place: (cgroup id, pid of a process in it) -> Place or None.
    place_of_path: cgroup path -> Place.  redact: arguments -> (arguments to show, how many
    values in them are masked).  owner: a thread's number -> (its process, its start in ticks) by
    /proc, or None.  parent: see `parents`.  titles: None where none are to be read.
    learn: told of each new cgroup, see `Cgroups.learn`.  lingers: whether /proc still shows a
    process of that pid.  max_entries, max_bytes: what is held at most, by estimate.
    """

    def __init__(
        self,
        look_up: Callable[[int], Entry | None],
        user: Callable[[int], str | None],
        place: Callable[[int, int], Place | None],
        place_of_path: Callable[[str], Place],
        redact: Redact,
        max_entries: int = 65536,
        max_bytes: int = 32 << 20,
        owner: Callable[[int], tuple[int, int] | None] = lambda tid: None,
        parent: Ask = lambda pid, ticks: None,
        titles: Titles | None = None,
        learn: Callable[[int, int, bytes], None] = lambda identity, hierarchy, path: None,
        lingers: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        self._registry = Registry(max_entries, max_bytes, lingers)
        parents = Parents(self._registry, parent)
        self._sides = Sides(self._registry, user, place, redact, parents, titles)
        self._seeding = Seeding(self._registry, look_up, place_of_path)
        life = Life(self._registry, self._seeding, look_up, place)
        sides_of = self._sides.of
        self._joining = Joining(
            self._registry,
            self._seeding,
            life,
            self._sides,
            Deaths(self._registry, self._seeding, look_up, sides_of),
            Repeats(self._registry, self._seeding, sides_of),
            Attempts(self._registry, self._seeding, life, owner, sides_of),
            learn,
        )

    def seed(
        self,
        entries: Iterable[Entry],
        began: int = 0,
        pids: Collection[int] = (),
        later: Collection[tuple[int, int]] = (),
    ) -> None:
        """Learn what a listing of /proc says and no event has said already.

        began: boot ns when the listing was begun.  pids: all that were in it, also those that
        could not be read. A process that is older than ``began`` and whose pid is not among
        ``pids`` is taken for dead (its exit record was lost), unless there are none at all.
        later: (pid, start) of those whose programs /proc shows, but whose exec records are still
        to come, with others before them: till then it is not known what they ran.
        """
        self._seeding.seed(entries, began, pids, later)
        self._registry.sweep(self._joining.now)

    def counts(self) -> TableCounts:
        """How much is held, and what was forgotten, unknown or masked so far."""
        registry = self._registry
        return TableCounts(
            entries=registry.entries,
            bytes=registry.bytes,
            evicted=registry.evicted,
            partial=self._seeding.partial,
            masked=self._sides.masked,
        )

    def apply(self, events: Sequence[Event], waited: int = 0) -> Applied:
        """Apply a batch in ring order and join its signals; as ``Joining.apply`` says."""
        return self._joining.apply(events, waited)
