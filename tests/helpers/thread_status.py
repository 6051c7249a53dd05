"""/proc/PID/task/TID/status: capabilities and filters are each thread's own."""

from __future__ import annotations

from pathlib import Path

SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def threads(pid: int) -> list[dict[str, str]]:
    """Name -> value, of each thread."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = (line.partition(":") for line in path.read_text().splitlines())
        found.append({name: value.strip() for name, _, value in lines})
    return found


def masks(pid: int, *kinds: str) -> set[int]:
    """The capability masks of all threads; of all sets unless some are named."""
    return {int(one[kind], 16) for one in threads(pid) for kind in kinds or SETS}
