"""Repeats that the kernel counted: read from its maps, told, and let go of once they are durable.

Their counts name processes by identity and nothing more: who those are, the records in the ring
tell, of their births and of the burst before. So what was in the ring when the counts were read
goes before them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from otel_killsnoop.model import Event

if TYPE_CHECKING:
    from otel_killsnoop.pipeline import Pipeline
    from otel_killsnoop.tracer.folds import Fold, Folds
    from otel_killsnoop.tracer.ring import Ring
    from otel_killsnoop.tracer.succession import Succession

KINDS = 6144  # of the kernel's map of 8192

_log = logging.getLogger(__name__)


class Repeats:
    """folds: the maps to take from next, of older agents first.  read: what they hold -> events."""

    def __init__(
        self,
        folds: Callable[[], Folds],
        ring: Ring | Succession,
        pipeline: Pipeline,
        read: Callable[[Sequence[Fold]], Sequence[Event]],
    ) -> None:
        self._next = folds
        self._folds = folds()
        self._ring = ring
        self._pipeline = pipeline
        self._read = read
        self._events: Sequence[Event] = ()  # taken, not told yet
        self._before = 0  # where in the ring others end that go first
        self._moved = 0  # signals told when they were taken last

    @property
    def due(self) -> bool:
        """Whether so many kinds of signals may have come that the kernel's map is nearly full.

        What finds it full is not folded: a flood could then fill the ring.
        """
        return self._pipeline.made["signal"] - self._moved > KINDS

    def tell(self) -> bool:
        """Tell what was counted since the last time, unless the spool has to take others first.

        Whether there may be more to tell.
        """
        if self._pipeline.pending:
            return True
        try:
            if not self._events:
                self._take()
            if not self._events:
                return self._next().owed > 0
            if self._catch_up():
                told, self._events = self._events, ()
                self._pipeline.tell_repeats(told)
                if not self._pipeline.pending:
                    self._folds.forget()
        except OSError as error:
            _log.error("cannot read the repeats that the kernel counted, %s", error.strerror)
        return True

    def _take(self) -> None:
        if self._folds.unsafe:
            self._folds.forget()  # nothing is pending: it is durable, or was given up
        self._folds = self._next()
        due, self._moved = self.due, self._pipeline.made["signal"]
        taken = self._folds.take(due)
        self._before = self._ring.position + self._ring.unread
        self._events = self._read(taken)
        if not taken:
            self._folds.forget()

    def _catch_up(self) -> bool:
        """Move what was in the ring before; False when the spool does not take it."""
        while self._ring.position < self._before:
            if not self._pipeline.step() and self._pipeline.pending:
                return False
        if self._pipeline.waiting:
            self._pipeline.step()
        return not self._pipeline.pending
