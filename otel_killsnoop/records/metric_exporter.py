"""The SDK's metrics -> bytes for our own sender. Imports the SDK: import it late."""

from __future__ import annotations

from collections.abc import Callable
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
    """

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        super().__init__(preferred_temporality=CUMULATIVE)
        self._send = send

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Encode and send; the SDK calls it from one thread at a time."""
        delivered = self._send(encode_metrics(metrics_data).SerializeToString())
        return MetricExportResult.SUCCESS if delivered else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is held back here."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing to close here: the sender belongs to someone else."""
