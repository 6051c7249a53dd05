"""One directory on disk that is ours alone, and durable writes into it.

Everything goes through the directory's own descriptor, so that nobody who changes a path can
move us elsewhere, and no symbolic link is ever followed. Every failure is a `SpoolError`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from types import TracebackType

from otel_killsnoop.errors import SpoolError

LOCK = "lock"
UNFINISHED = "unfinished.tmp"  # the one name under which a file is written before it is renamed
# O_NONBLOCK for what is no file after all: opening a pipe would wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
# No O_EXCL: should the removal of a failed write have failed too, the next one goes over it.
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_OVER = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_ELSEWHERE = "name another with --spool-dir"
_CURES = {
    errno.ENOSPC: "free some space, or lower --spool-limit",
    errno.EDQUOT: "raise the quota, or lower --spool-limit",
    errno.EROFS: f"mount it writable, or {_ELSEWHERE}",
    errno.EACCES: f"run as root, or {_ELSEWHERE}",
    errno.EPERM: f"run as root, or {_ELSEWHERE}",
    errno.EIO: f"look at the disk's health, or {_ELSEWHERE}",
    errno.ELOOP: f"it is a symbolic link: remove it, or {_ELSEWHERE}",
    errno.ENOTDIR: f"it is not a directory, or a symbolic link to one: {_ELSEWHERE}",
}


def failure(doing: str, path: str, error: OSError) -> SpoolError:
    """The `SpoolError` for a failed system call: what failed, on which path, and the cure."""
    cure = _CURES.get(error.errno or 0, f"make it usable, or {_ELSEWHERE}")
    return SpoolError(f"{doing} failed, {error.strerror or error}", path, cure)


class Directory:
    """A directory, made with mode 0700 where there is none, refused where others may write.

    path: a name in the parent where one is given.
    """

    def __init__(self, path: str, parent: Directory | None = None) -> None:
        self.path: str = f"{parent.path}/{path}" if parent else os.path.abspath(path)
        self.fd = -1
        try:
            if parent is None:
                with suppress(FileExistsError):  # of something else: mkdir will say what
                    os.makedirs(os.path.dirname(self.path), exist_ok=True)
            where = path if parent else self.path
            place = parent.fd if parent else None
            with suppress(FileExistsError):
                os.mkdir(where, 0o700, dir_fd=place)
            self.fd = os.open(where, _READ | os.O_DIRECTORY, dir_fd=place)
            found = os.fstat(self.fd)
        except OSError as error:
            self.close()
            raise failure("opening the spool directory", self.path, error) from error
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid != os.geteuid():
            self.close()
            others = f"mode {stat.S_IMODE(found.st_mode):04o}, owned by uid {found.st_uid}"
            cure = f"make it yours with mode 0700, or {_ELSEWHERE}"
            raise SpoolError(f"others may write to the spool directory ({others})", self.path, cure)

    def lock(self) -> int:
        """Take this directory for this process; returns the descriptor that holds the lock."""
        try:
            try:
                return self._locked(os.O_RDONLY)
            except OSError as error:
                if error.errno != errno.EBADF:  # NFS's word for: not without the right to write
                    raise
                return self._locked(os.O_RDWR)
        except BlockingIOError as error:
            cure = "stop the other agent, or give this one its own --spool-dir"
            raise SpoolError("another agent uses the spool directory", self.path, cure) from error
        except OSError as error:
            raise failure("locking the spool directory", f"{self.path}/{LOCK}", error) from error

    def _locked(self, mode: int) -> int:
        """mode: read-only where it will do, or nobody could remount the disk read-only."""
        flags = mode | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(LOCK, flags, 0o600, dir_fd=self.fd)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        return lock

    def entries(self) -> list[tuple[str, os.stat_result]]:
        """Name and lstat of everything in it."""
        try:
            with os.scandir(self.fd) as found:
                return [(one.name, one.stat(follow_symlinks=False)) for one in found]
        except OSError as error:
            raise failure("listing the spool directory", self.path, error) from error

    def write(self, name: str, data: bytes, durable: bool = True) -> None:
        """A whole new file of that name, or `SpoolError` and nothing of it to be seen.

        durable: it outlives a power cut once this has returned.
        """
        at = UNFINISHED
        try:
            file = os.open(UNFINISHED, _WRITE, 0o600, dir_fd=self.fd)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(file, rest) :]
                if durable:
                    os.fdatasync(file)
            finally:
                os.close(file)
            os.rename(UNFINISHED, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
            at = name
            if durable:
                os.fsync(self.fd)
        except OSError as error:
            with suppress(OSError):  # the first failure is the one to report
                os.unlink(at, dir_fd=self.fd)
            raise failure("writing to the spool", f"{self.path}/{name}", error) from error

    def read(self, name: str) -> bytes:
        """A file's whole content."""
        try:
            with open(os.open(name, _READ, dir_fd=self.fd), "rb") as file:
                return file.read()
        except OSError as error:
            raise failure("reading from the spool", f"{self.path}/{name}", error) from error

    def overwrite(self, name: str, at: int, data: bytes) -> None:
        """Write within a file, without waiting for the disk."""
        try:
            file = os.open(name, _OVER, 0o600, dir_fd=self.fd)
            try:
                if os.pwrite(file, data, at) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
        except OSError as error:
            raise failure("writing to the spool", f"{self.path}/{name}", error) from error

    def sync(self, name: str) -> None:
        """Have what was written to a file outlive a power cut."""
        try:
            file = os.open(name, _READ, dir_fd=self.fd)
            try:
                os.fdatasync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise failure("writing to the spool", f"{self.path}/{name}", error) from error

    def unlink(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)
        except OSError as error:
            raise failure("removing from the spool", f"{self.path}/{name}", error) from error

    def move(self, name: str, to: Directory) -> str:
        """Move a file, or whatever it is, into another directory; returns its name there."""
        there, taken = name, 0
        try:
            while os.access(there, os.F_OK, dir_fd=to.fd, follow_symlinks=False):
                taken += 1
                there = f"{name[:200]}.{taken}"
            os.rename(name, there, src_dir_fd=self.fd, dst_dir_fd=to.fd)
        except OSError as error:
            raise failure("setting aside", f"{self.path}/{name}", error) from error
        return there

    def close(self) -> None:
        """Give the descriptor back; every later use fails with `SpoolError`."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
