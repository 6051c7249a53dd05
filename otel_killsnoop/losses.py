"""What was lost since the last look -> gap records, one for each reason.

A loss that the agent's own gap record could bring about (one more record in a full spool, one
more refused) is told only once the destination takes records again: else each telling would be
the next loss.
"""

from __future__ import annotations

from typing import Protocol

from otel_killsnoop.model import KernelCounts, Request, ShippingCounts
from otel_killsnoop.tracer.notes import Lost, Notes, Spans, lost


class Encoder(Protocol):
    """``records.gap.GapEncoder``."""

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request: ...


class Losses:
    """Remembers what was told already. made: how many gap records there have been.

    notes: what an agent after this one will know of it. There is written which losses of the
    kernel's side are about to be told, before they are: should the agent be killed, the next one
    tells the same once more, under the same ``log.record.uid``, and goes on from there.
    began: boot ns before which nothing can have been lost.
    """

    def __init__(self, encoder: Encoder, notes: Notes, began: int) -> None:
        self._encoder = encoder
        self._notes = notes
        self._told: dict[str, int] = {}
        self._until: dict[str, int] = {}
        self._looked = began
        self._delivered = 0
        self.made = 0

    def again(self, offset_ns: int) -> list[Request]:
        """What an agent before this one was telling when it ended."""
        if self._notes.telling is None:
            return []
        return self._told_by(*self._notes.telling, offset_ns)

    def look(
        self,
        kernel: KernelCounts,
        undecodable: int,
        shipping: ShippingCounts,
        now: int,
        offset_ns: int,
        safe: bool,
    ) -> list[Request]:
        """Requests of one record each. now: boot ns.  offset_ns: what makes unix ns of it.

        safe: whether all that was made of earlier looks is durable.
        """
        made = []
        notes, up_to = self._notes, lost(kernel)
        if safe:
            notes.is_told()
        if notes.telling is None and up_to != notes.told:
            spans = self._spans(kernel, up_to, now)
            notes.tell(now, up_to, spans)
            made += self._told_by(now, up_to, spans, offset_ns)
        others = {"undecodable": undecodable, "unspooled": shipping.unspooled}
        if shipping.delivered > self._delivered:
            others |= {"evicted": shipping.evicted, "rejected": shipping.rejected}
        self._delivered = shipping.delivered
        for reason, count in others.items():
            more = count - self._told.get(reason, 0)
            if more > 0:
                self._told[reason] = count
                span = self._span(reason, kernel.lost_between.get(reason, (0, 0)), now)
                made.append(self._encoder.encode(reason, more, span, offset_ns, now + offset_ns))
        self._looked = now
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
        """Of what was lost since it was last told; (0, 0) where nothing was."""
        known = kernel.lost_between
        return {
            reason: self._span(reason, known.get(reason, (0, 0)), now) if count > told else (0, 0)
            for reason, count, told in zip(up_to._fields, up_to, self._notes.told, strict=True)
        }

    def _span(self, reason: str, known: tuple[int, int], now: int) -> tuple[int, int]:
        """From when to when: by the kernel's own clock where it says, else between two looks."""
        first, last = known if known[1] else (self._looked, now)
        # What was lost while the last look was on its way stands with what that one told.
        first = min(max(first, self._until.get(reason, 0)), last)
        self._until[reason] = last
        return first, last
