"""The sender: the thread that posts what waits in the spool, and metrics between.

One request is on its way at a time, so records arrive in order and a destination in trouble is
not pressed. What to post and what to make of the answer is the courier's; when, is decided here.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from otel_killsnoop.model import ShippingCounts
from otel_killsnoop.shipping.courier import Courier
from otel_killsnoop.shipping.delivery import backoff, decide
from otel_killsnoop.shipping.packing import pack
from otel_killsnoop.shipping.slot import Slot
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import Transport

_log = logging.getLogger(__name__)


class Sender:
    """Sends from `start()` to `stop()`.

    metrics: the transport for them, if any.  base, longest: seconds of the first and of the
    longest pause between retries.  hold: seconds between tries while the configuration is refused.
    """

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        metrics: Transport | None = None,
        *,
        base: float = 1.0,
        longest: float = 30.0,
        hold: float = 30.0,
    ) -> None:
        self._spool = spool
        self._courier = Courier(spool, transport, base, longest, hold)
        self._metrics = metrics
        self._transports = [transport] if metrics is None else [transport, metrics]
        self._base, self._longest, self._hold = base, longest, hold
        self._slot = Slot()
        # What other threads ask or are told, all under this lock.
        self._state = threading.Condition()
        self._due = 0.0  # when to post logs next, by time.monotonic()
        self._ends: float | None = None  # when stopping: nothing is begun after it
        self._working = False
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        spool.subscribe(self.wake)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the spool (which calls this itself after each put)."""
        with self._state:
            self._state.notify_all()

    def offer_metrics(self, body: bytes) -> None:
        """Send this serialised metrics request (not compressed) soon, unless a newer comes."""
        if self._metrics is None:
            raise ValueError("this sender has no transport for metrics")
        self._slot.offer(body, time.monotonic())
        self.wake()

    def counts(self) -> ShippingCounts:
        """The spool's counts, with the requests by outcome.

        delivered, retried, held, split, rejected (of one record): of logs.  set_aside: files.
        metrics_delivered, metrics_dropped: of metrics.
        """
        requests = dict(self._courier.outcomes)
        requests["metrics_delivered"] = self._slot.delivered
        requests["metrics_dropped"] = self._slot.dropped
        requests["set_aside"] = self._spool.set_aside_files
        return replace(self._spool.counts(), requests=requests)

    def drain(self, seconds: float) -> bool:
        """Wait until all logs are sent, and try at once if a pause is on; True when all are.

        Returns before `seconds` are over when no try is due in that time.
        """
        deadline = time.monotonic() + seconds
        with self._state:
            self._due = 0.0
            self._state.notify_all()
            self._state.wait_for(lambda: not self._working and self._hopeless(deadline), seconds)
        return not self._spool.files()

    def _hopeless(self, deadline: float) -> bool:
        return not self._spool.files() or self._due > deadline

    def stop(self, seconds: float) -> bool:
        """Send what is left for at most so many seconds, then end; True when nothing is left.

        Returns earlier when no try is due in that time. What is left stays in the spool.
        """
        with self._state:
            self._ends = time.monotonic() + seconds
            self._due = 0.0
            self._state.notify_all()
        self._join(seconds)
        if self._thread.is_alive():
            for one in self._transports:
                one.abort()
            self._join(0.5)
        if not self._thread.is_alive():  # else it hangs in the resolver, and dies with the process
            for one in self._transports:
                one.close()
        return not self._spool.files()

    def _join(self, seconds: float) -> None:
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                # A defect of ours must not end shipping for good: it is told with its traceback,
                # nothing is acknowledged by it, and the same is tried again, slowly.
                _log.exception("the sender failed; the next try is in %g s", self._hold)
                self._pause(self._hold)
            with self._state:
                self._working = False
                self._state.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is due next; None when stopping and nothing more can be done in time."""
        with self._state:
            while True:
                now = time.monotonic()
                metrics = math.inf if self._slot.due is None else self._slot.due
                logs = self._due if self._spool.files() else math.inf
                # While stopping the spool is saved once more anyway, when nothing is sent any more.
                rescue = self._spool.rescue_due if self._ends is None else math.inf
                first = min(metrics, logs, rescue)
                if self._ends is not None and (now >= self._ends or first > self._ends):
                    return None
                if first <= now:
                    self._working = True
                    if metrics <= now:
                        return self._post_metrics
                    return self._spool.rescue if rescue <= logs else self._post_logs
                self._state.wait(None if first == math.inf else first - now)

    def _timeout(self) -> float:
        """Seconds that a post may take: what the endpoint allows, or less while stopping."""
        with self._state:
            return math.inf if self._ends is None else self._ends - time.monotonic()

    def _pause(self, seconds: float) -> None:
        with self._state:
            self._due = time.monotonic() + seconds

    def _post_logs(self) -> None:
        self._pause(self._courier.step(self._timeout()))

    def _post_metrics(self) -> None:
        body = self._slot.take(time.monotonic() + self._hold)
        if body is None or self._metrics is None:
            return
        sent = pack(body) if self._metrics.packed else body
        verdict = decide(self._metrics.post(sent, self._timeout()), time.time())
        pause = verdict.wait or backoff(1, random.random(), self._base, self._longest)
        self._slot.decided(body, verdict, time.monotonic() + pause)
