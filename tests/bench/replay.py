"""Real records, captured from the kernel's ring, through the agent's own pipeline once more."""

from __future__ import annotations

import contextlib
import mmap
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from made_ring import PAGE, Writer

from otel_killsnoop.agent import collect_seldom
from otel_killsnoop.model import Death, Event, Joined, Request
from otel_killsnoop.pipeline import Pipeline
from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.joining import Applied
from otel_killsnoop.records.exit import ExitEncoder
from otel_killsnoop.records.record import Encoder
from otel_killsnoop.records.resource import agent_resource
from otel_killsnoop.selected import Selected
from otel_killsnoop.shipping.courier import Courier
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.http import HttpTransport
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.decode import Decoder
from otel_killsnoop.tracer.judge import Judge
from otel_killsnoop.tracer.ring import Ring, map_ring

STAGES = ("ring", "decode", "judge", "table", "encode", "spool", "post")
ALL = "all together"
_BOOT_ID = "00000000-0000-4000-8000-000000000000"
_DEPTH = 8

T = TypeVar("T")


class Captured:
    """payloads: of the ring's records, in order.  made_at: of the ring.  number: the signal."""

    def __init__(self, payloads: list[bytes], made_at: int, number: int) -> None:
        self.payloads = payloads
        self.made_at = made_at
        self.number = number


@contextlib.contextmanager
def capture(number: int) -> Iterator[Captured]:
    """All that the ring brings inside the context, with this signal alone among the signals."""
    tracer = load.attach(load.Options(recorded=frozenset({number}), ring_size=64 << 20))
    found = Captured([], tracer.made_at, number)
    end = threading.Event()

    def keep() -> bool:
        records = tracer.ring.read(4096)
        tracer.ring.commit()
        found.payloads += [payload for _, payload in records]
        return bool(records)

    def read() -> None:
        while not end.wait(0.005):
            while keep():
                pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield found
    finally:
        end.set()
        reader.join()
        tracer.detach()
        while keep():
            pass
        counts = tracer.counts()
        tracer.close()
    assert not any(counts.lost), "the ring was full"
    assert not any(counts.table_lost.values()), "the ring was full"


class Replay:
    """One run of captured records. spent: CPU ns by stage, and `ALL`.

    joined: signals.  records: those of deaths too.  strange: sides of signals without a name or
    a parent.  requests, bytes: what was made of them, not compressed.  url: a sink's.
    batch: records that come at a time, at most what the pipeline reads at a time.
    """

    def __init__(self, captured: Captured, batch: int, url: str) -> None:
        self.spent = dict.fromkeys((*STAGES, ALL), 0)
        self.joined = self.records = self.requests = self.bytes = self.strange = 0
        self._batch = batch
        with contextlib.ExitStack() as opened:
            directory = opened.enter_context(tempfile.TemporaryDirectory())
            self._spool = opened.enter_context(contextlib.closing(Spool(Path(directory, "spool"))))
            endpoint = Endpoint("logs", "http/protobuf", f"{url}/v1/logs", ())
            transport = opened.enter_context(contextlib.closing(HttpTransport(endpoint)))
            self._courier = Courier(self._spool, transport, 1.0, 30.0, 30.0)
            self._host = Host("/")
            self._host.seed()
            self._decoder = Decoder(captured.made_at)
            self._judge = Judge()
            made_of = (agent_resource("/"), _BOOT_ID, _DEPTH, 0)
            of, cgroup = self._host.initiators.of, self._host.cgroup
            self._encoder = Encoder(*made_of, initiator=of, cgroup=cgroup)
            self._exits = ExitEncoder(*made_of, target=self._encoder.target)
            collect_seldom()
            self._run(captured, opened)
            assert self._decoder.undecodable == 0
            assert self._spool.counts().delivered == self.records

    def _run(self, captured: Captured, opened: contextlib.ExitStack) -> None:
        parts, ends, end = [], [], 0
        for payload in captured.payloads:
            length = len(payload) + 7 & ~7
            parts.append(struct.pack("=II", len(payload), 0) + payload.ljust(length, b"\0"))
            end += 8 + length
            ends.append(end)
        size = 1 << max(end.bit_length(), mmap.PAGESIZE.bit_length())
        writer = opened.enter_context(contextlib.closing(Writer(size)))
        writer.memory[2 * PAGE : 2 * PAGE + end] = b"".join(parts)
        ring = opened.enter_context(contextlib.closing(map_ring(writer.fd, size)))
        pipeline = Pipeline(
            _Ring(ring, self._timed),
            captured.made_at,
            self,
            self._put,
            None,
            time.time_ns,
            Selected(None, frozenset({captured.number})),
        )
        for at in range(self._batch - 1, len(ends) + self._batch - 1, self._batch):
            writer.advance(ends[min(at, len(ends) - 1)])
            before = time.process_time_ns()
            while pipeline.step(last=ring.position == end):
                pass
            self.spent[ALL] += time.process_time_ns() - before

    def _timed(self, stage: str, what: Callable[[], T]) -> T:
        before = time.process_time_ns()
        made = what()
        self.spent[stage] += time.process_time_ns() - before
        return made

    # --- the stages, as `pipeline.Stages` has them ---

    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]:
        return self._timed("decode", lambda: self._decoder.decode(records))

    def judge(self, events: Sequence[Event], waited: int) -> tuple[list[Event], list[Event]]:
        return self._timed("judge", lambda: self._judge.judge(events, waited))

    def apply(self, events: Sequence[Event], waited: int) -> Applied:
        applied = self._timed("table", lambda: self._host.table.apply(events, waited))
        before = time.process_time_ns()
        self.joined += len(applied.joined)
        for one in applied.joined:
            for side in (one.source, one.target):
                known = side is not None and side.process.known_from != "partial"
                self.strange += not known or side.parent is None
        self.spent[ALL] -= time.process_time_ns() - before  # a test, and none of the agent's
        return applied

    def encode(self, joined: Sequence[Joined], offset_ns: int) -> list[Request]:
        return self._timed(
            "encode", lambda: self._encoder.encode(joined, offset_ns, time.time_ns())
        )

    def encode_deaths(self, deaths: Sequence[Death], offset_ns: int) -> list[Request]:
        return self._timed("encode", lambda: self._exits.encode(deaths, offset_ns, time.time_ns()))

    def flat(self, joined: Joined, offset_ns: int) -> dict[str, object]:
        """For what is printed, and nothing is."""
        return {}

    def flat_death(self, death: Death, offset_ns: int) -> dict[str, object]:
        """The same."""
        return {}

    def _put(self, request: Request) -> None:
        self.requests += 1
        self.records += request.records
        self.bytes += len(request.body)
        self._timed("spool", lambda: self._spool.put(request))
        self._timed("post", lambda: self._courier.step(10.0))


class _Ring:
    """A ring whose reader's time is taken."""

    def __init__(self, ring: Ring, timed: Callable[[str, Callable[[], object]], object]) -> None:
        self._ring, self._timed = ring, timed

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        self._timed("ring", lambda: found.extend(self._ring.read(limit)))
        return found

    def commit(self, before: int | None = None) -> None:
        self._timed("ring", lambda: self._ring.commit(before))
