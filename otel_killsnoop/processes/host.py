"""The room put together for one host: its table, and the snapshot that starts it."""

from __future__ import annotations

from otel_killsnoop.processes.cgroups import Cgroups
from otel_killsnoop.processes.redact import redactor
from otel_killsnoop.processes.snapshot import Snapshot
from otel_killsnoop.processes.table import Table
from otel_killsnoop.processes.users import Users


class Host:
    """Who is who on the host whose file system is at ``root``.

    args: ``redacted``, ``full`` or ``none``.  table: feed it.  ``seed()`` once after the tracer
    is attached, and again whenever /proc is to be compared with the table.
    """

    def __init__(
        self,
        root: str = "/",
        args: str = "redacted",
        max_entries: int = 65536,
        max_bytes: int = 32 << 20,
    ) -> None:
        cgroups = Cgroups(root)
        self.snapshot = Snapshot(root)
        self.table = Table(
            look_up=self.snapshot.look_up,
            user=Users(root).name,
            place=cgroups.of,
            place_of_path=cgroups.at,
            redact=redactor(args),
            max_entries=max_entries,
            max_bytes=max_bytes,
        )

    def seed(self) -> int:
        """Read all of /proc into the table; the number of processes read."""
        listing = self.snapshot.take()
        self.table.seed(*listing)
        return len(listing.entries)
