"""What processes show as their arguments when that is no longer what they were started with.

Servers write their state over their arguments (``nginx: worker process``). No event tells it, so
it is read from /proc, and only of a process that a signal names, that is alive, and whose
arguments came from an exec record (its own, or its forebear's): at most once in `PERIOD` a
process and `MOST` times a second in all, so that signals never wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from otel_killsnoop.processes.node import ALIVE, KERNEL_THREAD, TICK, Node
from otel_killsnoop.processes.redact import Redact

PERIOD = 5_000_000_000  # ns
MOST = 250
LONGEST = 2048  # bytes of a title that are kept

Shown = Callable[[int, int, bytes], tuple[bytes, ...] | None]


class Titles:
    """shown: (pid, start in ticks, name) -> the arguments of that process now, or None.

    masked: values masked in titles so far.  clock: ns, never going back.
    """

    def __init__(
        self, shown: Shown, redact: Redact, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.masked = 0
        self._shown = shown
        self._redact = redact
        self._clock = clock
        self._round = 0  # the last time that all titles fell due
        self._second = 0
        self._left = 0

    def are_due(self) -> bool:
        """True once in `PERIOD`: then what is current may have titles that are not."""
        now = self._clock()
        if now < self._round + PERIOD:
            return False
        self._round = now
        return True

    def look(self, node: Node) -> bool:
        """Read a node's title if that is due; whether it has another one now."""
        if node.died != ALIVE or node.flags & KERNEL_THREAD:
            return False
        if node.known_from not in ("exec", "fork") or node.image.args_cut:
            return False
        now = self._clock()
        if now < node.title_due:
            return False
        if now >= self._second + 1_000_000_000:
            self._second, self._left = now, MOST
        if self._left == 0:
            return False
        self._left -= 1
        node.title_due = now + PERIOD
        args = self._shown(node.pid, node.start // TICK, node.comm)
        if not args:
            return False
        title, masked = self._title(node, args)
        if title == node.title:
            return False
        self.masked += masked
        node.title = title
        return True

    def _title(self, node: Node, args: tuple[bytes, ...]) -> tuple[bytes | None, int]:
        image = node.image
        mark = hash(image.args) if image.shown is None else image.mark
        if hash(args) == mark:
            return None, 0
        words, masked = self._redact(args)
        title = b" ".join(words).rstrip(b" ")
        return title[:LONGEST] or None, masked
