"""The way out: spool, sender and metrics, as the settings want them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.settings import Settings
from otel_killsnoop.shipping.transport import Transport, connect

if TYPE_CHECKING:
    from otel_killsnoop.records.metrics import Counts, Metrics
    from otel_killsnoop.shipping.sender import Sender
    from otel_killsnoop.shipping.spool import Spool

METRICS_SECONDS = 3.0  # for one post of metrics, where nothing else is shipped
_EXPORTERS = {"grpc": "otlp_grpc_log_exporter", "http/protobuf": "otlp_http_log_exporter"}

_log = logging.getLogger(__name__)


class Shipment:
    """Ships logs through the spool, metrics beside them; either may be off, not both.

    resource: the agent's own attributes.  where: the destinations, for a log line.
    """

    def __init__(self, settings: Settings, resource: Mapping[str, str | int]) -> None:
        self._settings = settings
        self._resource = resource
        self._metrics: Metrics | None = None
        self._sender: Sender | None = None
        self._spool: Spool | None = None
        self._to_metrics = connect(settings.metrics) if settings.metrics else None
        places = [self._to_metrics.destination] if self._to_metrics else []
        if settings.logs is not None:
            from otel_killsnoop.shipping.sender import Sender
            from otel_killsnoop.shipping.spool import Spool

            self._spool = Spool(settings.spool_dir, settings.spool_limit)
            to_logs = connect(settings.logs)
            self._sender = Sender(self._spool, to_logs, self._to_metrics)
            places.insert(0, to_logs.destination)
        self.where = "shipped to " + " and ".join(places)

    def __enter__(self) -> Shipment:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._spool is not None:
            self._spool.close()

    def put(self, request: Request) -> None:
        """Have a request in the spool, in memory if need be; `SpoolError` when that is full."""
        assert self._spool is not None
        self._spool.put(request)

    def abandon(self, records: int) -> None:
        """Count records that could not be made durable."""
        if self._spool is not None:
            self._spool.abandon(records)

    def counts(self) -> ShippingCounts:
        """What was shipped so far, over all agents with this spool; requests by this one."""
        if self._spool is None or self._sender is None:
            return ShippingCounts()
        return replace(self._spool.accounts(), requests=self._sender.counts().requests)

    @property
    def spool(self) -> Spool | None:
        """The spool and its ledger; None where no logs are shipped."""
        return self._spool

    def start(self, counts: Callable[[], Counts]) -> None:
        """Begin to send. counts: everything that is counted, read on the SDK's thread."""
        if self._sender is not None:
            self._sender.start()
        if self._settings.metrics is None:
            return
        from otel_killsnoop.records.metrics import Metrics

        logs = self._settings.logs
        self._metrics = Metrics(
            self._resource,
            counts,
            self._send_metrics,
            self._settings.metric_interval_ms,
            _EXPORTERS[logs.protocol if logs else self._settings.metrics.protocol],
            self._spool.since if self._spool is not None else None,
        )

    def _send_metrics(self, body: bytes) -> bool:
        """Beside logs the sender posts it soon; alone it is posted here, on the SDK's thread."""
        if self._sender is not None:
            self._sender.offer_metrics(body)
            return True
        assert self._to_metrics is not None
        return _posted(self._to_metrics, body)

    def finish(self, seconds: float) -> None:
        """Send the last metrics and what is in the spool; what is left stays there."""
        ends = time.monotonic() + seconds
        if self._metrics is not None:
            self._metrics.shutdown(min(seconds, METRICS_SECONDS + 1) * 1000)
        if self._sender is not None:
            self._sender.stop(max(0.1, ends - time.monotonic()))
            assert self._spool is not None
            if gone := self._spool.save():
                _log.error("%d records could not be written to the spool and are lost", gone)
            if left := self.counts().on_disk:
                _log.warning("%d records stay in the spool; the next start sends them", left)
        elif self._to_metrics is not None:
            self._to_metrics.close()


def _posted(transport: Transport, body: bytes) -> bool:
    from otel_killsnoop.shipping.delivery import Kind, decide
    from otel_killsnoop.shipping.packing import pack

    sent = pack(body) if transport.packed else body
    verdict = decide(transport.post(sent, METRICS_SECONDS), time.time())
    if verdict.kind is not Kind.DELIVERED:
        _log.warning("%s does not take metrics: %s", transport.destination, verdict.reason)
    return verdict.kind is Kind.DELIVERED
