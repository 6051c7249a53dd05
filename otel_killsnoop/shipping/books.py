"""The spool's accounts over all agents that have used it: the ledger's pages, and what they mean.

Values only. A page says what was so when it was written, and what was about to be done to one
file. Together with the files that a start finds, that tells what has been done: a put by its
sequence, which is larger than any that the page knows of; a removal by the file's absence.

Exact over a SIGKILL at any moment, but for two: a request that was decided out of memory in that
very moment counts as `unspooled`, and one that was decided while it was rescued may be found
again. After a power cut the page may be older than the files: what went meanwhile is `missing`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from otel_killsnoop.model import ShippingCounts
from otel_killsnoop.shipping.queue import Entry

NAMES = (
    "recovered",
    "spooled",
    "delivered",
    "rejected",
    "evicted",
    "unspooled",
    "missing",
    "in_memory",
)


class Intent(NamedTuple):
    """What a file's records count as once the file is gone."""

    sequence: int
    delivered: int = 0
    rejected: int = 0
    evicted: int = 0


class Page(NamedTuple):
    """since: Unix ns when the counting began.  last: the highest sequence that is on disk.

    accepted: the highest that was taken, into memory as well.  counts: over all agents.  notes:
    JSON of whoever uses the spool.
    """

    since: int
    counts: ShippingCounts = ShippingCounts()
    last: int = 0
    accepted: int = 0
    intent: Intent | None = None
    notes: str = "{}"

    def written(self) -> str:
        """As members of a JSON object."""
        head = {
            "since": self.since,
            "last": self.last,
            "accepted": self.accepted,
            "intent": self.intent,
            "records": {name: getattr(self.counts, name) for name in NAMES},
        }
        return f'{json.dumps(head)[1:-1]}, "notes": {self.notes}'


def read(written: Mapping[str, Any]) -> Page:
    """The page that was written so. ValueError for what was not written here."""
    records, intent = written.get("records"), written.get("intent")
    if not isinstance(records, dict) or not isinstance(written.get("notes"), dict):
        raise ValueError("it has no accounts")
    return Page(
        _count(written.get("since")),
        ShippingCounts(
            recovered=_count(records.get("recovered")),
            spooled=_count(records.get("spooled")),
            delivered=_count(records.get("delivered")),
            rejected=_count(records.get("rejected")),
            evicted=_count(records.get("evicted")),
            unspooled=_count(records.get("unspooled")),
            missing=_count(records.get("missing")),
            in_memory=_count(records.get("in_memory")),
        ),
        _count(written.get("last")),
        _count(written.get("accepted")),
        None if intent is None else Intent(*map(_count, intent[:4])),
        json.dumps(written["notes"]),
    )


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def reopened(page: Page, files: Iterable[Entry]) -> ShippingCounts:
    """The accounts at a start, given the files that it finds, torn ones too.

    recovered: records that are there though no page tells of them.  missing: that a page tells
    of, and that are not there.  What was in memory is gone with it.
    """
    counts = page.counts
    spooled, in_memory = counts.spooled, counts.in_memory
    on_disk, sequences = 0, set()
    for one in files:
        on_disk += one.records
        sequences.add(one.sequence)
        if one.sequence > page.accepted:
            spooled += one.records
        elif one.sequence > page.last:  # rescued from memory
            saved = min(one.records, in_memory)
            in_memory -= saved
            spooled += saved
    done = page.intent
    if done is None or done.sequence in sequences:
        done = Intent(0)
    made = replace(
        counts,
        spooled=spooled,
        delivered=counts.delivered + done.delivered,
        rejected=counts.rejected + done.rejected,
        evicted=counts.evicted + done.evicted,
        unspooled=counts.unspooled + in_memory,
        in_memory=0,
        on_disk=on_disk,
    )
    more = on_disk - expected(made)
    return replace(
        made, recovered=made.recovered + max(0, more), missing=made.missing + max(0, -more)
    )


def expected(counts: ShippingCounts) -> int:
    """How many records should be on disk."""
    gone = counts.delivered + counts.rejected + counts.evicted + counts.missing
    return counts.recovered + counts.spooled - gone


def since(start: ShippingCounts, counts: ShippingCounts) -> ShippingCounts:
    """The accounts over all agents now: those at this one's start, and its own counts."""
    return replace(
        counts,
        recovered=start.recovered,
        spooled=start.spooled + counts.spooled,
        delivered=start.delivered + counts.delivered,
        rejected=start.rejected + counts.rejected,
        evicted=start.evicted + counts.evicted,
        unspooled=start.unspooled + counts.unspooled,
        missing=start.missing,
    )
