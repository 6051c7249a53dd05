"""What was lost since the last look -> gap records, one for each reason.

A loss that the agent's own gap record could bring about (one more record in a full spool, one
more refused) is told only once the destination takes records again: else each telling would be
the next loss.
"""

from __future__ import annotations

from typing import Protocol

from otel_killsnoop.model import KernelCounts, Request, ShippingCounts


class Encoder(Protocol):
    """``records.gap.GapEncoder``."""

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request: ...


class Losses:
    """Remembers what was told already. made: how many gap records there have been.

    began: boot ns before which nothing can have been lost.
    """

    def __init__(self, encoder: Encoder, began: int) -> None:
        self._encoder = encoder
        self._told: dict[str, int] = {}
        self._until: dict[str, int] = {}
        self._looked = began
        self._delivered = 0
        self.made = 0

    def look(
        self,
        kernel: KernelCounts,
        undecodable: int,
        shipping: ShippingCounts,
        now: int,
        offset_ns: int,
    ) -> list[Request]:
        """Requests of one record each. now: boot ns.  offset_ns: what makes unix ns of it."""
        lost = {
            **kernel.losses(),
            "undecodable": undecodable,
            "unspooled": shipping.unspooled,
        }
        if shipping.delivered > self._delivered:
            lost |= {"evicted": shipping.evicted, "rejected": shipping.rejected}
        self._delivered = shipping.delivered
        made = []
        for reason, count in lost.items():
            more = count - self._told.get(reason, 0)
            if more > 0:
                self._told[reason] = count
                span = self._span(reason, kernel.lost_between.get(reason, (0, 0)), now)
                made.append(self._encoder.encode(reason, more, span, offset_ns, now + offset_ns))
        self._looked = now
        self.made += len(made)
        return made

    def _span(self, reason: str, known: tuple[int, int], now: int) -> tuple[int, int]:
        """From when to when: by the kernel's own clock where it says, else between two looks."""
        first, last = known if known[1] else (self._looked, now)
        # What was lost while the last look was on its way stands with what that one told.
        first = min(max(first, self._until.get(reason, 0)), last)
        self._until[reason] = last
        return first, last
