"""The stations of a signal's journey, from bytes to records: the rooms behind `stages.Stages`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from otel_killsnoop.model import Death, Event, Folded, Joined, Request
from otel_killsnoop.processes.host import Host
from otel_killsnoop.settings import Settings
from otel_killsnoop.tracer.decode import Decoder
from otel_killsnoop.tracer.judge import Judge

if TYPE_CHECKING:
    from otel_killsnoop.processes.joining import Applied
    from otel_killsnoop.records.accounting import AccountingEncoder
    from otel_killsnoop.records.exit import ExitEncoder
    from otel_killsnoop.records.flat import Flattener
    from otel_killsnoop.records.gap import GapEncoder
    from otel_killsnoop.records.record import Encoder
    from otel_killsnoop.tracer.folds import Fold

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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


class Stations:
    """Made for one ring. made_at: the sequence of its first byte.

    host: the processes' room.  resource: the agent's own attributes; empty when neither shipped
    nor printed as JSON.  gaps, accounting: encode losses and the last accounts; None
    when no logs are shipped.
    """

    def __init__(self, settings: Settings, made_at: int) -> None:
        self._decoder = Decoder(made_at)
        self._judge = Judge()
        self.host = Host(
            settings.root,
            settings.args,
            patterns=settings.redact_patterns,
            wrappers=settings.wrappers,
        )
        self.boot_id = ""
        self.resource: dict[str, str] = {}
        self.gaps: GapEncoder | None = None
        self.accounting: AccountingEncoder | None = None
        self._encoder: Encoder | None = None
        self._exits: ExitEncoder | None = None
        self._flattener: Flattener | None = None
        ships = settings.logs is not None or settings.metrics is not None
        if ships or settings.print == "json":
            self._make_records(settings)

    def _make_records(self, settings: Settings) -> None:
        # The records' room is not worth its memory where only people read.
        from otel_killsnoop.records.resource import agent_resource

        self.resource = agent_resource(settings.root)
        boot_id = self.boot_id = BOOT_ID.read_text("ascii").strip()
        place = (self.resource, boot_id, settings.max_tree_depth, offset_ns())
        initiator, cgroup = self.host.initiators.of, self.host.cgroup
        if settings.print == "json":
            from otel_killsnoop.records.flat import Flattener

            self._flattener = Flattener(*place, initiator=initiator, cgroup=cgroup)
        if settings.logs is not None:
            from otel_killsnoop.records.accounting import AccountingEncoder
            from otel_killsnoop.records.exit import ExitEncoder
            from otel_killsnoop.records.gap import GapEncoder
            from otel_killsnoop.records.record import Encoder

            self._encoder = Encoder(*place, initiator=initiator, cgroup=cgroup)
            self._exits = ExitEncoder(*place, target=self._encoder.target)
            self.gaps = GapEncoder(self.resource, boot_id)
            self.accounting = AccountingEncoder(self.resource, boot_id)

    @property
    def undecodable(self) -> int:
        """Signals, or what may have been some, that could not be understood."""
        return self._decoder.undecodable_signals

    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]:
        """Bytes -> events."""
        return self._decoder.decode(records)

    def folded(self, folds: Iterable[Fold]) -> list[Folded]:
        """Repeats that the kernel counted -> events."""
        return self._decoder.folded(folds)

    def judge(self, events: Sequence[Event], waited: int) -> tuple[list[Event], list[Event]]:
        """What only later records tell of a signal."""
        return self._judge.judge(events, waited)

    def apply(self, events: Sequence[Event], waited: int) -> Applied:
        """Events -> who is who."""
        return self.host.table.apply(events, waited)

    def encode(self, joined: Sequence[Joined], offset: int) -> list[Request]:
        """Joined signals -> requests."""
        assert self._encoder is not None
        return self._encoder.encode(joined, offset, time.time_ns())

    def encode_deaths(self, deaths: Sequence[Death], offset: int) -> list[Request]:
        """Deaths by a signal -> requests."""
        assert self._exits is not None
        return self._exits.encode(deaths, offset, time.time_ns())

    def flat(self, joined: Joined, offset: int) -> Mapping[str, object]:
        """A joined signal -> its record as one flat dict."""
        assert self._flattener is not None
        return self._flattener.flat(joined, offset)

    def flat_death(self, death: Death, offset: int) -> Mapping[str, object]:
        """A death -> its record as one flat dict."""
        assert self._flattener is not None
        return self._flattener.flat_death(death, offset)
