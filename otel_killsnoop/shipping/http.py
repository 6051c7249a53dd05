"""OTLP over HTTP: one kept connection, no redirects, no retries, and an end to every request.

urllib3's timeouts bound each step (connecting, each wait for bytes); a destination that drips its
answer byte by byte would still hold the sender for hours. So a timer closes the socket when the
whole request is out of time.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from contextlib import suppress

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from otel_killsnoop.shipping.delivery import Answer
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.transport import shown, stamp, user_agent

ANSWER_LIMIT = 64 << 10  # bytes of an answer that are read; a longer one costs its connection
_PROTOBUF = "application/x-protobuf"

# It tells a malformed answer as a warning with a traceback; the sender tells it in its own line.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class HttpTransport:
    """Posts to one URL; see `Transport`. With compression it takes gzip, else plain bodies."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.destination = shown(endpoint.url)
        self.packed = endpoint.compression == "gzip"
        self._headers = urllib3.HTTPHeaderDict({"User-Agent": user_agent()})
        ours = {"Content-Type": _PROTOBUF}
        if self.packed:
            ours["Content-Encoding"] = "gzip"
        for name, value in endpoint.headers:
            # http.client writes Latin-1: so UTF-8 bytes have to be spelt in it.
            self._headers[name] = value.encode().decode("latin-1")
        self._headers.update(ours)
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._stamp: object = None
        self._socket: socket.socket | None = None  # of the connection in use, for abort()

    def post(self, body: bytes, timeout: float) -> Answer:
        """POST the body; see `Transport`."""
        limit = max(0.001, min(timeout, self._endpoint.timeout))
        expired = threading.Event()
        watch = threading.Timer(limit, self._expire, (expired,))
        watch.daemon = True
        started = time.monotonic()
        watch.start()
        try:
            return self._exchange(self._connected(), body, limit, expired)
        except _TlsFileError as error:
            return Answer(message=str(error), local=True)
        except urllib3.exceptions.SSLError as error:
            return Answer(message=f"TLS: {error}", local=_is_distrust(error))
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            took = time.monotonic() - started
            late = f"no answer within {took:.1f} s: " if expired.is_set() else ""
            return Answer(message=f"{late}{type(error).__name__}: {error}")
        except ValueError as error:  # a URL or header that cannot be sent
            return Answer(message=f"cannot be sent: {error}", local=True)
        finally:
            watch.cancel()

    def _exchange(
        self,
        pool: urllib3.HTTPConnectionPool,
        body: bytes,
        limit: float,
        expired: threading.Event,
    ) -> Answer:
        response = pool.urlopen(
            "POST",
            urllib3.util.parse_url(self._endpoint.url).request_uri,
            body=body,
            headers=self._headers,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(total=limit),
            preload_content=False,
            decode_content=True,
        )
        status = response.status
        if expired.is_set():  # http.client takes the end that we made for the end of the headers
            response.close()
            raise TimeoutError("the answer's headers did not end")
        try:
            content = response.read(ANSWER_LIMIT)
            if response.read(1):
                response.close()  # more than anyone needs: cheaper to connect anew than to read
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
            # The status has come, and it alone decides whether records were taken.
            content = b""
            response.close()
        finally:
            response.release_conn()
        return Answer(
            status=status,
            message=response.reason or "",
            retry_after=response.headers.get("Retry-After"),
            body=content,
            protobuf=response.headers.get("Content-Type", "").startswith(_PROTOBUF),
        )

    def _connected(self) -> urllib3.HTTPConnectionPool:
        """The pool of one connection; a new one when a certificate or key file has changed."""
        now = stamp(self._endpoint)
        if self._pool is None or now != self._stamp:
            if self._pool is not None:
                self._pool.close()
                self._pool = None
            self._pool = self._made()
            self._stamp = now
        return self._pool

    def _made(self) -> urllib3.HTTPConnectionPool:
        url = urllib3.util.parse_url(self._endpoint.url)
        if not url.host:
            raise ValueError(f"no host in the URL {self.destination!r}")
        transport = self

        # The socket has to be known for abort(): the pool does not show its connections.
        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                transport._socket = self.sock

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                transport._socket = self.sock

        if url.scheme == "https":
            pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
                url.host, url.port, maxsize=1, ssl_context=_context(self._endpoint)
            )
            pool.ConnectionCls = Secure
        else:
            pool = urllib3.HTTPConnectionPool(url.host, url.port, maxsize=1)
            pool.ConnectionCls = Plain
        return pool

    def _expire(self, expired: threading.Event) -> None:
        expired.set()
        self.abort()

    def abort(self) -> None:
        """Shut the connection down under whoever waits on it."""
        used = self._socket
        if used is not None:
            with suppress(OSError):  # closed already: there is nothing left to end
                # The plain socket's own shutdown: an SSL socket's would touch the TLS state
                # that the posting thread is using.
                socket.socket.shutdown(used, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class _TlsFileError(Exception):
    """A certificate or key file cannot be read or used; the message says which."""


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    """A verifying TLS context; `_TlsFileError` when one of the endpoint's files is no use."""
    using = endpoint.certificate or "the system's certificates"
    try:
        context = ssl.create_default_context(cafile=endpoint.certificate)
        if endpoint.client_certificate:
            using = f"{endpoint.client_certificate}, {endpoint.client_key or 'no key file'}"
            context.load_cert_chain(
                endpoint.client_certificate, endpoint.client_key, password=_no_password
            )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _TlsFileError(f"cannot use {using}: {error}") from error
    return context


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted: give one that is not")


def _is_distrust(error: urllib3.exceptions.SSLError) -> bool:
    """Whether TLS failed because a side does not trust the other, and not for the network."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in error.args)
