"""The five rooms put together for one run: what `agent` moves batches through."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from otel_killsnoop.losses import Losses
from otel_killsnoop.model import Event, Joined, KernelCounts, Request, ShippingCounts
from otel_killsnoop.pipeline import BATCH, Pipeline
from otel_killsnoop.processes.host import Host
from otel_killsnoop.settings import Settings
from otel_killsnoop.shipment import Shipment
from otel_killsnoop.terminal.output import printer
from otel_killsnoop.tracer.decode import Decoder

if TYPE_CHECKING:
    from otel_killsnoop.processes.table import Applied
    from otel_killsnoop.records.flat import Flattener
    from otel_killsnoop.records.record import Encoder
    from otel_killsnoop.tracer.load import Tracer

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_log = logging.getLogger(__name__)


def offset_ns() -> int:
    """What to add to boot time for unix time, as of now.

    Unix time is read between two readings of the boot clock; the closest of three such pairs
    counts, for the reader may be held up between them.
    """
    best, offset = 1 << 62, 0
    for _ in range(3):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        unix = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < best:
            best, offset = after - before, unix - (before + after) // 2
    return offset


class Rooms:
    """A context: made when attached, started, looked after, finished.

    full: what `Pipeline.step` returns when there is certainly more to read.
    """

    full = BATCH

    def __init__(self, settings: Settings, tracer: Tracer) -> None:
        self._settings = settings
        self.tracer = tracer
        self._host = Host(settings.root, settings.args)
        self._decoder = Decoder(tracer.made_at)
        self._encoder: Encoder | None = None
        self._flattener: Flattener | None = None
        self._shipment: Shipment | None = None
        self._losses: Losses | None = None
        self._told_lost = 0
        self._listed = time.monotonic()
        self._held = ExitStack()
        put: Callable[[Request], None] | None = None
        ships = settings.logs is not None or settings.metrics is not None
        if ships or settings.print == "json":
            put = self._make_records(ships)
        self.pipeline = Pipeline(
            tracer.ring,
            tracer.made_at,
            self,
            put,
            printer(settings.print, sys.stdout, settings.max_tree_depth),
            offset_ns,
        )

    def _make_records(self, ships: bool) -> Callable[[Request], None] | None:
        from otel_killsnoop.records.resource import agent_resource

        settings = self._settings
        resource = agent_resource(settings.root)
        boot_id = BOOT_ID.read_text("ascii").strip()
        place = (resource, boot_id, settings.max_tree_depth, offset_ns())
        if settings.print == "json":
            from otel_killsnoop.records.flat import Flattener

            self._flattener = Flattener(*place)
        if ships:
            self._shipment = self._held.enter_context(Shipment(settings, resource))
        if settings.logs is None or self._shipment is None:
            return None
        from otel_killsnoop.records.gap import GapEncoder
        from otel_killsnoop.records.record import Encoder

        self._encoder = Encoder(*place)
        self._losses = Losses(GapEncoder(resource, boot_id))
        return self._shipment.put

    def __enter__(self) -> Rooms:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    # --- the stages of the pipeline ---

    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]:
        """Bytes -> events."""
        return self._decoder.decode(records)

    def apply(self, events: Sequence[Event], waited: int) -> Applied:
        """Events -> who is who."""
        return self._host.table.apply(events, waited)

    def encode(self, joined: Sequence[Joined], offset: int) -> list[Request]:
        """Joined signals -> requests."""
        assert self._encoder is not None
        return self._encoder.encode(joined, offset, time.time_ns())

    def flat(self, joined: Joined, offset: int) -> Mapping[str, object]:
        """A joined signal -> its record as one flat dict."""
        assert self._flattener is not None
        return self._flattener.flat(joined, offset)

    # --- the life of the agent ---

    def start(self) -> None:
        """Learn who is there already, and begin to ship."""
        for warning in self._settings.warnings:
            _log.warning("%s", warning)
        known = self._host.seed()
        if self._shipment is not None:
            self._shipment.start(self._counts)
        settings = self._settings
        ways = [f"printed as {settings.print}"] if settings.print != "none" else []
        if self._shipment is not None:
            ways.append(self._shipment.where)
        _log.info(
            "attached by %s, %d processes known, signals are %s",
            self.tracer.mode,
            known,
            " and ".join(ways) or "only counted",
        )

    def look(self) -> None:
        """What is due about once a second: losses told, /proc read again if that is wished."""
        kernel = self.tracer.counts()
        self._tell_losses(kernel)
        interval = self._settings.list_process_interval
        now = time.monotonic()
        if interval and now >= self._listed + interval:
            self._listed = now
            self._host.seed()

    def finish(self, seconds: float) -> None:
        """The ring is empty: ship the last counts and what is in the spool, in so many seconds."""
        kernel = self.tracer.counts()
        if gone := self.pipeline.abandon():
            _log.error("%d records could not be written to the spool and are lost", gone)
            if self._shipment is not None:
                self._shipment.abandon(gone)
        self._tell_losses(kernel)
        self.pipeline.settle()
        if self._shipment is not None:
            self._shipment.finish(seconds)
        _log.info(
            "stopped: %d signals generated, %d filtered, %d recorded, %d lost",
            sum(kernel.generated),
            sum(kernel.filtered),
            sum(kernel.submitted),
            sum(kernel.lost),
        )

    def _tell_losses(self, kernel: KernelCounts) -> None:
        lost = sum(kernel.lost) + self._decoder.undecodable_signals
        if lost > self._told_lost:
            _log.warning(
                "%d signals found no room in the ring or could not be understood "
                "(raise --ring-size, or exclude some signals)",
                lost - self._told_lost,
            )
            self._told_lost = lost
        if self._losses is None:
            return
        shipping = self._shipment.counts() if self._shipment else ShippingCounts()
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        undecodable = self._decoder.undecodable_signals
        self.pipeline.add(self._losses.look(kernel, undecodable, shipping, now, offset_ns()))

    def _counts(self) -> tuple[object, ...]:
        """Arguments of ``records.metrics.Counts`` but the shipping's, read on the SDK's thread."""
        return (
            self.tracer.counts(),
            self._host.table.counts(),
            self.pipeline.signals,
            self._decoder.undecodable_signals,
            self._losses.made if self._losses else 0,
        )
