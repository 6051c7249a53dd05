"""The pin directory: what outlives an agent that is killed, under bpffs.

One directory a generation, named by its number; each is made under another name and renamed, so
that what has a number is whole. The agent holds a lock on the directory for as long as it lives,
however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import closing, suppress

from otel_killsnoop.errors import PinError, PinsTaken
from otel_killsnoop.tracer import bpf, objects

PROGRAM, LINK = "program_", "link_"  # before the names of what is pinned; a map has its symbol's
_UNFINISHED = "unfinished"
_CURES = {
    errno.ENOENT: "mount bpffs, as in `mount -t bpf bpf /sys/fs/bpf`",
    errno.EROFS: "mount it read-write, or name another place with --pin-dir",
}
_CURE = "name with --pin-dir a directory of this user's under a bpffs, or give --pin off"


class Pins:
    """The pins in a directory, which is made, mode 0700, where there is none.

    `PinError` when it cannot be used, as `PinsTaken` when another agent does.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        try:
            with suppress(FileExistsError):
                os.mkdir(self.path, 0o700)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._directory = os.open(self.path, flags)
        except OSError as error:
            raise self._failure("make or open", error) from error
        try:
            found = os.fstat(self._directory)
            if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                what = "others may write to the directory of pins"
                raise PinError(what, self.path, f"make it this user's, mode 0700, or {_CURE}")
            fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._directory)
            cure = "stop the other agent, or give this one its own --pin-dir, or --pin off"
            raise PinsTaken(
                "another agent is attached and owns the pins", self.path, cure
            ) from error
        except BaseException:
            os.close(self._directory)
            raise

    def try_out(self) -> None:
        """`PinError` unless this process may pin here."""
        trial = bpf.create_map(bpf.ARRAY, 4, 8, 1, 0, "trial")
        try:
            self.begin()
            self.add("trial", trial)
        finally:
            os.close(trial)
            self.abandon()

    def generations(self) -> list[str]:
        """Those that are whole, the oldest first."""
        return sorted(filter(str.isdecimal, os.listdir(self._directory)), key=int)

    def names(self, generation: str) -> list[str]:
        """Of all that is pinned in one."""
        return sorted(os.listdir(f"{self.path}/{generation}"))

    def begin(self) -> None:
        """Begin a generation; what an earlier one that was not published had is let go."""
        self.abandon()
        try:
            os.mkdir(_UNFINISHED, 0o700, dir_fd=self._directory)
        except OSError as error:
            raise self._failure("write to", error) from error

    def add(self, name: str, descriptor: int) -> None:
        """Pin one more into the generation that was begun."""
        try:
            objects.pin(descriptor, f"{self.path}/{_UNFINISHED}/{name}")
        except OSError as error:
            raise self._failure("pin in", error) from error

    def publish(self) -> str:
        """The generation that was begun is whole; its name."""
        number = str(max(map(int, self.generations()), default=0) + 1)
        os.rename(_UNFINISHED, number, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        return number

    def abandon(self) -> None:
        """Let go what was begun and not published."""
        self.drop(_UNFINISHED)

    def get(self, generation: str, name: str) -> int:
        """A descriptor of what is pinned."""
        return objects.get(f"{self.path}/{generation}/{name}")

    def unpin(self, generation: str, prefix: str = "") -> None:
        """Take the names of all whose names begin so; that needs no capability."""
        with suppress(FileNotFoundError):
            for name in self.names(generation):
                if name.startswith(prefix):
                    os.unlink(f"{generation}/{name}", dir_fd=self._directory)

    def drop(self, generation: str) -> None:
        """Take the names of all, and the generation."""
        self.unpin(generation)
        with suppress(FileNotFoundError):
            os.rmdir(generation, dir_fd=self._directory)

    def close(self) -> None:
        """Give up the lock."""
        os.close(self._directory)

    def _failure(self, doing: str, error: OSError) -> PinError:
        cure = _CURES.get(error.errno or 0, _CURE)
        return PinError(f"cannot {doing} the directory of pins, {error.strerror}", self.path, cure)


def outlook(path: str) -> str:
    """In words, whether an agent would be pinned there. `PinsTaken` when one is."""
    try:
        with closing(Pins(path)) as pins:
            pins.try_out()
            left = len(pins.generations())
    except PinsTaken:
        raise
    except PinError as error:
        return f"off, signals do not outlive a kill of the agent: {error}"
    waits = "; an agent that was killed left some" if left else ""
    return f"on, in {path}: signals outlive a kill of the agent{waits}"
