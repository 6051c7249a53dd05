"""The figures: python tests/bench [kernel] [attempts] [agent] [start] [pins] [memory] [drain]
[faults]

Prints one plain table a subject; without names all of them, in about twenty minutes. Rounds are
interleaved (A B C A B C ...), so what disturbs the machine disturbs all rows alike. Needs root.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

SUBJECTS = ("kernel", "attempts", "agent", "start", "pins", "memory", "drain", "faults")
ROUNDS = 5


def main() -> None:
    names = sys.argv[1:] or list(SUBJECTS)
    if unknown := sorted(set(names) - set(SUBJECTS)):
        sys.exit(f"no such subject: {', '.join(unknown)} (there are {', '.join(SUBJECTS)})")
    if os.geteuid() != 0:
        sys.exit("the kernel is measured: run it as root")
    only = Path(tempfile.gettempdir(), "killsnoop-bench.lock").open("a")  # noqa: SIM115
    try:
        fcntl.flock(only, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("it runs already, and two at a time would measure each other")
    kernel, load = os.uname(), os.getloadavg()[0]
    print(f"{kernel.machine}, Linux {kernel.release}, {os.cpu_count()} CPUs, load {load:.1f}")
    began = time.monotonic()
    failed = []
    for name in names:
        try:
            importlib.import_module(f"{name}_bench").run(ROUNDS)
        except Exception:  # the other subjects are worth their figures all the same
            traceback.print_exc()
            failed.append(name)
    print(f"took {time.monotonic() - began:.0f} s")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)} (the reason is above)")


if __name__ == "__main__":
    main()
