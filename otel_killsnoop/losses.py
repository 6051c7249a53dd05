"""What was lost since the last look -> gap records, one for each reason.

A loss that the agent's own gap record could bring about (one more record in a full spool, one
more refused) is told only once the destination takes records again: else each telling would be
the next loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from otel_killsnoop.model import KernelCounts, Request, ShippingCounts
from otel_killsnoop.tracer.notes import Lost, Notes, Spans, lost

NOTHING = KernelCounts()
LATE = ("evicted", "rejected")  # told when the destination takes records again


class Encoder(Protocol):
    """``records.gap.GapEncoder``."""

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request: ...


class Before(NamedTuple):
    """What agents before have left, over all of them; the first two by reason.

    lost: without what the kernel counts of a ring that is gone on with.  looked: boot ns up to
    which all losses are told, negative before this boot.  delivered: records.
    """

    lost: Mapping[str, int] = {}
    told: Mapping[str, int] = {}
    looked: int = 0
    delivered: int = 0


def all_lost(kernel: KernelCounts, undecodable: int, shipping: ShippingCounts) -> dict[str, int]:
    """By reason."""
    return {
        **kernel.losses(),
        "undecodable": undecodable,
        "unspooled": shipping.unspooled,
        "missing": shipping.missing,
        "evicted": shipping.evicted,
        "rejected": shipping.rejected,
    }


class Losses:
    """Remembers what was told already. made: how many gap records there have been.

    notes: what an agent that goes on with this ring will know of it. There is written which losses
    of the kernel's side are about to be told, before they are: should the agent be killed, the
    next one tells the same once more, under the same ``log.record.uid``, and goes on from there.
    began: boot ns before which this agent's ring can have lost nothing.  told: of all else, by
    reason, as of `Before`; those counts are over all agents, so what one could not tell any more,
    the next does.
    """

    def __init__(
        self, encoder: Encoder, notes: Notes, began: int, before: Before | None = None
    ) -> None:
        before = before or Before()
        self._encoder = encoder
        self._notes = notes
        self.told = dict(before.told)
        self._before = before.lost
        owed = [reason for reason in before.lost if self._owed(reason)]
        self._began = self._ring_looked = began
        self._looked = dict.fromkeys(owed, min(before.looked, began))
        self._until: dict[str, int] = {}
        self._delivered = before.delivered
        self.made = 0

    @property
    def ring_told(self) -> Mapping[str, int]:
        """What of this ring's losses is told and safe, by reason."""
        return self._notes.told._asdict()

    @property
    def looked(self) -> int:
        """Boot ns up to which all losses are told."""
        return min(self._looked.values(), default=self._began)

    def again(self, offset_ns: int) -> list[Request]:
        """What an agent before this one was telling of this ring when it ended."""
        if self._notes.telling is None:
            return []
        return self._told_by(*self._notes.telling, offset_ns)

    def killed(
        self, count: int, told: int, span: tuple[int, int], now: int, offset_ns: int
    ) -> list[Request]:
        """The agent before was killed. told: how many signals are orphaned in all, these too.

        count: how many are known to have been in its ring; that may be none.  span: boot ns of
        the last that is known of it, and of the beginning of this agent's ring.
        """
        self.told["orphaned"] = told
        self.made += 1
        return [self._encoder.encode("orphaned", count, span, offset_ns, now + offset_ns)]

    def look(
        self,
        kernel: KernelCounts,
        undecodable: int,
        shipping: ShippingCounts,
        now: int,
        offset_ns: int,
        safe: bool,
        dead: KernelCounts = NOTHING,
    ) -> list[Request]:
        """Requests of one record each. now: boot ns.  offset_ns: what makes unix ns of it.

        kernel: of this ring.  dead: of all rings that are gone.  safe: whether all that was made
        of earlier looks is durable.
        """
        made = []
        notes, up_to = self._notes, lost(kernel)
        if safe:
            notes.is_told()
        if notes.telling is None and up_to != notes.told:
            spans = self._spans(kernel, up_to, now)
            notes.tell(now, up_to, spans)
            made += self._told_by(now, up_to, spans, offset_ns)
        self._ring_looked = now
        held = () if shipping.delivered > self._delivered else LATE
        self._delivered = shipping.delivered
        for reason, count in all_lost(dead, undecodable, shipping).items():
            more = count - self.told.get(reason, 0)
            if more > 0 and reason in held:
                self._looked.setdefault(reason, self._began)
                continue
            if more > 0:
                # A dead ring's, so that it has not the name of this ring's.
                at = now - 1 if reason in Lost._fields else now
                span = self._after(reason, (self._looked.get(reason, self._began), at))
                self.told[reason] = count
                made.append(self._encoder.encode(reason, more, span, offset_ns, at + offset_ns))
            self._looked[reason] = now
        self.made += len(made)
        return made

    def _told_by(self, time: int, up_to: Lost, spans: Spans, offset_ns: int) -> list[Request]:
        reasons = zip(up_to._fields, up_to, self._notes.told, strict=True)
        return [
            self._encoder.encode(reason, count - told, spans[reason], offset_ns, time + offset_ns)
            for reason, count, told in reasons
            if count > told
        ]

    def _spans(self, kernel: KernelCounts, up_to: Lost, now: int) -> dict[str, tuple[int, int]]:
        """Of what was lost since it was last told; (0, 0) where nothing was.

        By the kernel's own clock where it says, else between two looks.
        """
        found = {}
        for reason, count, told in zip(up_to._fields, up_to, self._notes.told, strict=True):
            known = kernel.lost_between.get(reason, (0, 0))
            span = known if known[1] else (self._ring_looked, now)
            found[reason] = self._after(f"ring {reason}", span) if count > told else (0, 0)
        return found

    def _owed(self, reason: str) -> bool:
        """Whether agents before have lost some that nobody has told."""
        return self.told.get(reason, 0) < self._before.get(reason, 0)

    def _after(self, of: str, span: tuple[int, int]) -> tuple[int, int]:
        """What was lost while the last look was on its way stands with what that one told."""
        first, last = span
        first = min(max(first, self._until.get(of, first)), last)
        self._until[of] = last
        return first, last
