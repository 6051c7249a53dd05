"""OTLP over gRPC: bytes in, bytes out, one channel; imported only where gRPC is asked for."""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import Any

# grpc's core writes to stderr by itself; the agent's log is the place for what went wrong.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
# The agent never forks, and fork handlers would stop every thread of a process that does.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc  # type: ignore[import-untyped]  # no types; reads the variables above

from otel_killsnoop.shipping.delivery import Answer
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.transport import shown, stamp, user_agent

_SERVICES = {"logs": "logs.v1.Logs", "metrics": "metrics.v1.Metrics", "traces": "trace.v1.Trace"}
_PORT = 4317
_OPTIONS = (
    ("grpc.primary_user_agent", user_agent()),
    ("grpc.enable_retries", 0),  # the delivery rules are ours
    # Our backoff decides when to try again; grpc's own, up to two minutes, would answer for a
    # destination that has long come back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 10_000),  # how long one try to connect may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),  # the destination's limit counts: its answer splits
)

# A proxy, or whatever listens there, has answered with a plain HTTP status. gRPC makes UNKNOWN of
# most of them, a redirect among them; by the rules for HTTP it means what it says.
_PROXY = re.compile("Received http2 header with status: ([0-9]{3})")
# gRPC's own words, with UNKNOWN, for an answer without a gRPC status: a web page, or a lost one.
_UNKNOWN = 2
_NO_ANSWER = re.compile("No status received|Stream removed")


class GrpcTransport:
    """Calls Export of one OTLP service; see `Transport`. Takes plain bodies: grpc compresses."""

    packed = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.destination = shown(endpoint.url)
        self._method = f"/opentelemetry.proto.collector.{_SERVICES[endpoint.signal]}Service/Export"
        self._metadata: tuple[tuple[str, str | bytes], ...] = ()
        self._compression = (
            grpc.Compression.Gzip
            if endpoint.compression == "gzip"
            else grpc.Compression.NoCompression
        )
        self._channel: Any = None
        self._export: Any = None
        self._stamp: object = None

    def post(self, body: bytes, timeout: float) -> Answer:
        """Call Export with the body; see `Transport`."""
        limit = max(0.001, min(timeout, self._endpoint.timeout))
        try:
            export = self._connected()
            answer, call = export.with_call(
                body, timeout=limit, metadata=self._metadata, compression=self._compression
            )
        except grpc.RpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            details = trailing.get("grpc-status-details-bin", b"")
            code, _ = error.code().value
            words = error.details() or ""
            if proxy := _PROXY.search(words):
                return Answer(status=int(proxy[1]), message="instead of gRPC", protobuf=False)
            if code == _UNKNOWN and _NO_ANSWER.match(words):
                return Answer(message=f"no gRPC answer: {words}")
            return Answer(code=code, message=words, details=details)
        except OSError as error:  # of a certificate or key file
            return Answer(message=f"cannot read {error.filename}: {error.strerror}", local=True)
        except _CannotSendError as error:
            return Answer(message=f"cannot be sent: {error}", local=True)
        except ValueError as error:  # abort() closed the channel before the call had begun
            return Answer(message=str(error))
        return Answer(code=call.code().value[0], body=answer)

    def _connected(self) -> Any:
        """Export on the channel; a new one when a certificate or key file has changed."""
        now = stamp(self._endpoint)
        if self._channel is None or now != self._stamp:
            self.close()
            self._metadata = tuple(_metadatum(*header) for header in self._endpoint.headers)
            self._channel = self._made()
            # No serializers: bytes are sent and received as they are.
            self._export = self._channel.unary_unary(self._method)
            self._stamp = now
        return self._export

    def _made(self) -> Any:
        try:
            url = urllib.parse.urlsplit(self._endpoint.url)
            name, port = url.hostname, url.port or _PORT
        except ValueError as error:
            raise _CannotSendError(f"{error} in the URL {self.destination!r}") from error
        if not name:
            raise _CannotSendError(f"no host in the URL {self.destination!r}")
        target = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        if url.scheme != "https":
            return grpc.insecure_channel(target, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_content(self._endpoint.certificate),
            private_key=_content(self._endpoint.client_key),
            certificate_chain=_content(self._endpoint.client_certificate),
        )
        return grpc.secure_channel(target, credentials, options=_OPTIONS)

    def abort(self) -> None:
        """Close the channel under whoever waits on it: its call is cancelled."""
        self.close()

    def close(self) -> None:
        """Close the channel."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


class _CannotSendError(Exception):
    """The endpoint's URL or headers cannot be used with gRPC; the message says which."""


def _metadatum(name: str, value: str) -> tuple[str, str | bytes]:
    """A header as gRPC metadata; checked, because grpc blames what is wrong on the request."""
    key = name.lower()
    if not re.fullmatch(r"[0-9a-z_.-]+", key):
        raise _CannotSendError(f"gRPC has no header name {name!r}")
    if key.endswith("-bin"):
        return key, value.encode()
    if not value.isascii() or not value.isprintable():
        raise _CannotSendError(f"the value of header {name!r} is not printable ASCII")
    return key, value


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()
