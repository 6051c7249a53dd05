"""The rooms put together for one run, and their life: started, looked after, finished."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from otel_killsnoop.accounts import Accounts
from otel_killsnoop.model import KernelCounts
from otel_killsnoop.pipeline import BATCH, Pipeline
from otel_killsnoop.preflight import attempts
from otel_killsnoop.repeats import Repeats
from otel_killsnoop.retreat import retreat
from otel_killsnoop.selected import Selected
from otel_killsnoop.settings import Settings
from otel_killsnoop.shipment import Shipment
from otel_killsnoop.stations import Stations, offset_ns
from otel_killsnoop.terminal.output import printer
from otel_killsnoop.tracer import backlog

if TYPE_CHECKING:
    from otel_killsnoop.tracer.load import Tracer

ENOUGH = 8  # attempts at an end to tell the repeats that were counted; it takes three

_log = logging.getLogger(__name__)


class Rooms:
    """A context: made when attached. `UsageError`, `HostError` when that cannot be.

    full: what `Pipeline.step` returns when there is certainly more to read.
    """

    full = BATCH

    def __init__(self, settings: Settings, tracer: Tracer) -> None:
        self._settings = settings
        self.tracer = tracer
        self._stations = stations = Stations(settings, tracer.source[1])
        self._held = ExitStack()
        self._shipment: Shipment | None = None
        if settings.logs is not None or settings.metrics is not None:
            self._shipment = self._held.enter_context(Shipment(settings, stations.resource))
        told = tracer.notes.told
        self._told_lives = told.lives
        self._told_lost = sum(told) - told.lives
        self._listed = time.monotonic()
        self._selected = Selected(
            settings.keep,
            settings.recorded,
            settings.ignore_target_comm,
            settings.ignore_target_uids,
        )
        self._accounts = Accounts(tracer, stations, self._selected, self._shipment)
        initiator = stations.host.initiators.of
        self.pipeline = Pipeline(
            *tracer.source,
            stations,
            self._shipment.put if self._shipment and settings.logs else None,
            printer(settings.print, sys.stdout, settings.max_tree_depth, initiator),
            offset_ns,
            self._selected,
            self._accounts.lives,
        )
        self._accounts.of(self.pipeline)
        self._repeats = Repeats(
            lambda: tracer.folds, tracer.source[0], self.pipeline, stations.folded
        )

    def __enter__(self) -> Rooms:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    def start(self) -> None:
        """Learn who is there already, and begin to ship."""
        settings = self._settings
        for warning in settings.warnings:
            _log.warning("%s", warning)
        known = self._stations.host.seed(partial(backlog.execs, self.tracer.source[0]))
        retreat(settings, self.tracer.answers)  # before anything is started that has threads
        if self._shipment is not None:
            self._shipment.start(self._accounts.counts)
        self.pipeline.add(self._accounts.inherited())
        ways = [f"printed as {settings.print}"] if settings.print != "none" else []
        if self._shipment is not None:
            ways.append(self._shipment.where)
        if settings.pin_dir is not None:
            _log.info("pins: %s", self.tracer.pinning)
        if self.tracer.origin == "adopted":
            waiting = self.tracer.ring.pending
            _log.info("the agent before this one was killed: %d bytes wait in its ring", waiting)
        elif self.tracer.origin == "took over":
            _log.warning("took the place of another agent's programs: %s", self.tracer.why)
        _log.info(
            "attached by %s, %d processes known, signals are %s",
            self.tracer.mode,
            known,
            " and ".join(ways) or "only counted",
        )
        if self.tracer.fell_back:
            # All is told the same; each signal costs its sender some more.
            _log.warning("attached by raw tracepoints: %s", self.tracer.fell_back)
        if settings.zero and self.tracer.attempts == "off":
            _log.warning("signal 0 is not recorded: %s", attempts(settings, self.tracer))

    @property
    def due(self) -> bool:
        """Whether `look` should be called sooner than in a second."""
        return self._settings.burst > 0 and self._repeats.due

    def look(self) -> None:
        """What is due about once a second: losses told, /proc read again if that is wished."""
        kernel = self.tracer.counts()
        self._accounts.refresh(kernel)
        self._tell_losses(kernel)
        if self._settings.burst or self.tracer.folds.owed or self.tracer.folds.unsafe:
            self._repeats.tell()
        self.tracer.look_after()
        interval = self._settings.list_process_interval
        now = time.monotonic()
        if interval and now >= self._listed + interval:
            self._listed = now
            self._stations.host.seed()

    def finish(self, seconds: float) -> None:
        """The ring is empty: ship the last counts and what is in the spool, in so many seconds."""
        self._give_up(self.pipeline.abandon())
        for _ in range(ENOUGH + self.tracer.owed):
            more = self._repeats.tell()
            self._give_up(self.pipeline.abandon())
            if not more:
                break
        kernel = self.tracer.counts()
        self._tell_losses(kernel)
        if self.pipeline.settle():
            self.pipeline.add(self._accounts.last())
            self.pipeline.settle()
        self._give_up(self.pipeline.abandon())
        self._accounts.end()
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
        undecodable = self._stations.undecodable
        reasons = kernel.losses()
        lives = reasons.pop("lives")
        lost = sum(reasons.values()) + undecodable
        if lost > self._told_lost or lives > self._told_lives:
            _log.warning(
                "%d signals found no room in the ring or could not be understood, nor did %d "
                "forks, execs and exits (raise --ring-size, or exclude some signals)",
                lost - self._told_lost,
                lives - self._told_lives,
            )
            self._told_lost, self._told_lives = lost, lives
        if told := self._accounts.gaps(kernel):
            self.tracer.told()
            self.pipeline.add(told)

    def _give_up(self, records: int) -> None:
        if records:
            _log.error("%d records could not be written to the spool and are lost", records)
            if self._shipment is not None:
                self._shipment.abandon(records)
