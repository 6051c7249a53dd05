"""The courier: one post of the oldest file at a time, and what the rules say about the answer.

No thread and no sleep: each step returns how long to pause before the next. Each log line says a
change of state, not an attempt.
"""

from __future__ import annotations

import logging
import random
import time

from otel_killsnoop.errors import OtlpError, SpoolError
from otel_killsnoop.shipping.delivery import Kind, Verdict, backoff, decide
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.parcel import Parcel
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import Transport

PATIENCE = 5  # tries for what may be the record's fault or not: a doubtful answer, a failed read

_log = logging.getLogger(__name__)


class Courier:
    """Brings the spool's files to one destination, in order.

    base, longest: seconds of the first and of the longest pause between retries.  hold: seconds
    between tries while the destination refuses what the agent is set up to send.
    outcomes: log requests by what came of them; read it from any thread, its keys never change.
    """

    def __init__(
        self, spool: Spool, transport: Transport, base: float, longest: float, hold: float
    ) -> None:
        self._spool = spool
        self._transport = transport
        self._base, self._longest, self._hold = base, longest, hold
        self._parcel: Parcel | None = None
        self._attempt = 0  # failures in a row of the part that is next
        self._trouble: Kind | None = None
        self._refusal = ""  # the last reason for which a record of this parcel was given up
        self.outcomes = dict.fromkeys(("delivered", "retried", "held", "split", "rejected"), 0)

    def step(self, timeout: float) -> float:
        """Post the next part, within `timeout` seconds; returns the seconds to pause after it."""
        parcel = self._parcel
        try:
            if parcel is None:
                entry = self._spool.oldest()
                if entry is None:
                    return 0.0
                parcel = self._parcel = Parcel(entry, self._spool.read(entry))
            part = parcel.part
            body = part.body if self._transport.packed else unpack(part.body)
        except SpoolError as error:
            return self._unreadable(str(error))
        except OtlpError as error:
            return self._give_up_file(str(error))
        verdict = decide(self._transport.post(body, timeout), time.time())
        if verdict.kind is Kind.DELIVERED:
            return self._delivered(parcel, verdict)
        if verdict.kind is Kind.SPLIT:
            return self._refused(parcel, verdict)
        self._tell(verdict)
        if verdict.kind is Kind.HOLD:
            self.outcomes["held"] += 1
            return self._hold
        self.outcomes["retried"] += 1
        pause = self._backoff()
        return pause if verdict.wait is None else verdict.wait

    def _backoff(self) -> float:
        self._attempt += 1
        return backoff(self._attempt, random.random(), self._base, self._longest)

    def _delivered(self, parcel: Parcel, verdict: Verdict) -> float:
        self.outcomes["delivered"] += 1
        if self._trouble is not None:
            self._trouble = None
            _log.info("%s takes records again", self._transport.destination)
        if verdict.refused:
            self._refusal = verdict.reason or "no reason given"
        elif verdict.reason:
            _log.warning(
                "%s took all records, but: %s", self._transport.destination, verdict.reason
            )
        parcel.decided(verdict.refused)
        return self._go_on(parcel)

    def _refused(self, parcel: Parcel, verdict: Verdict) -> float:
        try:
            halved = parcel.split()
        except OtlpError as error:
            return self._give_up_file(f"{error}; {verdict.reason}")
        if halved:
            self.outcomes["split"] += 1
            self._attempt = 0
            return 0.0
        if verdict.doubtful and self._attempt < PATIENCE - 1:
            self._tell(verdict)
            self.outcomes["retried"] += 1
            return self._backoff()
        part = parcel.part
        self._spool.keep_rejected(parcel.entry, part.first, part.body, verdict.reason)
        self.outcomes["rejected"] += 1
        self._refusal = verdict.reason
        parcel.decided(part.records)
        return self._go_on(parcel)

    def _go_on(self, parcel: Parcel) -> float:
        """A part is decided; acknowledge the file when it was the last."""
        self._attempt = 0
        if parcel.undecided:
            return 0.0
        self._parcel = None
        self._spool.acknowledge(parcel.entry, parcel.rejected)
        if parcel.rejected:
            _log.warning(
                "%s refused %d of %d records for good: %s",
                self._transport.destination,
                parcel.rejected,
                parcel.entry.records,
                self._refusal,
            )
        return 0.0

    def _unreadable(self, why: str) -> float:
        """The disk may be in trouble for a moment, or descriptors short: not at the first time."""
        if self._attempt < PATIENCE - 1:
            return self._backoff()
        return self._give_up_file(why)

    def _give_up_file(self, why: str) -> float:
        entry = self._spool.oldest()
        self._parcel = None
        self._attempt = 0
        if entry is not None:
            self._spool.set_aside(entry, why)
        return 0.0

    def _tell(self, verdict: Verdict) -> None:
        """One line when trouble begins or changes its kind."""
        if verdict.kind is self._trouble:
            return
        self._trouble = verdict.kind
        where = self._transport.destination
        if verdict.kind is Kind.HOLD:
            _log.error(
                "%s will not have it: %s. Look at OTEL_EXPORTER_OTLP_* and at what listens there; "
                "records are kept in the spool, the next try is in %g s",
                where,
                verdict.reason,
                self._hold,
            )
        elif verdict.kind is Kind.SPLIT:
            _log.warning(
                "%s refuses a record, but does not say that the record is at fault: %s. "
                "It is tried %d times in all",
                where,
                verdict.reason,
                PATIENCE,
            )
        else:
            _log.warning(
                "%s takes no records now: %s. They are kept in the spool and sent later",
                where,
                verdict.reason,
            )
