"""The ledger: one small file in the spool directory, which outlives the agent that counts in it.

It holds the newest page in one of two places, by turns, so a write that is torn leaves the page
before it. A write is one small write into the page cache: that survives a SIGKILL at once, and a
power cut once `sync` has been called. The file is opened for each write, not held open: an agent
must not keep anybody from remounting the disk read-only.

A page that cannot be written changes nothing but what the next start can know: it is said once,
and tried again with the next page.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import Any

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.shipping.directory import Directory

LEDGER = "ledger"
PLACE = 32 << 10  # bytes for one page: more than with every counter of ours at its largest
FORMAT = 1

_log = logging.getLogger(__name__)


class Ledger:
    """page: the newest one found, None where there is none.  fault: why a file is no ledger.

    After a fault the file must be moved away before the first `write`.
    """

    def __init__(self, directory: Directory, exists: bool) -> None:
        self._directory = directory
        self._generation = 0
        self._failing = False
        self.page: dict[str, Any] | None = None
        self.fault: str | None = None
        if exists:
            try:
                self._read(directory.read(LEDGER))
            except SpoolError as error:
                self.fault = str(error)

    def _read(self, content: bytes) -> None:
        pages = [page for at in (0, PLACE) if (page := unsealed(content[at : at + PLACE]))]
        if not pages:
            self.fault = "neither of its pages is whole"
            return
        newest = max(pages, key=lambda page: page["generation"])
        if newest.get("format") != FORMAT:
            self.fault = f"its format is {newest.get('format')!r:.40}, not {FORMAT}"
            return
        self.page = newest
        self._generation = newest["generation"]

    def make(self, page: str) -> None:
        """The first page of this agent, durable, in a file with room for every page to come."""
        self._generation += 1
        first = sealed(page, self._generation).ljust(PLACE, b"\0")
        halves = [first, bytes(PLACE)] if self._generation % 2 == 0 else [bytes(PLACE), first]
        self._try(lambda: self._directory.write(LEDGER, b"".join(halves)))

    def write(self, page: str) -> None:
        """The next page: the members of a JSON object. It is there when this returns, if it can."""
        self._generation += 1
        at = self._generation % 2 * PLACE
        data = sealed(page, self._generation)
        self._try(lambda: self._overwrite(at, data))

    def _overwrite(self, at: int, data: bytes) -> None:
        if len(data) > PLACE:
            what = f"a page of {len(data)} bytes does not fit into the ledger"
            raise SpoolError(what, f"{self._directory.path}/{LEDGER}", "remove it, and restart")
        self._directory.overwrite(LEDGER, at, data)

    def sync(self) -> None:
        """Have the newest page outlive a power cut."""
        self._try(lambda: self._directory.sync(LEDGER))

    def _try(self, act: Any) -> None:
        try:
            act()
        except SpoolError as error:
            if not self._failing:
                _log.error(
                    "%s; until it can be, a SIGKILL costs the accounts what has changed since",
                    error,
                )
            self._failing = True
            return
        if self._failing:
            _log.info("the ledger in %s is kept again", self._directory.path)
        self._failing = False


def sealed(page: str, generation: int) -> bytes:
    """A page as it is on disk: a checksum and the length, then one line of JSON for people."""
    line = f'{{"format": {FORMAT}, "generation": {generation}, {page}}}\n'.encode()
    return b"%08x %d\n%b" % (zlib.crc32(line), len(line), line)


def unsealed(place: bytes) -> dict[str, Any] | None:
    """The page in a place; None if there is no whole one."""
    head, _, rest = place[:PLACE].partition(b"\n")
    try:
        checksum, length = head.split(b" ")
        line = rest[: int(length)]
        if len(line) != int(length) or b"%08x" % zlib.crc32(line) != checksum:
            return None
        page = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(page, dict) and isinstance(page.get("generation"), int)
    return page if known else None
