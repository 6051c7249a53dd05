"""otel-killsnoop: every Unix signal on this host, with both process trees, as OTLP log records."""

__version__ = "0.1.0"
