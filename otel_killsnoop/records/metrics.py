"""Our own counts -> OTLP metrics, through the SDK's MeterProvider and its official encoder.

The counts are kept elsewhere, in plain numbers; here they are read once a collection, so that the
sums of one export agree with each other. The SDK is imported when ``Metrics`` is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from otel_killsnoop import __version__
from otel_killsnoop.model import Ended, Facts, KernelCounts, ShippingCounts, TableCounts
from otel_killsnoop.records import readings
from otel_killsnoop.records.envelope import SCOPE_NAME
from otel_killsnoop.records.metric_table import KEPT, METRICS

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

SEND_TIMEOUT_MS = 3_000
SHUTDOWN_TIMEOUT_MS = 4_000


class Counts(NamedTuple):
    """Everything that is counted, at one moment; signals: records made, by kind.

    made: records made, by ``words.EVENTS``; from the spool on all are counted together.
    left_out: submitted signals that the user's filters left out.  ended: of agents before.
    """

    kernel: KernelCounts
    shipping: ShippingCounts
    table: TableCounts
    signals: Mapping[Facts, int]
    undecodable: int
    made: Mapping[str, int] = MappingProxyType({})
    left_out: int = 0
    ended: Ended = Ended()


class Metrics:
    """Exports the counts every ``interval_ms``, and a last time at ``shutdown``.

    resource: the agent's own attributes.  read: the counts as of now, called on the SDK's thread.
    send: takes a serialised ExportMetricsServiceRequest and says whether it was delivered; called
    on the SDK's thread, and bounded by itself.  exporter_type: the semantic conventions' name of
    what sends the logs, ``otlp_http_log_exporter`` or ``otlp_grpc_log_exporter``.
    since: Unix ns when the counts in ``KEPT`` were zero; None when that was just now.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        read: Callable[[], Counts],
        send: Callable[[bytes], bool],
        interval_ms: float = 60_000,
        exporter_type: str = "otlp_http_log_exporter",
        since: int | None = None,
    ) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource

        from otel_killsnoop.records.metric_exporter import BytesExporter

        self._read = read
        self._exporter_type = exporter_type
        self._latest: readings.Readings = {}
        self._reader = PeriodicExportingMetricReader(
            BytesExporter(send, dict.fromkeys(KEPT, since) if since is not None else {}),
            export_interval_millis=interval_ms,
            export_timeout_millis=SEND_TIMEOUT_MS,
        )
        self._provider = MeterProvider(
            metric_readers=[self._reader],
            resource=Resource(dict(resource)),
            shutdown_on_exit=False,
        )
        meter = self._provider.get_meter(SCOPE_NAME, __version__)
        make = {
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
        }
        for place, one in enumerate(METRICS):
            # The SDK asks the instruments in the order in which they were made.
            callback = self._observer(one.name, refresh=place == 0)
            make[one.kind](one.name, [callback], one.unit, one.meaning)

    def _observer(
        self, name: str, refresh: bool
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        from opentelemetry.metrics import Observation

        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            if refresh:
                counts = self._read()
                self._latest = readings.readings(*counts, self._exporter_type)
            return [
                Observation(value, dict(attributes))
                for attributes, value in self._latest.get(name, {}).items()
            ]

        return observe

    def export(self) -> None:
        """Read and send now, on the caller's thread."""
        self._reader.collect(timeout_millis=SEND_TIMEOUT_MS)

    def shutdown(self, timeout_ms: float = SHUTDOWN_TIMEOUT_MS) -> None:
        """Export once more and stop; returns within ``timeout_ms`` even when sending hangs."""
        self._provider.shutdown(timeout_millis=timeout_ms)
