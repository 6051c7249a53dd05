"""Each system call of a write that may fail, with each error that a disk has for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from otel_killsnoop.model import Request
from otel_killsnoop.shipping import directory
from otel_killsnoop.shipping.spool import Spool


def request(number: int) -> Request:
    return Request(b"request %d" % number, 1)


CALLS = ("open", "write", "fdatasync", "close", "rename", "fsync")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [errno.EIO, errno.EDQUOT, errno.ENOSPC, errno.EROFS])
def test_whichever_call_of_a_write_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """The one call fails, as often as it is made, until it does not any more."""
    broken = True

    def fails(*arguments: Any, **more: Any) -> Any:
        if call == "close":
            os.close(*arguments)  # the kernel lets go of a descriptor even when it says EIO
        if broken:
            raise OSError(code, os.strerror(code))
        return None if call == "close" else getattr(os, call)(*arguments, **more)

    path = tmp_path / "spool"
    with Spool(path, retry=0) as spool:
        spool.put(request(0))
        with monkeypatch.context() as patched:
            patched.setattr(directory, "os", SimpleNamespace(**{**vars(os), call: fails}))
            for number in (1, 2, 3):
                spool.put(request(number))
            counts = spool.counts()
            assert (counts.on_disk, counts.in_memory) == (1, 3)
            assert len(list(path.glob("*.otlp.gz"))) == 1, "a file of what was not durable"
            entry = spool.oldest()  # what is in memory goes first
            assert entry is not None
            if call != "open":
                assert spool.read(entry)
            spool.acknowledge(entry)
            assert spool.counts().delivered == 1
            broken = False
            spool.put(request(4))
        counts = spool.counts()
        assert (counts.on_disk, counts.in_memory, counts.spooled) == (4, 0, 5)
        assert counts.spooled == counts.delivered + counts.on_disk
        found = []
        while (entry := spool.oldest()) is not None:
            found.append(spool.read(entry))
            spool.acknowledge(entry)
        assert len(set(found)) == 4
