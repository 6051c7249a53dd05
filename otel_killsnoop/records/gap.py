"""A loss -> a log record of its own: who reads the signals sees that some are missing."""

from __future__ import annotations

from collections.abc import Mapping

from otel_killsnoop.model import Request
from otel_killsnoop.records import severity
from otel_killsnoop.records.attributes import GAP_EVENT_NAME
from otel_killsnoop.records.bounds import utf8_text
from otel_killsnoop.records.envelope import LOG_RECORD, Envelope
from otel_killsnoop.records.log_record import KEYS, lead, observed_field, time_field
from otel_killsnoop.records.otlp import field, varint
from otel_killsnoop.records.process import precise
from otel_killsnoop.records.words import LOSSES


class GapEncoder:
    """Encodes losses; resource and boot_id as of ``record.Encoder``."""

    def __init__(self, resource: Mapping[str, str | int], boot_id: str) -> None:
        self._envelope = Envelope(resource)
        self._boot_id = boot_id

    def encode(
        self, reason: str, count: int, span: tuple[int, int], offset_ns: int, observed_ns: int
    ) -> Request:
        """A request with the one record that ``count`` signals were lost for this ``reason``.

        reason: one of ``attributes.LOSSES``; of ``orphaned`` the count is the least that it may
        be.  span: boot ns from when to when, negative before this boot.  offset_ns, observed_ns:
        as of ``record.Encoder.encode``; no two for one reason are observed at once.
        """
        first, last = span
        least = "at least " if reason == "orphaned" else ""
        what = "event" if reason == "lives" else "signal"
        body = f"{least}{count} {what}{'' if count == 1 else 's'} lost: {LOSSES[reason]}"
        uid = f"{self._boot_id}-gap-{reason}-{observed_ns - offset_ns:016x}"
        record = b"".join(
            (
                time_field(first + offset_ns),
                lead(severity.ERROR, body.encode()),
                KEYS["killsnoop.event"].string(b"gap"),
                KEYS["killsnoop.lost.count"].integer(count),
                KEYS["killsnoop.lost.reason"].string(reason.encode()),
                KEYS["killsnoop.lost.last_time"].string(precise(last + offset_ns).encode()),
                KEYS["log.record.uid"].string(utf8_text(uid)),
                observed_field(observed_ns),
                field(12, GAP_EVENT_NAME.encode()),
            )
        )
        parts = self._envelope.group((), (LOG_RECORD + varint(len(record)), record))
        return Request(b"".join(parts), 1)
