"""A destination that takes everything: an OTLP/HTTP server in a process of its own.

Run as a program it says its port, answers every POST with 200, and answers a line on stdin with
one line of JSON: what came so far. As a module it has `Sink`, the other end.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_GZIP = 31
_EVENT_NAME = b"\x62\x10killsnoop.signal"  # LogRecord.event_name, which each record has once


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    lock = threading.Lock()
    counted: ClassVar[dict[str, int]] = {"records": 0, "requests": 0, "bytes": 0, "metrics": 0}
    first: tuple[int, bytes] | None = None

    def do_POST(self) -> None:  # the server's own name for it
        came = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()
        packed = len(body)
        if self.headers["Content-Encoding"] == "gzip":
            body = zlib.decompress(body, _GZIP)
        with self.lock:
            if self.path.endswith("/v1/metrics"):
                self.counted["metrics"] += 1
                return
            if type(self).first is None:
                type(self).first = came, body
            self.counted["requests"] += 1
            self.counted["bytes"] += packed
            self.counted["records"] += body.count(_EVENT_NAME)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: stderr is for trouble."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for _ in sys.stdin:
        with _Handler.lock:
            said: dict[str, Any] = dict(_Handler.counted)
            if _Handler.first is not None:
                came, body = _Handler.first
                said |= {"came": came, "body": base64.b64encode(body).decode()}
        print(json.dumps(said), flush=True)


class Sink:
    """A context. url: for OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __enter__(self) -> Sink:
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{int(self._line())}"
        return self

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def ask(self) -> dict[str, Any]:
        """records, requests, bytes (as sent), metrics; came (boot ns) and body of the first."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        said: dict[str, Any] = json.loads(self._line())
        if "body" in said:
            said["body"] = base64.b64decode(said["body"])
        return said

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    main()
