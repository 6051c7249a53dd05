"""A spool directory at the start: what is a request, what is not, and what was left half done."""

from __future__ import annotations

import logging
import os
import stat
from typing import NamedTuple

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.shipping.directory import UNFINISHED, Directory
from otel_killsnoop.shipping.ledger import LEDGER
from otel_killsnoop.shipping.queue import Entry, parse

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """whole: requests, in their order.  torn: whose names say more or less than is there.

    strange: names of what is no request at all.  ledger: whether there is a file of that name.
    """

    whole: list[Entry]
    torn: list[Entry]
    strange: list[str]
    ledger: bool


def recover(main: Directory, ours: frozenset[str]) -> Found:
    """Look at everything; an unfinished write is removed. ours: names to leave alone.

    `SpoolError` for a directory that cannot be listed, and for a symbolic link in it.
    """
    whole, torn, strange = [], [], []
    ledger = False
    for name, status in main.entries():
        if stat.S_ISLNK(status.st_mode):
            cure = "remove it, and look who made it: nobody but the agent should write here"
            raise SpoolError("a symbolic link is in the spool", f"{main.path}/{name}", cure)
        if name in ours or name == "lost+found":  # the latter is the file system's own
            continue
        mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if name == UNFINISHED and mine:
            _remove(main, name)
            continue
        if name == LEDGER and mine:
            ledger = True
            continue
        entry = parse(name) if mine else None
        if entry is None:
            strange.append(name)
        elif entry.size == status.st_size:
            whole.append(entry)
        else:
            torn.append(entry)
    return Found(sorted(whole), sorted(torn), sorted(strange), ledger)


def set_aside(main: Directory, aside: Directory, name: str, why: str) -> None:
    """Move a file, or whatever it is, out of the way, and say so; a failure is only logged."""
    try:
        there = main.move(name, aside)
        _log.error("%r in %s was set aside as %r: %s", name, main.path, there, why)
    except SpoolError as error:
        _log.error("%s; it is left alone: %s", error, why)


def _remove(main: Directory, name: str) -> None:
    try:
        main.unlink(name)
    except SpoolError as error:  # the next write goes over it
        _log.warning("%s", error)
