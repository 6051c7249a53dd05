"""Debian's sigsnoop (libbpf-tools), the peer: started, attached, stopped, its lines counted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

SIGSNOOP = shutil.which("sigsnoop", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

_ATTACHED = 0.3  # seconds from its first perf event to all being attached, amply


class Sigsnoop:
    """A context; inside it sigsnoop is attached, unless ``wait`` is False.

    number: the signal that it is told to record.
    """

    def __init__(self, number: int, wait: bool = True) -> None:
        self._arguments = [str(SIGSNOOP), "-s", str(number)]
        self._wait = wait

    def __enter__(self) -> Sigsnoop:
        self._output = tempfile.NamedTemporaryFile()
        self.began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
        )
        if self._wait:
            ends = time.monotonic() + 10
            while not self._has_perf_event():
                assert time.monotonic() < ends, "sigsnoop does not attach"
                time.sleep(0.02)
            time.sleep(_ATTACHED)
        return self

    def _has_perf_event(self) -> bool:
        assert self.process.poll() is None, "sigsnoop ended"
        for one in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                if "perf_event" in os.readlink(one):
                    return True
            except OSError:  # closed meanwhile
                continue
        return False

    def finish(self, comm: str) -> int:
        """Let it read all that is left, end it; how many lines it printed of this command."""
        size = -1
        while (now := os.fstat(self._output.fileno()).st_size) != size:
            size = now
            time.sleep(0.2)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        word = comm.encode()
        with open(self._output.name, "rb") as lines:
            return sum(word in line for line in lines)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()
