"""Trouble made by the real kernel: files that cannot grow, disks that are full or read-only."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """No process of ours can write beyond so many bytes of a file: EFBIG, half way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SmallDisk:
    """A file system in memory of a size of its own, mounted at `path` until `gone`."""

    def __init__(self, path: Path, size: str = "2m") -> None:
        self.path = path
        path.mkdir(mode=0o700, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", str(path))

    def fill(self) -> Path:
        """Take all the room that is left, as somebody else's file would; its path."""
        path = self.path / "filler"
        with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 16, 4096):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        return path

    def read_only(self, really: bool) -> None:
        """What the kernel does to a disk that fails, or an administrator."""
        _run("mount", "-o", f"remount,{'ro' if really else 'rw'}", str(self.path))

    def gone(self) -> None:
        """Unmount it, whoever uses it."""
        _run("umount", "--lazy", str(self.path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
