"""User names, from the host's own /etc/passwd.

The running system's name service is not asked: in a container it would name the container's
users, and a look-up over a network must not stand in a signal's way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

_PERIOD = 1.0  # seconds between two looks at whether the file has changed


class Users:
    """uid -> name, read again when <root>/etc/passwd changes; all unknown while it cannot be read.

    clock: seconds, never going back.
    """

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._path = os.path.join(root, "etc/passwd")
        self._clock = clock
        self._names: dict[int, str] = {}
        self._seen: tuple[int, int, int] | None = None
        self._next = clock()

    def name(self, uid: int) -> str | None:
        """The first name that the file gives this uid; None if it gives none."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _PERIOD
            self._refresh()
        return self._names.get(uid)

    def _refresh(self) -> None:
        try:
            facts = os.stat(self._path)
            seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
            if seen == self._seen:
                return
            with open(self._path, "rb") as file:
                content = file.read()
        except OSError:
            self._names, self._seen = {}, None
            return
        self._names, self._seen = parse(content), seen


def parse(content: bytes) -> dict[int, str]:
    """Names by uid from a passwd file; lines that are none are passed over."""
    names: dict[int, str] = {}
    for line in content.splitlines():
        fields = line.split(b":")
        if len(fields) >= 3 and fields[0] and fields[2].isdigit() and len(fields[2]) <= 10:
            names.setdefault(int(fields[2]), fields[0].decode("utf-8", "replace"))
    return names
