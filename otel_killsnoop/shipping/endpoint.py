"""Where one kind of telemetry is sent, and how: everything that a transport needs to know.

Values only, already checked by whoever read them from the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One OTLP destination for one OpenTelemetry signal.

    signal: ``logs``, ``metrics`` or ``traces``.  protocol: ``http/protobuf`` or ``grpc``.
    url: over HTTP the complete URL that the body is posted to (``/v1/logs`` included), over gRPC
    ``scheme://host:port`` (https means TLS).  headers: name and value as they are sent, in order;
    they may hold secrets, so they are not in the repr.  timeout: seconds for one whole request.
    compression: ``gzip`` or ``none``.  certificate, client_key, client_certificate: paths of PEM
    files (what to trust; who we are), None for the system's trust and no client identity.
    """

    signal: str
    protocol: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout: float = 10.0
    compression: str = "gzip"
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
