"""A memory cgroup of our own, v2 or v1, whichever the host has."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_MIB = 1 << 20


class NoGroupError(Exception):
    """There is none to be had; the message says why."""


class MemoryGroup:
    """A context: a new, empty group. `NoGroupError` when none can be made.

    procs: the file that takes process ids.
    """

    def __enter__(self) -> MemoryGroup:
        above, self._v2 = _parent()
        self._path = above / f"killsnoop-bench-{os.getpid()}"
        try:
            self._path.mkdir()
        except OSError as error:
            raise NoGroupError(f"no cgroup can be made, {error.strerror}: {above}") from error
        self.procs = self._path / "cgroup.procs"
        return self

    def charged(self) -> tuple[float, float]:
        """MiB charged now, and what of it is pages of files, which the kernel can take back."""
        name = "memory.current" if self._v2 else "memory.usage_in_bytes"
        lines = (self._path / "memory.stat").read_text().splitlines()
        stat = {key: int(value) for key, value in map(str.split, lines)}
        files = stat["active_file"] + stat["inactive_file"]
        return int((self._path / name).read_text()) / _MIB, files / _MIB

    def __exit__(self, *_: object) -> None:
        for _attempt in range(100):  # its processes have ended, but the kernel may be at it yet
            with contextlib.suppress(OSError):
                self._path.rmdir()
                return
            time.sleep(0.02)


def _parent() -> tuple[Path, bool]:
    """A directory in which a group has its memory counted, and whether it is of v2."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, place, kind, options, *_ in mounts:
        if kind == "cgroup" and "memory" in options.split(","):
            path = next((one for _, names, one in own if "memory" in names.split(",")), None)
            if path is not None:
                return _seen(Path(place), path), False
    for _, place, kind, *_ in mounts:
        if kind == "cgroup2":
            path = next((one for _, names, one in own if not names), "/")
            at = _seen(Path(place), path)
            for above in (at, *at.parents):
                control = above / "cgroup.subtree_control"
                if control.exists() and "memory" in control.read_text().split():
                    return above, True
                if above == Path(place):
                    break
            raise NoGroupError(f"no cgroup above {at} counts the memory of those below it")
    raise NoGroupError("no cgroup hierarchy counts memory here")


def _seen(mount: Path, path: str) -> Path:
    """The directory of a path; the mount itself where only a part of the tree is mounted."""
    at = mount / path.lstrip("/")
    return at if at.is_dir() else mount
