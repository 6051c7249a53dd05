"""A scripted far side, and signals whose number the test knows, for whole agents in trouble."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import string
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from far_sides import HttpDestination
from real_processes import RARE


@pytest.fixture
def far_side() -> Iterator[HttpDestination]:
    destination = HttpDestination()
    yield destination
    destination.stop()


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


@pytest.fixture
def targets() -> Iterator[Callable[[int, int], Targets]]:
    """targets(count, size of the argument): made before the agent, ended with the test."""
    made: list[Targets] = []

    def start(count: int, size: int = 20) -> Targets:
        made.append(Targets(count, size))
        return made[-1]

    yield start
    for one in made:
        one.end()
