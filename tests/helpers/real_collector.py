"""A real OpenTelemetry Collector as a child process, and what it delivered, read back.

It runs the reference configuration (collector-config.yaml) unchanged; see
tests/collector-overlay.yaml for where its deliveries end up. Times are Unix nanoseconds.
Tests get it by the `collector` fixture.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from otlp_json import LogRecord, MetricPoint, log_records, metric_points

REPOSITORY = Path(__file__).resolve().parents[2]


class Collector:
    """start() and stop() may alternate: ports, queue and output stay the same.

    http_url, grpc_url: where it takes OTLP, for OTEL_EXPORTER_OTLP_ENDPOINT.
    directory: an empty directory for its queue, output and log.
    environment: of the next start; LOKI_OTLP_ENDPOINT and PROMETHEUS_OTLP_ENDPOINT are
    backend_url unless a test wants its backend away.
    more: further configurations of the next start, as ``--config`` takes them.
    """

    def __init__(self, binary: str, directory: Path) -> None:
        self.directory = directory
        self._binary = binary
        self.more: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._logs, self._records = Tail(directory / "logs.jsonl"), list[LogRecord]()
        self._metrics, self._points = Tail(directory / "metrics.jsonl"), list[MetricPoint]()
        grpc, http, self._health, backend = _free_ports(4)
        self.http_url = f"http://127.0.0.1:{http}"
        self.grpc_url = f"http://127.0.0.1:{grpc}"
        self.backend_url = f"http://127.0.0.1:{backend}"
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "OTLP_GRPC_ENDPOINT": f"127.0.0.1:{grpc}",
            "OTLP_HTTP_ENDPOINT": f"127.0.0.1:{http}",
            "OTELCOL_HEALTH_ENDPOINT": f"127.0.0.1:{self._health}",
            "OTELCOL_STORAGE": str(directory / "queue"),
            "LOKI_OTLP_ENDPOINT": self.backend_url,
            "PROMETHEUS_OTLP_ENDPOINT": self.backend_url,
            "TEST_BACKEND_ENDPOINT": f"127.0.0.1:{backend}",
            "TEST_OUTPUT": str(directory),
        }

    @property
    def pid(self) -> int:
        """The Collector's process id while it runs."""
        assert self._process is not None, "the Collector is not running"
        return self._process.pid

    def start(self) -> None:
        """Start, and return when it is ready to take records."""
        assert self._process is None, "the Collector runs already"
        configurations = [
            f"--config={REPOSITORY / 'collector-config.yaml'}",
            f"--config={REPOSITORY / 'tests' / 'collector-overlay.yaml'}",
            *(f"--config={one}" for one in self.more),
        ]
        with (self.directory / "collector.log").open("ab") as log:
            self._process = subprocess.Popen(
                # Should the tests themselves be killed, it goes with them.
                ["setpriv", "--pdeathsig", "TERM", self._binary, *configurations],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._healthy, 30, "the Collector to be ready")
        except AssertionError as late:
            self.kill()
            raise AssertionError(f"{late}; its log ends:\n{self.log()[-3000:]}") from late

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End it in an orderly way and wait; nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(with_signal)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it with SIGKILL and wait."""
        self.stop(signal.SIGKILL)

    def log(self) -> str:
        """What it wrote on stderr so far, over all starts."""
        return (self.directory / "collector.log").read_text(errors="replace")

    def records(self) -> list[LogRecord]:
        """All log records delivered so far, in order of delivery."""
        self._records.extend(log_records(self._logs.new_lines()))
        return list(self._records)

    def metrics(self) -> list[MetricPoint]:
        """All metric points delivered so far, in order of delivery."""
        self._points.extend(metric_points(self._metrics.new_lines()))
        return list(self._points)

    def wait_records(
        self,
        count: int = 1,
        where: Callable[[LogRecord], bool] = lambda record: True,
        timeout: float = 20,
    ) -> list[LogRecord]:
        """The records that `where` accepts, as soon as there are at least `count` of them."""
        found: list[LogRecord] = []

        def enough() -> bool:
            found[:] = filter(where, self.records())
            return len(found) >= count

        wait_until(enough, timeout, f"{count} records", lambda: f"{len(found)} came")
        return found

    def wait_metrics(
        self,
        where: Callable[[MetricPoint], bool] = lambda point: True,
        timeout: float = 20,
    ) -> list[MetricPoint]:
        """The metric points that `where` accepts, as soon as there is one."""
        found: list[MetricPoint] = []

        def enough() -> bool:
            found[:] = filter(where, self.metrics())
            return bool(found)

        wait_until(enough, timeout, "a metric point")
        return found

    def _healthy(self) -> bool:
        assert self._process is not None
        if (status := self._process.poll()) is not None:
            raise AssertionError(f"the Collector ended with status {status}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


class Tail:
    """A growing file of JSON lines, each given out once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines since the last call; a last one still being written is left for later."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)


def wait_until(
    done: Callable[[], bool],
    timeout: float,
    what: str,
    state: Callable[[], str] = lambda: "nothing came",
) -> None:
    """Return once done() is true, looking every 20 ms; AssertionError after timeout seconds."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}: {state()}")
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different: held open together until all are chosen."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
