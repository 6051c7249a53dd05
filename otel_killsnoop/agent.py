"""The agent: puts the five rooms together, and lives from attaching to the last record sent.

Attach first, import the rest after: the ring keeps what happens meanwhile.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from otel_killsnoop.settings import Settings
from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.options import Options

if TYPE_CHECKING:
    from types import FrameType

    from otel_killsnoop.rooms import Rooms

SOON, LATER = 0.02, 0.05  # seconds between looks at the ring: while something happens, and else
MUCH = 64  # records in one look from which on it pays to let more gather
LOOKS = 4  # for how long, in looks: the more a batch has, the more its records share
UNSPOOLED = 0.5  # seconds before what could not be written is tried again
GATHERED = 256 << 10  # bytes in the ring that are worth a batch
LOOK = 1.0  # seconds between looks at what was lost
STOP = 8.0  # seconds from the wish to stop to giving up on the destination


def tracer_options(settings: Settings) -> Options:
    """What the tracer needs to know of the settings."""
    return Options(
        recorded=settings.recorded,
        ignored=settings.ignore_source_comm,
        ring_size=settings.ring_size,
        root=settings.root,
        cache=_cache(),
        attempts=settings.attempts,
        zero=settings.zero,
        burst=settings.burst,
        pin_dir=settings.pin_dir,
        results=settings.ignore_results,
        source_uids=settings.ignore_source_uids,
        target_uids=settings.ignore_target_uids,
        target_comms=settings.ignore_target_comm,
    )


def _cache() -> str | None:
    """A directory of the user's for what can be made again; None where there is none."""
    if given := os.environ.get("CACHE_DIRECTORY"):  # systemd's
        return given.split(":")[0]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", ""), ".cache")
    return os.path.join(base, "otel-killsnoop") if os.path.isabs(base) else None


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit code. `HostError` when this host cannot do it."""
    from otel_killsnoop import preflight

    if found := preflight.faults(settings):
        for fault in found[:-1]:
            print(f"otel-killsnoop: {fault}", file=sys.stderr)
        raise found[-1]
    agent = Agent(min(GATHERED, settings.ring_size // 16))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, agent.ask_to_stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup's wish is kept
        signal.signal(signal.SIGHUP, agent.ask_to_stop)
    tracer = load.attach(tracer_options(settings))
    # A start that fails leaves what another agent left to the next one, and nothing of its own.
    end = tracer.close if tracer.origin == "fresh" else tracer.leave
    try:
        # Only now: the imports behind it take longer than all before it.
        from otel_killsnoop.journal import open_journal
        from otel_killsnoop.rooms import Rooms

        open_journal(settings.log_level)
        with Rooms(settings, tracer) as rooms:
            # From here on an error may come of what is in the ring, and would come again.
            end = tracer.close
            return agent.live(rooms)
    finally:
        end()


def collect_seldom() -> None:
    """What a record is made of holds no circles: look for them seldom, and not among what stays.

    Python's own measure is a look after every 700 objects, which is every ten records or so.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Agent:
    """The loop, and its end. enough: bytes in the ring for which a batch is begun at once."""

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._stop = 0  # how often it was asked to

    def ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """A signal handler: stop in good order; at the second time do not wait for anyone."""
        self._stop += 1

    def live(self, rooms: Rooms) -> int:
        """Move batches until asked to stop, then stop in good order; the exit code.

        OSError when printing is all there is to do, and it cannot be done any more.
        """
        from otel_killsnoop import readiness  # late, as all that is not for attaching
        from otel_killsnoop.stages import OutputGone

        rooms.start()
        readiness.tell(readiness.READY)
        collect_seldom()
        pipeline = rooms.pipeline
        next_look = time.monotonic() + LOOK
        try:
            while not self._stop:
                moved = pipeline.step()
                now = time.monotonic()
                if now >= next_look or rooms.due:
                    rooms.look()
                    next_look = now + LOOK
                if pipeline.pending:
                    time.sleep(UNSPOOLED)
                elif not moved:
                    time.sleep(LATER)
                elif moved < rooms.full or pipeline.waiting:
                    self._gather(rooms, LOOKS if moved >= MUCH else 1)
        except OutputGone as gone:
            raise gone.error from None
        readiness.tell(readiness.STOPPING)
        return self._end(rooms)

    def _gather(self, rooms: Rooms, looks: int) -> None:
        """Pause for so many looks at most, until there is enough in the ring."""
        for _ in range(looks):
            time.sleep(SOON)
            if self._stop or rooms.tracer.ring.pending >= self._enough:
                return

    def _end(self, rooms: Rooms) -> int:
        ends = time.monotonic() + STOP
        rooms.tracer.detach()
        pipeline = rooms.pipeline
        while pipeline.step(last=True):
            pass
        while pipeline.pending and self._stop < 2 and time.monotonic() < ends:
            time.sleep(UNSPOOLED / 10)
            if pipeline.settle():
                while pipeline.step(last=True):
                    pass
        rooms.finish(0.5 if self._stop > 1 else max(0.5, ends - time.monotonic()))
        return 0
