"""A workload: WORKERS processes, each of which makes EACH pairs of a target and its killer.

    python short_lives.py WORKERS EACH SIGNAL

Each pair has a parent of its own; all three are gone within milliseconds. A line of JSON a pair
tells who they were. Run as a program, never imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def pair(worker: str, number: str, count: int, above: list[int]) -> None:
    """Be the parent of a pair."""
    target_args = ["sleep", "600", f"0.{worker}{count:04d}"]
    # It returns only when the new program runs: so nobody is killed under his parent's name.
    target = os.posix_spawn("/bin/sleep", target_args, {})
    sender_args = ["sh", "-c", 'kill "-$1" "$2"', "killer", number, str(target)]
    sender_args.append(f"of {worker}, {count}")
    sender = os.posix_spawn("/bin/sh", sender_args, {})
    assert os.waitpid(sender, 0)[1] == 0
    status = os.waitpid(target, 0)[1]
    assert os.WTERMSIG(status) == int(number), status
    told = {
        "sender": sender,
        "sender_args": sender_args,
        "target": target,
        "target_args": target_args,
        "above": [os.getpid(), *above],
    }
    os.write(1, json.dumps(told).encode() + b"\n")  # short enough to be written whole


def work(worker: str, each: int, number: str) -> None:
    """Make pairs, one after the other."""
    above = [os.getpid(), os.getppid()]
    for count in range(each):
        child = os.fork()
        if child == 0:
            try:
                pair(worker, number, count, above)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def main() -> None:
    """Be the forebear, or with a fourth argument a worker."""
    workers, each, number = sys.argv[1:4]
    if len(sys.argv) > 4:
        work(sys.argv[4], int(each), number)
        return
    command = [sys.executable, "-I", "-S", *sys.argv]
    running = [subprocess.Popen([*command, str(one)]) for one in range(int(workers))]
    sys.exit(max(one.wait() for one in running))


if __name__ == "__main__":
    main()
