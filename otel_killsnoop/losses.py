"""What was lost since the last look -> gap records, one for each reason.

A loss that the agent's own gap record could bring about (one more record in a full spool, one
more refused) is told only once the destination takes records again: else each telling would be
the next loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from otel_killsnoop.model import KernelCounts, Request, ShippingCounts

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

    began: boot ns before which this agent's ring can have lost nothing.  told: by reason, as of
    `Before`. All counts are over all agents, so what one could not tell any more, the next does.
    """

    def __init__(self, encoder: Encoder, began: int, before: Before | None = None) -> None:
        before = before or Before()
        self._encoder = encoder
        self.told = dict(before.told)
        self._before = before.lost
        owed = [reason for reason in before.lost if self._owed(reason)]
        self._began = began
        self._looked = dict.fromkeys(owed, min(before.looked, began))
        self._until: dict[str, int] = {}
        self._delivered = before.delivered
        self.made = 0

    @property
    def looked(self) -> int:
        """Boot ns up to which all losses are told."""
        return min(self._looked.values(), default=self._began)

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
    ) -> list[Request]:
        """Requests of one record each. now: boot ns.  offset_ns: what makes unix ns of it."""
        held = () if shipping.delivered > self._delivered else LATE
        self._delivered = shipping.delivered
        made = []
        for reason, count in all_lost(kernel, undecodable, shipping).items():
            more = count - self.told.get(reason, 0)
            if more > 0 and reason in held:
                self._looked.setdefault(reason, self._began)
                continue
            if more > 0:
                span = self._span(reason, kernel.lost_between.get(reason, (0, 0)), now)
                self.told[reason] = count
                made.append(self._encoder.encode(reason, more, span, offset_ns, now + offset_ns))
            self._looked[reason] = now
        self.made += len(made)
        return made

    def _owed(self, reason: str) -> bool:
        """Whether agents before have lost some that nobody has told."""
        return self.told.get(reason, 0) < self._before.get(reason, 0)

    def _span(self, reason: str, known: tuple[int, int], now: int) -> tuple[int, int]:
        """From when to when: by the kernel's own clock where it says, else between two looks.

        The kernel's clock of this ring says nothing of one before.
        """
        looked = self._looked.get(reason, self._began), now
        first, last = known if known[1] and not self._owed(reason) else looked
        # What was lost while the last look was on its way stands with what that one told.
        first = min(max(first, self._until.get(reason, first)), last)
        self._until[reason] = last
        return first, last
