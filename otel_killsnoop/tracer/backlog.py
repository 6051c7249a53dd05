"""What waits in a ring, looked at before it is read: which processes run new programs in it."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Protocol

from otel_killsnoop.tracer import contract

_KIND = Struct("=I")
_TIME = Struct("=8xQ")
_SELF = contract.run("killsnoop_exec", "time", "self.pid")
_SELF_AT = contract.LAYOUT["killsnoop_exec"]["time"][0]
_CHUNK = 2048  # records


class Unread(Protocol):
    """A `Ring`, or several in a `Succession`."""

    def read(self, limit: int) -> Sequence[tuple[int, bytes]]: ...
    def rewind(self) -> None: ...


def execs(ring: Unread, until: int) -> set[tuple[int, int]]:
    """(pid, start) of all with an exec record that waits, of a time up to ``until`` (boot ns).

    Nothing counts as read.
    """
    found = set()
    latest = 0
    while latest <= until and (records := ring.read(_CHUNK)):
        latest = _TIME.unpack_from(records[-1][1])[0]
        for _, payload in records:
            if _KIND.unpack_from(payload)[0] == contract.EXEC:
                time, start, pid = _SELF.unpack_from(payload, _SELF_AT)
                if time <= until:
                    found.add((pid, start))
    ring.rewind()
    return found
