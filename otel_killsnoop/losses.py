"""What was lost since the last look -> gap records, one for each reason.

A loss that the agent's own gap record could bring about (one more record in a full spool, one
more refused) is told only once the destination takes records again: else each telling would be
the next loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from otel_killsnoop.model import KernelCounts, Request, ShippingCounts


class Encoder(Protocol):
    """``records.gap.GapEncoder``."""

    def encode(
        self,
        reason: str,
        count: int,
        time: int,
        offset_ns: int,
        observed_ns: int,
        since: int | None = None,
    ) -> Request: ...


class Losses:
    """Remembers what was told already. made: how many gap records there have been.

    told: what agents before have told, by reason.  delivered: records delivered at the start.
    All counts are over all agents, so what one could not tell any more, the next one does.
    """

    def __init__(self, encoder: Encoder, told: Mapping[str, int], delivered: int) -> None:
        self._encoder = encoder
        self.told = dict(told)
        self._delivered = delivered
        self.made = 0

    def killed(self, count: int, told: int, since: int, now: int, offset_ns: int) -> list[Request]:
        """The agent before was killed. told: how many signals are orphaned in all, these too.

        count: how many are known to have been in its ring; that may be none.  since: Unix ns of
        the last that is known of it.
        """
        self.told["orphaned"] = told
        self.made += 1
        return [
            self._encoder.encode("orphaned", count, now, offset_ns, now + offset_ns, since=since)
        ]

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
            "missing": shipping.missing,
        }
        if shipping.delivered > self._delivered:
            lost |= {"evicted": shipping.evicted, "rejected": shipping.rejected}
        self._delivered = shipping.delivered
        made = []
        for reason, count in lost.items():
            more = count - self.told.get(reason, 0)
            if more > 0:
                self.told[reason] = count
                made.append(self._encoder.encode(reason, more, now, offset_ns, now + offset_ns))
        self.made += len(made)
        return made
