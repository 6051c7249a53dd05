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
        self, reason: str, count: int, time: int, offset_ns: int, observed_ns: int
    ) -> Request: ...


class Losses:
    """Remembers what was told already. made: how many gap records there have been."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._told: dict[str, int] = {}
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
            "ring_full": sum(kernel.lost) - kernel.refused,
            "ring_short": kernel.refused,
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
                made.append(self._encoder.encode(reason, more, now, offset_ns, now + offset_ns))
        self.made += len(made)
        return made
