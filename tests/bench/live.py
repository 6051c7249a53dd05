"""The real agent as a child process, as users run it, and what the kernel says of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("otel-killsnoop"))
READY = " attached by "

_TICKS = os.sysconf("SC_CLK_TCK")


class Live:
    """A context: an agent that ships to url.

    began: boot ns just before its exec.  environment: variables beside those of this process
    that are no settings.  inside: a cgroup's file that its process id is written to before exec.
    """

    def __init__(self, url: str, inside: Path | None = None, **environment: str) -> None:
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "KILLSNOOP_"))
        }
        self._environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "KILLSNOOP_PRINT": "none",
            "KILLSNOOP_PIN": "off",
            **environment,
        }
        # The shell replaces itself, so that all the agent's pages are charged to the cgroup.
        enter = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(inside)] if inside else []
        self._words = [*enter, COMMAND, "run"]
        self.ready = 0  # boot ns at which it said so
        self._lines: list[str] = []

    def __enter__(self) -> Live:
        self._directory = tempfile.TemporaryDirectory()
        self._environment["KILLSNOOP_SPOOL_DIR"] = f"{self._directory.name}/spool"
        self.began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._process = subprocess.Popen(
            self._words,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._said = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if READY in line:
                self.ready = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                self._said.set()
            self._lines.append(line)
        self._said.set()

    def wait_ready(self) -> None:
        """Return when it says that it is attached and knows who is there."""
        assert self._said.wait(20), "the agent does not get ready"
        assert self.ready, self.log()

    def log(self) -> str:
        """What it wrote on stderr so far."""
        return "".join(self._lines)

    def stop(self) -> str:
        """Ask it to stop, wait; its last line."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0, self.log()
        self._reader.join(10)
        return self._lines[-1].strip()

    def cpu(self) -> float:
        """Seconds of CPU so far, in steps of a clock tick."""
        return cpu_of(self.pid)

    def resident(self) -> tuple[float, float]:
        """MiB resident: of the mappings of BPF maps (the ring above all), and of all others."""
        maps = others = 0
        is_map = False
        for line in Path(f"/proc/{self.pid}/smaps").read_text("utf-8", "replace").splitlines():
            first, *rest = line.split()
            if not first.endswith(":"):
                is_map = bool(rest) and rest[-1] == "anon_inode:bpf-map"
            elif first == "Rss:":
                if is_map:
                    maps += int(rest[0])
                else:
                    others += int(rest[0])
        return maps / 1024, others / 1024

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._directory.cleanup()


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, its ended threads included."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
