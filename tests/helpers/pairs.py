"""Workloads: pairs of processes, of which one sends signals to the other.

Run as a program, in one of its first three roles, it makes a tree: a root, a child of init's so
that trees are the same wherever it is run from; below it two shells a worker, below those the
worker, and below each worker its pairs: a sender, which is this program again, and a target,
which sleeps. As a module it has `Pairs`, which tells them what to do through a Unix socket, and
`run_siblings`, the last role: pairs that come and go below one parent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORKERS = 8
LEAD = 0.2  # seconds from the word to the first signal

_COMMAND = [sys.executable, "-I", "-S", __file__]


def root(path: str, pairs: int, number: str) -> None:
    """Workers below shells, so that both sides have some ancestors."""
    with socket.socket(socket.AF_UNIX) as told:
        told.connect(path)
        told.sendall(b"%d\n" % os.getpid())
        shares = [pairs // WORKERS + (one < pairs % WORKERS) for one in range(WORKERS)]
        shell = ["sh", "-c", '"$@"; exit $?']
        running = [
            subprocess.Popen(
                [*shell, "service", *shell, "pool", *_COMMAND, "worker", path, str(share), number]
            )
            for share in shares
            if share
        ]
        for one in running:
            one.wait()


def worker(path: str, pairs: int, number: str) -> None:
    """Pairs; when a sender has gone, so must its target."""
    signal.signal(int(number), signal.SIG_IGN)  # which the targets inherit
    running = []
    for one in range(pairs):
        target = subprocess.Popen(["sleep", "3600", f"0.{one:03d}"])
        words = ["source", path, str(target.pid), number, "--queue", f"default-{one}"]
        running.append((subprocess.Popen([*_COMMAND, *words]), target))
    for source, target in running:
        source.wait()
        target.kill()
        target.wait()


def source(path: str, target: int, number: str) -> None:
    """Do as the socket says, until it is closed."""
    with socket.socket(socket.AF_UNIX) as told:
        told.connect(path)
        told.sendall(b"%d\n" % os.getpid())
        for line in told.makefile("r"):
            order = json.loads(line)
            told.sendall(json.dumps(send(target, int(number), **order)).encode() + b"\n")


def send(target: int, number: int, begin: float, interval: float, burst: int, count: int) -> float:
    """count signals, some each interval from a monotonic time on; by how much it ended late."""
    kill, sent, due = os.kill, 0, begin
    while sent < count:
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        for _ in range(min(burst, count - sent)):
            kill(target, number)
        sent += burst
        due += interval
    return max(0.0, time.monotonic() - due + interval)


def siblings(kill: str, count: int, number: str) -> None:
    """So many sleepers, each killed by a `kill` of its own, one after the other."""
    for one in range(count):
        target = os.posix_spawn("/bin/sleep", ["sleep", "3600", f"0.{one:04d}"], {})
        killer = os.posix_spawn(kill, ["kill", f"-{number}", str(target)], {})
        assert os.waitpid(killer, 0)[1] == 0
        assert os.WTERMSIG(os.waitpid(target, 0)[1]) == int(number)


def run_siblings(kill: str, count: int, number: int) -> None:
    """Return when they have come and gone. kill: path of that program."""
    subprocess.run([*_COMMAND, "siblings", kill, str(count), str(number)], check=True)


class Pairs:
    """A context: that many live pairs, ready to send. number: the signal; the targets ignore it."""

    def __init__(self, number: int, pairs: int = 200) -> None:
        self._number, self._pairs = number, pairs

    def __enter__(self) -> Pairs:
        self._directory = tempfile.TemporaryDirectory()
        path = str(Path(self._directory.name, "orders"))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(self._pairs)
            listener.settimeout(30)
            words = ["root", path, str(self._pairs), str(self._number)]
            orphaned = ["sh", "-c", '"$@" & exit', "orphaned"]
            subprocess.run([*orphaned, *_COMMAND, *words], check=True)
            self._end_of_root = listener.accept()[0]  # at its end when the root is
            self._sockets = [listener.accept()[0] for _ in range(self._pairs)]
        self._files = [one.makefile("r") for one in self._sockets]
        self.pids = {int(one.readline()) for one in self._files}
        return self

    def begin(self, rate: float, count: int, burst: int = 2) -> float:
        """Have them send count signals in all, at so many a second; the seconds that takes."""
        each, more = divmod(count, self._pairs)
        interval = self._pairs * burst / rate
        start = time.monotonic() + LEAD
        for place, one in enumerate(self._sockets):
            order = {
                "begin": start + interval * place / self._pairs,
                "interval": interval,
                "burst": burst,
                "count": each + (place < more),
            }
            one.sendall(json.dumps(order).encode() + b"\n")
        return LEAD + count / rate

    def end(self) -> float:
        """Wait until all have sent; how many seconds the slowest was late."""
        return max(float(one.readline()) for one in self._files)

    def __exit__(self, *_: Any) -> None:
        for file, one in zip(self._files, self._sockets, strict=True):
            file.close()
            one.close()
        self._end_of_root.settimeout(30)
        with self._end_of_root.makefile("rb") as until:
            until.read()
        self._end_of_root.close()
        self._directory.cleanup()


def main() -> None:
    role, path, first, second = sys.argv[1:5]
    roles = {"root": root, "worker": worker, "source": source, "siblings": siblings}
    roles[role](path, int(first), second)


if __name__ == "__main__":
    main()
