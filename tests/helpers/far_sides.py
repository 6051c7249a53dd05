"""Far sides that answer what a test scripts: real HTTP and gRPC servers in this process."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc

from otel_killsnoop.shipping.packing import unpack


class Said(NamedTuple):
    """What a scripted HTTP server answers: one of these a request."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None  # instead of all: these bytes, then the connection is closed
    drip: float = 0.0  # seconds between the bytes of raw


class Got(NamedTuple):
    """One request as the server had it: over HTTP its path and headers, over gRPC its method."""

    path: str
    headers: dict[str, str]
    body: bytes

    def plain(self) -> bytes:
        return unpack(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


class HttpDestination:
    """A real HTTP server: `rule` is asked for each request's answer; `got` is what has come."""

    def __init__(self, tls: Any = None) -> None:
        self.got: list[Got] = []
        self.connections = 0
        self.rule: Callable[[Got], Said] = lambda got: Said()
        self.closing = threading.Event()
        destination = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                destination.connections += 1

            def do_GET(self) -> None:  # http.server's naming
                self.do_POST()

            def do_POST(self) -> None:  # http.server's naming
                length = int(self.headers.get("Content-Length", 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                got = Got(f"{self.command} {self.path}", headers, self.rfile.read(length))
                destination.got.append(got)
                said = destination.rule(got)
                if said.raw is not None:
                    self.close_connection = True
                    self._drip(said)
                    return
                self.send_response(said.status)
                for name, value in said.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

            def _drip(self, said: Said) -> None:
                try:
                    if not said.drip:
                        self.wfile.write(said.raw)
                    for byte in said.raw if said.drip else b"":
                        self.wfile.write(bytes([byte]))
                        if destination.closing.wait(said.drip):
                            return
                except OSError:
                    return  # the client has had enough, which is what such a test is about

            def log_message(self, *words: object) -> None:
                """Tests read `got`."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = False
            block_on_close = False

            def handle_error(self, request: object, address: object) -> None:
                """A client that hangs up, or does not trust us, is not the server's fault."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}/v1/logs"

    def stop(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class GrpcDestination:
    """A real gRPC server that takes any method; `rule(body, context)` returns the answer."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.rule: Callable[[bytes, grpc.ServicerContext], bytes] = lambda body, context: b""
        destination = self

        class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
            def service(self, call: Any) -> Any:
                def export(body: bytes, context: grpc.ServicerContext) -> bytes:
                    metadata = dict(call.invocation_metadata)
                    destination.got.append(Got(call.method, metadata, body))
                    return destination.rule(body, context)

                return grpc.unary_unary_rpc_method_handler(export)

        self.server = grpc.server(ThreadPoolExecutor(2), handlers=[Handler()])
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{port}"
        self.server.start()

    def stop(self) -> None:
        self.server.stop(None).wait()
