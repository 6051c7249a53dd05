"""The SDK's metrics -> bytes for our own sender. Imports the SDK: import it late."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk import metrics
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)

# Prometheus takes no other.
CUMULATIVE: dict[type, AggregationTemporality] = dict.fromkeys(
    (
        metrics.Counter,
        metrics.UpDownCounter,
        metrics.Histogram,
        metrics.ObservableCounter,
        metrics.ObservableUpDownCounter,
        metrics.ObservableGauge,
    ),
    AggregationTemporality.CUMULATIVE,
)


class BytesExporter(MetricExporter):
    """Encodes as the official exporters do, and hands the request to ``send``.

    send: takes a serialised ExportMetricsServiceRequest, says whether it was delivered.
    since: start times of metrics that the SDK does not know of, by name: those of counters that
    an agent before has begun.
    """

    def __init__(
        self, send: Callable[[bytes], bool], since: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        super().__init__(preferred_temporality=CUMULATIVE)
        self._since = since
        self._send = send

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Encode and send; the SDK calls it from one thread at a time."""
        request = encode_metrics(metrics_data)
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name in self._since:
                        for point in metric.sum.data_points:
                            point.start_time_unix_nano = self._since[metric.name]
        delivered = self._send(request.SerializeToString())
        return MetricExportResult.SUCCESS if delivered else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing to close here: the sender belongs to someone else."""
