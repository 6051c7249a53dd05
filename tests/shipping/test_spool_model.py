"""A model of the spool, compared with the real one after every step; crashes are steps too."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.queue import BLOCK, Entry
from otel_killsnoop.shipping.spool import Spool


class SpoolMachine(RuleBasedStateMachine):
    """waiting: (body, records) not yet decided, in order; the first is in flight if `entry`."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.waiting: list[tuple[bytes, int]] = []
        self.entry: Entry | None = None
        self.number = 0

    @initialize(blocks=st.integers(2, 6))
    def begin(self, blocks: int) -> None:
        self.blocks = blocks
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.path / "s", limit=self.blocks * BLOCK)
        self.recovered = sum(records for _, records in self.waiting)
        self.spooled = self.delivered = self.rejected = self.evicted = 0
        self.entry = None

    @rule(records=st.integers(1, 1000))
    def put(self, records: int) -> None:
        self.number += 1
        body = b"request %d" % self.number
        self.spool.put(Request(body, records))
        self.spooled += records
        if len(self.waiting) == self.blocks:  # each is one block
            oldest = 1 if self.entry else 0
            self.evicted += self.waiting.pop(oldest)[1]
        self.waiting.append((body, records))

    @rule()
    def take(self) -> None:
        self.entry = self.spool.oldest()
        if self.entry is None:
            assert not self.waiting
        else:
            body, records = self.waiting[0]
            assert unpack(self.spool.read(self.entry)) == body
            assert self.entry.records == records

    @precondition(lambda self: self.entry)
    @rule(refused=st.integers(0, 2000))
    def acknowledge(self, refused: int) -> None:
        assert self.entry
        records = self.waiting.pop(0)[1]
        self.spool.acknowledge(self.entry, refused)
        self.rejected += min(refused, records)
        self.delivered += records - min(refused, records)
        self.entry = None

    @precondition(lambda self: self.entry)
    @rule()
    def set_aside(self) -> None:
        assert self.entry
        self.spool.set_aside(self.entry, "the model says so")
        self.rejected += self.waiting.pop(0)[1]
        self.entry = None

    @rule()
    def a_second_agent_tries(self) -> None:
        try:
            Spool(self.path / "s")
        except SpoolError:
            return
        raise AssertionError("two agents have one spool")

    @rule(torn=st.booleans())
    def crash(self, torn: bool) -> None:
        """The process is gone, perhaps within a put; nothing was said to anybody."""
        self.spool.close()  # what the kernel does to its descriptors
        if torn:
            (self.path / "s" / "unfinished.tmp").write_bytes(b"\x1f\x8b")
        self.open()

    @invariant()
    def counts_are_exact(self) -> None:
        if not hasattr(self, "spool"):
            return
        counts = self.spool.counts()
        on_disk = sum(records for _, records in self.waiting)
        assert (counts.recovered, counts.spooled) == (self.recovered, self.spooled)
        assert (counts.delivered, counts.rejected) == (self.delivered, self.rejected)
        assert (counts.evicted, counts.on_disk) == (self.evicted, on_disk)
        assert counts.recovered + counts.spooled == (
            counts.delivered + counts.rejected + counts.evicted + counts.on_disk
        )
        assert self.spool.files() == len(self.waiting)
        assert len(list((self.path / "s").glob("*.otlp.gz"))) == len(self.waiting)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
        shutil.rmtree(self.path)


TestSpoolModel = SpoolMachine.TestCase
TestSpoolModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
