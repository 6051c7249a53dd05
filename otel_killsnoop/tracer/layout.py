"""The running kernel's layout: from its BTF, kept in a file under the kernel's hash.

Reading BTF takes 10 ms and more, which is a good part of the time to being attached; the file
saves them from the second start on. It is believed only where nobody else can write.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import zlib
from contextlib import suppress
from pathlib import Path

from otel_killsnoop.errors import BtfError, KernelError
from otel_killsnoop.tracer.members import WANTED

BTF = Path("/sys/kernel/btf/vmlinux")
NOTES = Path("/sys/kernel/notes")
NT_GNU_BUILD_ID = 3
_NAME = "kernel-layout.json"


def of_kernel(cache: str | None, path: Path = BTF) -> dict[str, int]:
    """What BTF answers to `WANTED`. `KernelError` when the kernel has no BTF, or a broken one.

    cache: a directory of ours for the file, made where it is not there; None for none.
    """
    key = f"{_build(path)} {zlib.crc32(json.dumps(WANTED).encode()):08x}"
    known = _kept(cache, key)
    if known is not None:
        return known
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise no_btf(error, path) from error
    from otel_killsnoop.tracer import btf  # seldom needed, and it costs a millisecond

    try:
        found = btf.find(raw, WANTED)
    except BtfError as error:
        raise KernelError("the kernel's BTF is of no use", str(error), "report it") from error
    _keep(cache, key, found)
    return found


def no_btf(error: OSError, path: Path = BTF) -> KernelError:
    """What to raise when the file of the kernel's BTF cannot be read."""
    cure = "use a kernel with CONFIG_DEBUG_INFO_BTF (Debian's and Ubuntu's have it)"
    return KernelError(f"cannot read the kernel's BTF, {error.strerror}", str(path), cure)


def _build(path: Path) -> str:
    """What tells this kernel's BTF from any other: its build's hash, and the BTF's size.

    The linker's build id is the hash of the whole kernel image, BTF included, and is read in no
    time; hashing the BTF itself takes half as long as finding the answers in it.
    """
    with suppress(OSError):
        size = path.stat().st_size
        notes = NOTES.read_bytes()
        at = notes.find(b"GNU\0")
        if at >= 12:
            length = int.from_bytes(notes[at - 8 : at - 4], sys.byteorder)
            build = notes[at + 4 : at + 4 + length]
            kind = int.from_bytes(notes[at - 4 : at], sys.byteorder)
            if kind == NT_GNU_BUILD_ID and len(build) == length >= 16:
                return f"{build.hex()} {size}"
    with suppress(OSError):
        import hashlib

        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def _kept(cache: str | None, key: str) -> dict[str, int] | None:
    if cache is None:
        return None
    try:
        where = os.open(cache, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not _ours(os.fstat(where)):
            return None
        file = os.open(_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=where)
        with open(file, "rb") as opened:
            if not _ours(os.fstat(file)):
                return None
            content = json.loads(opened.read(1 << 20))
        if content["key"] == key:
            layout = content["layout"]
            if all(type(one) is int and one >= 0 for one in layout.values()):
                return {str(name): int(value) for name, value in layout.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # it is made anew
    finally:
        os.close(where)
    return None


def _keep(cache: str | None, key: str, layout: dict[str, int]) -> None:
    """Best effort: without the file the next start takes a little longer."""
    if cache is None:
        return
    unfinished = f"{cache}/{_NAME}.{os.getpid()}"
    with suppress(OSError):
        os.makedirs(cache, mode=0o700, exist_ok=True)
        if not _ours(os.lstat(cache)):
            return
        # In a container a pid comes again: what a crash left behind must not end this for good.
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(unfinished, flags, 0o600), "w", encoding="ascii") as file:
            json.dump({"key": key, "layout": layout}, file)
        os.rename(unfinished, f"{cache}/{_NAME}")


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
