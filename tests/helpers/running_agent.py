"""The real agent as a child process: started, waited for, read, stopped.

It runs as users run it, through the command's own entry point; what it prints as JSON lines is
read back. Tests get it by the `agent` fixture.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from real_collector import wait_until

Record = dict[str, Any]
COMMAND = [sys.executable, "-c", "from otel_killsnoop.cli import main; main()"]


def unconfigured() -> dict[str, str]:
    """Our environment, without what would configure an agent.

    And without pins: agents of tests run side by side, and what one leaves is not the next one's.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "KILLSNOOP_"))}
    return {**kept, "KILLSNOOP_PIN": "off"}


class RunningAgent:
    """start(), then records() and so on, then stop().

    directory: an empty one; its spool is ``directory/spool`` and its output ``directory/out``.
    environment: of the next start, without any OTEL_* or KILLSNOOP_* variable of the tests' own.
    command: what it is run by, `COMMAND` but where it is run in a place of its own.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.spool = directory / "spool"
        self.command = COMMAND
        self.environment = unconfigured()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The agent's process id."""
        assert self._process is not None, "the agent was not started"
        return self._process.pid

    def start(self, *arguments: str, wait: bool = True, **environment: str) -> None:
        """Run the agent; with `wait`, return when it is attached and knows who is there."""
        assert self._process is None, "the agent runs already"
        before = self.log().count(" attached by ")
        with (
            (self.directory / "out").open("ab") as out,
            (self.directory / "log").open("ab") as log,
        ):
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *self.command, "run", *arguments],
                env={
                    **self.environment,
                    "KILLSNOOP_SPOOL_DIR": str(self.spool),
                    # Each signal by itself, unless a test is about repeats.
                    "KILLSNOOP_FOLD_BURST": "0",
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        if wait:
            wait_until(
                lambda: self.log().count(" attached by ") > before or self.is_gone(),
                20,
                "the agent to be attached",
                self.log,
            )
            assert not self.is_gone(), self.log()

    def is_gone(self) -> bool:
        """Whether the process has ended."""
        assert self._process is not None
        return self._process.poll() is not None

    def log(self) -> str:
        """What it wrote on stderr so far, over all starts."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def output(self) -> str:
        """What it wrote on stdout so far, over all starts."""
        return (self.directory / "out").read_text("utf-8")

    def records(self, where: Callable[[Record], bool] = lambda record: True) -> list[Record]:
        """The whole JSON lines printed so far that `where` accepts (with ``--print json``)."""
        lines = self.output().split("\n")[:-1]
        return [record for record in map(json.loads, lines) if where(record)]

    def wait_records(
        self,
        count: int = 1,
        where: Callable[[Record], bool] = lambda record: True,
        timeout: float = 20,
    ) -> list[Record]:
        """The records that `where` accepts, as soon as there are at least `count` of them."""
        found: list[Record] = []

        def enough() -> bool:
            found[:] = self.records(where)
            return len(found) >= count

        wait_until(enough, timeout, f"{count} records", lambda: f"{len(found)}; {self.log()}")
        return found

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """Send a signal and wait; the exit status (negative for a signal that killed it)."""
        assert self._process is not None, "the agent was not started"
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        status = self._process.wait(timeout)
        self._process = None
        return status

    def end(self) -> None:
        """Make sure that it is gone, however."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
