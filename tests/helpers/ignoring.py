"""Processes that ignore a signal that nobody else sends, and how often it was sent to them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import string
import subprocess
import time

from real_processes import RARE


class Targets:
    """Processes that ignore RARE; each has an argument of its own that gzip cannot shorten much."""

    def __init__(self, count: int, size: int) -> None:
        before = signal.signal(RARE, signal.SIG_IGN)  # which a new program inherits
        letters = string.ascii_letters + string.digits + "+-"
        try:
            self.processes = [
                subprocess.Popen(
                    ["sh", "-c", "read line", "sh", "".join(random.choices(letters, k=size))],
                    stdin=subprocess.PIPE,
                )
                for _ in range(count)
            ]
        finally:
            signal.signal(RARE, before)
        self.sent = 0

    def signal_each(self, rounds: int = 1, pause: float = 0.0) -> None:
        """A RARE to each of them, and that so many times; seconds to pause after each round."""
        for _ in range(rounds):
            for one in self.processes:
                os.kill(one.pid, RARE)
                self.sent += 1
            time.sleep(pause)

    def end(self) -> None:
        for one in self.processes:
            one.kill()
            one.wait()
            assert one.stdin is not None
            with contextlib.suppress(OSError):
                one.stdin.close()
