"""otel-killsnoop: every Unix signal on this host as an OTLP log record that names both process trees."""

__version__ = "0.1.0"
