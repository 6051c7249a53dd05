"""What the sender needs of a transport, and how one is made for an endpoint."""

from __future__ import annotations

import os
import urllib.parse
from typing import Protocol

from otel_killsnoop.shipping.delivery import Answer
from otel_killsnoop.shipping.endpoint import Endpoint


class Transport(Protocol):
    """Posts OTLP requests of any kind to one endpoint; knows nothing of what is in them.

    packed: whether `post` takes the request as the spool has it (gzip), else unpacked.
    destination: the URL without what may be secret in it, for log lines.
    """

    @property
    def packed(self) -> bool: ...

    @property
    def destination(self) -> str: ...

    def post(self, body: bytes, timeout: float) -> Answer:
        """The answer, within `timeout` seconds (or the endpoint's, if shorter); never raises
        for what the network, the destination or the configuration does."""

    def abort(self) -> None:
        """End a `post` that another thread is in, at once; it returns an answer without status."""

    def close(self) -> None:
        """Close the connection. No `post` may follow."""


def connect(endpoint: Endpoint) -> Transport:
    """The transport for an endpoint's protocol. Nothing is sent, resolved or connected yet."""
    if endpoint.protocol == "grpc":
        # Imported only when used: grpcio takes about 10 MiB of memory.
        from otel_killsnoop.shipping.grpc import GrpcTransport

        return GrpcTransport(endpoint)
    # urllib3 too is not worth its memory where nothing is shipped over HTTP.
    from otel_killsnoop.shipping.http import HttpTransport

    return HttpTransport(endpoint)


def stamp(endpoint: Endpoint) -> tuple[tuple[int, int, int] | None, ...]:
    """Changes when one of the endpoint's certificate or key files does."""
    paths = (endpoint.certificate, endpoint.client_key, endpoint.client_certificate)
    return tuple(_stamp(path) for path in paths if path)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # reading it will say why
    return found.st_ino, found.st_size, found.st_mtime_ns


def shown(url: str) -> str:
    """The URL without user, password and query."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "(an impossible URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def user_agent() -> str:
    """What the transports call themselves."""
    from otel_killsnoop import __version__

    return f"otel-killsnoop/{__version__}"
