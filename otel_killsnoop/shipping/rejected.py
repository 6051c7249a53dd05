"""Records that were refused for good, kept with the answer for a person to read: the newest few."""

from __future__ import annotations

import logging
from collections import deque

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.shipping.directory import Directory

KEPT = 64  # records; what is beyond is only counted

_REQUEST, _ANSWER = ".otlp.gz", ".txt"
_log = logging.getLogger(__name__)


class Rejected:
    """A directory of pairs: NAME.otlp.gz is the request of one record, NAME.txt the answer."""

    def __init__(self, directory: Directory, kept: int = KEPT) -> None:
        self._directory = directory
        self._kept = kept
        there = {name.split(".")[0] for name, _ in directory.entries()}
        self._names = deque(sorted(there))

    def keep(self, name: str, packed: bytes, why: str) -> None:
        """Keep one; names sort by age. A failure is logged: this is evidence, not a queue."""
        try:
            self._directory.write(name + _REQUEST, packed, durable=False)
            self._directory.write(
                name + _ANSWER, f"{why}\n".encode(errors="backslashreplace"), durable=False
            )
            if name not in self._names:  # a crash may have left it undecided
                self._names.append(name)
            while len(self._names) > self._kept:
                oldest = self._names.popleft()
                self._directory.unlink(oldest + _REQUEST)
                self._directory.unlink(oldest + _ANSWER)
        except SpoolError as error:
            _log.warning("a refused record could not be kept: %s", error)
