"""The place for one metrics request: the newest replaces any that was not sent yet.

Metrics are cumulative sums, so the next one says all that a lost one would have said: they are
not worth a file in the spool, only a couple of tries.
"""

from __future__ import annotations

import logging
import threading

from otel_killsnoop.shipping.delivery import Kind, Verdict

TRIES = 2

_log = logging.getLogger(__name__)


class Slot:
    """One request or none.

    due: when to send it (time.monotonic()), None while empty.  delivered, dropped: requests, each
    in exactly one of them once it has left the slot; dropped includes the replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._body: bytes | None = None
        self._tries = 0
        self._failing = False
        self.due: float | None = None
        self.delivered = 0
        self.dropped = 0

    def offer(self, body: bytes, now: float) -> None:
        """Put a request in, due now."""
        with self._lock:
            if self._body is not None:
                self.dropped += 1
            self._body, self._tries, self.due = body, 0, now

    def take(self, due: float) -> bytes | None:
        """The request to send, None while empty; due: when to look again if nothing is decided."""
        with self._lock:
            if self._body is not None:
                self.due = due
            return self._body

    def decided(self, body: bytes, verdict: Verdict, due: float) -> None:
        """What was answered for `body`, which another may have replaced; due: of a next try."""
        with self._lock:
            if self._body is not body:
                return  # replaced while it was on its way, and counted then
            self._tries += 1
            done = verdict.kind is Kind.DELIVERED
            if verdict.kind is Kind.WAIT and self._tries < TRIES:
                self.due = due
                return
            self._body = self.due = None
            self.delivered += done
            self.dropped += not done
            turned, self._failing = done == self._failing, not done
        if turned and done:
            _log.info("metrics are delivered again")
        elif turned:
            _log.warning("metrics are not delivered: %s", verdict.reason)
