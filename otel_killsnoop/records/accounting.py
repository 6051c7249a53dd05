"""All counts -> one log record at a stop: whoever has the logs alone can draw up both sums."""

from __future__ import annotations

from collections.abc import Mapping

from otel_killsnoop.model import Request
from otel_killsnoop.records import severity
from otel_killsnoop.records.attributes import ACCOUNTING_EVENT_NAME
from otel_killsnoop.records.bounds import utf8_text
from otel_killsnoop.records.envelope import LOG_RECORD, Envelope
from otel_killsnoop.records.log_record import KEYS, lead, observed_field, time_field
from otel_killsnoop.records.metrics import Counts
from otel_killsnoop.records.otlp import field, varint
from otel_killsnoop.records.process import iso


def numbers(counts: Counts) -> dict[str, int]:
    """By attribute. The record that tells them counts itself: among those made, and on disk."""
    kernel, shipping, ended = counts.kernel, counts.shipping, counts.ended
    return {
        "killsnoop.events.generated": sum(kernel.generated),
        "killsnoop.events.filtered": sum(kernel.filtered),
        "killsnoop.events.folded": sum(kernel.folded),
        "killsnoop.events.lost": sum(kernel.lost),
        "killsnoop.events.submitted": sum(kernel.submitted),
        "killsnoop.events.reread": ended.reread,
        "killsnoop.events.undecodable": counts.undecodable,
        "killsnoop.events.left_out": counts.left_out,
        "killsnoop.events.recorded": counts.made["signal"],
        "killsnoop.events.orphaned": ended.orphaned,
        "killsnoop.records.recovered": shipping.recovered,
        "killsnoop.records.made": sum(counts.made.values()),
        "killsnoop.records.unnoted": ended.unnoted,
        "killsnoop.records.delivered": shipping.delivered,
        "killsnoop.records.rejected": shipping.rejected,
        "killsnoop.records.evicted": shipping.evicted,
        "killsnoop.records.unspooled": shipping.unspooled,
        "killsnoop.records.missing": shipping.missing,
        "killsnoop.records.on_disk": shipping.on_disk + 1,
        "killsnoop.records.in_memory": shipping.in_memory,
    }


class AccountingEncoder:
    """Encodes the accounts; resource and boot_id as of ``record.Encoder``."""

    def __init__(self, resource: Mapping[str, str | int], boot_id: str) -> None:
        self._envelope = Envelope(resource)
        self._boot_id = boot_id

    def encode(
        self, counts: Counts, since: int, time: int, offset_ns: int, observed_ns: int
    ) -> Request:
        """A request with the one record. counts.made has it already; shipping has not.

        since: Unix ns when the counting began.  time: boot ns.  offset_ns, observed_ns: as of
        ``record.Encoder.encode``.
        """
        told = numbers(counts)
        body = (
            f"accounts since {iso(since)}: {told['killsnoop.events.generated']} signals "
            f"generated, {told['killsnoop.events.recorded']} recorded, "
            f"{told['killsnoop.events.lost'] + told['killsnoop.events.orphaned']} lost"
        )
        record = b"".join(
            (
                time_field(time + offset_ns),
                lead(severity.INFO, body.encode()),
                KEYS["killsnoop.event"].string(b"accounting"),
                KEYS["killsnoop.accounting.since"].string(iso(since).encode()),
                *(KEYS[name].integer(value) for name, value in told.items()),
                KEYS["log.record.uid"].string(utf8_text(f"{self._boot_id}-accounting-{time:016x}")),
                observed_field(observed_ns),
                field(12, ACCOUNTING_EVENT_NAME.encode()),
            )
        )
        parts = self._envelope.group((), (LOG_RECORD + varint(len(record)), record))
        return Request(b"".join(parts), 1)
