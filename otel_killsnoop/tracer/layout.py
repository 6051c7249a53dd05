"""The running kernel's layout: from its BTF, kept in a file under the BTF's hash.

Reading BTF takes 10 ms and more, which is a good part of the time to being attached; the file
saves them from the second start on. It is believed only where nobody else can write.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from otel_killsnoop.errors import BtfError, KernelError
from otel_killsnoop.tracer import btf
from otel_killsnoop.tracer.symbols import WANTED

BTF = Path("/sys/kernel/btf/vmlinux")
_NAME = "kernel-layout.json"


def of_kernel(cache: str | None, path: Path = BTF) -> dict[str, int]:
    """What BTF answers to `WANTED`. `KernelError` when the kernel has no BTF, or a broken one.

    cache: a directory of ours for the file, made where it is not there; None for none.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        cure = "use a kernel with CONFIG_DEBUG_INFO_BTF (Debian's and Ubuntu's have it)"
        raise KernelError(f"cannot read the kernel's BTF, {error.strerror}", str(path), cure) from error
    key = f"{hashlib.sha1(raw, usedforsecurity=False).hexdigest()}-{_wanted()}"
    known = _kept(cache, key)
    if known is not None:
        return known
    try:
        found = btf.find(raw, WANTED)
    except BtfError as error:
        raise KernelError("the kernel's BTF is of no use", str(error), "report it") from error
    _keep(cache, key, found)
    return found


def _wanted() -> str:
    names = json.dumps(WANTED, sort_keys=True).encode()
    return hashlib.sha1(names, usedforsecurity=False).hexdigest()[:8]


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
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(unfinished, flags, 0o600), "w", encoding="ascii") as file:
            json.dump({"key": key, "layout": layout}, file)
        os.rename(unfinished, f"{cache}/{_NAME}")


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
