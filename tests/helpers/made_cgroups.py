"""cgroups with the names that container runtimes and systemd give, made for a test."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from real_collector import wait_until


def hierarchy() -> Path:
    """Where a cgroup says in which container a process runs: v1's memory, else v2's."""
    memory = Path("/sys/fs/cgroup/memory")
    return memory if (memory / "tasks").exists() else Path("/sys/fs/cgroup")


@contextlib.contextmanager
def made_cgroup(path: str) -> Iterator[Path]:
    """The directory of that cgroup, whose missing parents are made and removed with it."""
    top = hierarchy() / path.lstrip("/")
    made: list[Path] = []
    for one in reversed([top, *top.parents]):
        if not one.exists():
            one.mkdir()
            made.append(one)
    try:
        yield top
    finally:
        for one in reversed(made):
            wait_until(lambda one=one: _is_removed(one), 20, f"all to leave {one}")


def _is_removed(group: Path) -> bool:
    """Who was killed leaves it a little later; and the test itself may have removed it."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
