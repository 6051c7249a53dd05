"""The room put together for one host: its table, and the snapshot that starts it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from otel_killsnoop.processes import patterns as patterns_file
from otel_killsnoop.processes.cgroups import Cgroups
from otel_killsnoop.processes.initiator import Initiators
from otel_killsnoop.processes.redact import redactor
from otel_killsnoop.processes.snapshot import Snapshot
from otel_killsnoop.processes.table import Table
from otel_killsnoop.processes.titles import Titles
from otel_killsnoop.processes.users import Users


class Host:
    """Who is who on the host whose file system is at ``root``.

    args: ``redacted``, ``full`` or ``none``.  patterns: path of a file with more secrets to mask,
    see `patterns`.  wrappers: more programs that are no initiators, as in ``wrappers.txt``.
    `UsageError` for patterns and wrappers that cannot be meant.

    table: feed it.  initiators: ask them.  `seed` once after the tracer is attached, and again
    whenever /proc is to be compared with the table.
    """

    def __init__(
        self,
        root: str = "/",
        args: str = "redacted",
        max_entries: int = 65536,
        max_bytes: int = 32 << 20,
        patterns: str | None = None,
        wrappers: Sequence[str] = (),
    ) -> None:
        redact = redactor(args, patterns_file.read(patterns) if patterns else ())
        cgroups = self._cgroups = Cgroups(root)
        self.snapshot = Snapshot(root)
        self.initiators = Initiators(wrappers)
        self.table = Table(
            look_up=self.snapshot.look_up,
            user=Users(root).name,
            place=cgroups.of,
            place_of_path=cgroups.at,
            redact=redact,
            max_entries=max_entries,
            max_bytes=max_bytes,
            learn=cgroups.learn,
            lingers=self.snapshot.lingers,
            owner=self.snapshot.owner,
            parent=self.snapshot.parent,
            # A title may hold anything: with only names to be shown there is none.
            titles=None if args == "none" else Titles(self.snapshot.shown, redact),
        )

    def cgroup(self, identity: int) -> str | None:
        """The path of a cgroup by its kernfs id; None if it cannot be told."""
        found = self._cgroups.of(identity, 0)
        return None if found is None else found.path

    def seed(self, ran: Callable[[int], Collection[tuple[int, int]]] = lambda until: ()) -> int:
        """Read all of /proc into the table; the number of processes read.

        ran: who ran a new program up to this time (boot ns), which no event has told yet; it is
        asked after /proc, see ``Table.seed``.
        """
        listing = self.snapshot.take()
        later = ran(time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        self.table.seed(*listing, later)
        return len(listing.entries)
