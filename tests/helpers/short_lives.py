"""A workload: WORKERS processes, each of which makes EACH pairs of a target and its killer.

    python short_lives.py WORKERS EACH SIGNAL settled|hasty

Each pair has a parent of its own; all three are gone within milliseconds. A line of JSON a pair
tells who they were. settled: the target runs its own program when it is killed; hasty: its parent
kills it itself, and knows only that the kernel has begun with that program. Run as a program,
never imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def pair(worker: str, number: str, count: int, above: list[int], settled: bool) -> None:
    """Be the parent of a pair."""
    target_args = ["sh", "-c", "echo; read line", "target", f"of {worker}, {count}", "\xe9"]
    told, tell = os.pipe()
    wait, _held = os.pipe()
    streams = [(os.POSIX_SPAWN_DUP2, wait, 0), (os.POSIX_SPAWN_DUP2, tell, 1)]
    target = os.posix_spawn("/bin/sh", target_args, {}, file_actions=streams)
    if settled:
        assert os.read(told, 1) == b"\n"
    if settled:
        sender_args = ["dash", "-c", 'kill "-$1" "$2"', "killer", number, str(target)]
        sender_args.append(f"of {worker}, {count}")
        sender = os.posix_spawn("/bin/dash", sender_args, {})
        assert os.waitpid(sender, 0)[1] == 0
    else:
        sender, sender_args = os.getpid(), sys.orig_argv
        os.kill(target, int(number))
    status = os.waitpid(target, 0)[1]
    assert os.WTERMSIG(status) == int(number), status
    line = {
        "sender": sender,
        "sender_args": sender_args,
        "target": target,
        "target_args": target_args,
        "above": [os.getpid(), *above],
        "worker": worker,
    }
    os.write(1, json.dumps(line).encode() + b"\n")  # short enough to be written whole


def work(worker: str, each: int, number: str, settled: bool) -> None:
    """Make pairs, one after the other."""
    above = [os.getpid(), os.getppid()]
    for count in range(each):
        child = os.fork()
        if child == 0:
            try:
                pair(worker, number, count, above, settled)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def main() -> None:
    """Be the forebear, or with a fifth argument a worker."""
    workers, each, number, manner = sys.argv[1:5]
    if len(sys.argv) > 5:
        work(sys.argv[5], int(each), number, manner == "settled")
        return
    command = [sys.executable, "-I", "-S", *sys.argv]
    running = [subprocess.Popen([*command, str(one)]) for one in range(int(workers))]
    sys.exit(max(one.wait() for one in running))


if __name__ == "__main__":
    main()
