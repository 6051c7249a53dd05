"""Everything that is counted, drawn up: for metrics, as gap records, and a last time at a stop.

Where logs are shipped the accounts are those of all agents that have used the spool, by its
ledger; else they are this agent's own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from otel_killsnoop.lives import Here, Lives
from otel_killsnoop.losses import Before, Losses, all_lost
from otel_killsnoop.model import KernelCounts, Request, ShippingCounts
from otel_killsnoop.selected import Selected
from otel_killsnoop.shipment import Shipment
from otel_killsnoop.stations import Stations, offset_ns

if TYPE_CHECKING:
    from otel_killsnoop.pipeline import Pipeline
    from otel_killsnoop.records.metrics import Counts
    from otel_killsnoop.tracer.load import Tracer

SYNC = 30.0  # seconds between syncs of the ledger: what a power cut can cost of it


class Accounts:
    """`of` must be called before any other method. lives: None where there is no ledger."""

    def __init__(
        self, tracer: Tracer, stations: Stations, selected: Selected, shipment: Shipment | None
    ) -> None:
        self._tracer, self._stations, self._selected = tracer, stations, selected
        self._shipment = shipment
        self._spool = shipment.spool if shipment is not None else None
        self.lives: Lives | None = None
        self._losses: Losses | None = None
        self._told = 0  # accounting records
        self._kernel: KernelCounts | None = None
        self._synced = time.monotonic()
        if self._spool is not None and stations.gaps is not None:
            at_start = self._spool.accounts()
            rings = [f"{stations.boot_id}-{made_at:016x}" for made_at in tracer.rings]
            self.lives = Lives(self._spool.notes, rings, at_start, self._here, self._spool.note)
            before = self._before(self.lives, at_start)
            self._losses = Losses(stations.gaps, tracer.notes, tracer.made_at, before)

    def _before(self, lives: Lives, at_start: ShippingCounts) -> Before:
        lost = all_lost(lives.kernel(KernelCounts()), lives.undecodable(0), at_start)
        looked = lives.looked - offset_ns() if lives.looked else self._tracer.made_at
        return Before(lost, lives.told, looked, at_start.delivered)

    def of(self, pipeline: Pipeline) -> None:
        """The pipeline whose records are counted."""
        self._pipeline = pipeline

    def _made(self) -> dict[str, int]:
        gaps = self._losses.made if self._losses else 0
        return {**self._pipeline.made, "gap": gaps, "accounting": self._told}

    def _here(self) -> Here:
        return Here(
            self._tracer.counts(),
            self._stations.undecodable,
            self._selected.left_out,
            self._made(),
            self._losses.told if self._losses else {},
            self._losses.looked + offset_ns() if self._losses else 0,
            self._losses.ring_told if self._losses else {},
        )

    def counts(self) -> Counts:
        """As of now; also read on the metrics' thread."""
        from otel_killsnoop.records.metrics import Counts

        here, lives = self._here(), self.lives
        own = Counts(
            here.kernel,
            self._shipment.counts() if self._shipment else ShippingCounts(),
            self._stations.host.table.counts(),
            self._pipeline.signals,
            here.undecodable,
            here.made,
            here.left_out,
        )
        if lives is None:
            return own
        return own._replace(
            kernel=lives.kernel(here.kernel),
            undecodable=lives.undecodable(here.undecodable),
            made=lives.made(here.made),
            left_out=lives.left_out(here.left_out),
            ended=lives.ended(),
        )

    def inherited(self) -> list[Request]:
        """What an agent that was killed was telling, or leaves unknown, as gap records."""
        lives, now = self.lives, time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if lives is None or self._losses is None:
            return []
        orphaned, offset, began = lives.ended().orphaned, offset_ns(), self._tracer.made_at
        told = self._losses.again(offset)
        if lives.killed is None:
            return told
        span = min(lives.seen - offset, began), began
        return told + self._losses.killed(lives.killed, orphaned, span, now, offset)

    def gaps(self, kernel: KernelCounts) -> list[Request]:
        """What was lost since the last look. kernel: this ring's counts, as of now."""
        if self._losses is None or self.lives is None or self._shipment is None:
            return []
        return self._losses.look(
            kernel,
            self.lives.undecodable(self._stations.undecodable),
            self._shipment.counts(),
            time.clock_gettime_ns(time.CLOCK_BOOTTIME),
            offset_ns(),
            not self._pipeline.pending,
            self.lives.kernel(KernelCounts()),
        )

    def refresh(self, kernel: KernelCounts) -> None:
        """Note what the kernel counted meanwhile; for about once a second."""
        if self.lives is None or self._spool is None or self._pipeline.pending:
            return
        if kernel != self._kernel:
            self._kernel = kernel
            self.lives.refresh()
        if time.monotonic() - self._synced >= SYNC:
            self._synced = time.monotonic()
            self._spool.sync()

    def last(self) -> list[Request]:
        """The accounts as a record, for a stop: nothing is counted after it but its own way."""
        if self._stations.accounting is None or self._spool is None:
            return []
        self._told += 1
        now, offset = time.clock_gettime_ns(time.CLOCK_BOOTTIME), offset_ns()
        counts = self.counts()
        since = self._spool.since
        return [self._stations.accounting.encode(counts, since, now, offset, now + offset)]

    def end(self) -> None:
        """Note that this agent ended in good order."""
        if self.lives is not None:
            self.lives.end()
