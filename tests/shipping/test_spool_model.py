"""A model of the spool, compared with the real one after every step; crashes are steps too.

So is a disk that takes nothing: a file size limit, by which the kernel refuses every write, those
into the ledger too. The accounts over all agents are compared as well: exactly, unless an agent
died while its ledger could not be written.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from trouble import files_no_larger_than

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.packing import pack, unpack
from otel_killsnoop.shipping.queue import BLOCK, Entry
from otel_killsnoop.shipping.spool import Spool

Waiting = list[tuple[bytes, int]]


class SpoolMachine(RuleBasedStateMachine):
    """on_disk, held: (body, records) not yet decided, in order; flying: the one in flight, if any.

    It is in its list too, whichever that is: `flying` is the very same tuple.
    """

    def __init__(self) -> None:
        super().__init__()
        # In memory where that is to be had: thousands of steps sync to it.
        where = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.path = Path(tempfile.mkdtemp(prefix="spool-model-", dir=where))
        self.on_disk: Waiting = []
        self.held: Waiting = []
        self.flying: tuple[bytes, int] | None = None
        self.entry: Entry | None = None
        self.full = False
        self.number = 0
        self.lives = ShippingCounts()  # of the agents before
        self.stale = False  # whether the ledger may not know all of it

    @initialize(blocks=st.integers(2, 6), held=st.integers(0, 4))
    def begin(self, blocks: int, held: int) -> None:
        self.blocks = blocks
        self.memory = held * len(pack(b"request 000"))
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.path / "s", self.blocks * BLOCK, self.memory, retry=0)
        self.on_disk.sort()  # a start has them in the order of the puts
        self.recovered = sum(records for _, records in self.on_disk)
        self.spooled = self.delivered = self.rejected = self.evicted = self.unspooled = 0
        if self.stale:
            self.lives = self.spool.accounts()
        self.stale = self.full
        self.entry = self.flying = None
        self.held.clear()

    def disk(self) -> AbstractContextManager[None]:
        return files_no_larger_than(0) if self.full else nullcontext()

    @rule(full=st.booleans())
    def the_disk_changes(self, full: bool) -> None:
        self.full = full
        self.stale = self.stale or full

    @rule()
    def note(self) -> None:
        with self.disk():
            self.spool.note("{}")
        self.stale = self.full

    def goes_to_disk(self, one: tuple[bytes, int]) -> None:
        """What must be evicted for it is, the oldest that is not in flight."""
        if len(self.on_disk) == self.blocks:  # each is one block
            victim = next(old for old in self.on_disk if old is not self.flying)
            self.on_disk.remove(victim)
            self.evicted += victim[1]
        self.on_disk.append(one)
        self.spooled += one[1]

    def rescued(self) -> None:
        for one in self.held:
            self.goes_to_disk(one)
        self.held.clear()

    @rule(records=st.integers(1, 1000))
    def put(self, records: int) -> None:
        self.number += 1
        one = (b"request %03d" % self.number, records)
        size = len(pack(one[0]))
        with self.disk():
            try:
                self.spool.put(Request(*one))
            except SpoolError:
                assert self.full
                assert (len(self.held) + 1) * size > self.memory
                # Room is made for the one that is tried first, and then it does not come.
                self.room_for_nothing()
                return
        if not self.full:
            self.rescued()
            self.goes_to_disk(one)
            return
        self.held.append(one)
        self.room_for_nothing()

    def room_for_nothing(self) -> None:
        if len(self.on_disk) == self.blocks:
            victim = next(old for old in self.on_disk if old is not self.flying)
            self.on_disk.remove(victim)
            self.evicted += victim[1]

    @rule()
    def rescue(self) -> None:
        with self.disk():
            self.spool.rescue()
        if not self.full:
            self.rescued()
        elif self.held:
            self.room_for_nothing()

    @rule()
    def take(self) -> None:
        self.entry = self.spool.oldest()
        if self.entry is None:
            assert not self.on_disk
            assert not self.held
            return
        if self.flying is None:
            self.flying = (self.held or self.on_disk)[0]
        body, records = self.flying
        assert unpack(self.spool.read(self.entry)) == body
        assert self.entry.records == records

    def decided(self) -> int:
        """The one in flight is; how many records it had."""
        assert self.flying
        records = self.flying[1]
        if self.flying in self.held:
            self.held.remove(self.flying)
            self.spooled += records
        else:
            self.on_disk.remove(self.flying)
        self.flying = self.entry = None
        return records

    @precondition(lambda self: self.entry)
    @rule(refused=st.integers(0, 2000))
    def acknowledge(self, refused: int) -> None:
        assert self.entry
        self.spool.acknowledge(self.entry, refused)
        records = self.decided()
        self.rejected += min(refused, records)
        self.delivered += records - min(refused, records)

    @precondition(lambda self: self.entry)
    @rule()
    def set_aside(self) -> None:
        assert self.entry
        self.spool.set_aside(self.entry, "the model says so")
        self.rejected += self.decided()

    @rule()
    def stop(self) -> None:
        """In good order: what is in memory goes to the disk, if that takes it."""
        with self.disk():
            gone = self.spool.save()
            if self.full:
                assert gone == sum(records for _, records in self.held)
                self.unspooled += gone
                if self.held:
                    self.room_for_nothing()
            else:
                assert gone == 0
                self.rescued()
            self.spool.close()
        self.lives, self.stale = self.accounts(), self.full
        self.open()

    @rule(where=st.sampled_from(["between", "while writing", "after evicting", "after renaming"]))
    def crash(self, where: str) -> None:
        """The process is gone, perhaps within a put; nothing was said to anybody.

        test_spool_crashes.py is killed at every call; these are the states that it leaves.
        """
        full = len(self.on_disk) == self.blocks
        if where.startswith("after") and full:
            self.note()  # a page is written before a file goes
        with files_no_larger_than(0):  # so that closing is what a SIGKILL is: nothing is saved
            self.spool.close()
        lives = self.accounts()
        lives = replace(lives, unspooled=lives.unspooled + lives.in_memory)
        directory = self.path / "s"
        if where == "while writing":
            (directory / "unfinished.tmp").write_bytes(b"\x1f\x8b")
        if where.startswith("after") and full:
            # Without a word before: as if somebody else had done it.
            lives = replace(lives, missing=lives.missing + min(self.on_disk)[1])
            min(directory.glob("*.otlp.gz")).unlink()
            self.on_disk.remove(min(self.on_disk))
        if where == "after renaming":
            self.number += 1
            body = b"request %03d" % self.number
            packed = pack(body)
            name = f"{time.time_ns():020d}-5-{len(packed)}.otlp.gz"
            (directory / name).write_bytes(packed)
            self.on_disk.append((body, 5))
            lives = replace(lives, spooled=lives.spooled + 5)
        self.lives = lives
        self.open()

    def accounts(self) -> ShippingCounts:
        """What all agents together have done."""
        return ShippingCounts(
            recovered=self.lives.recovered,
            spooled=self.lives.spooled + self.spooled,
            delivered=self.lives.delivered + self.delivered,
            rejected=self.lives.rejected + self.rejected,
            evicted=self.lives.evicted + self.evicted,
            unspooled=self.lives.unspooled + self.unspooled,
            missing=self.lives.missing,
            on_disk=sum(records for _, records in self.on_disk),
            in_memory=sum(records for _, records in self.held),
        )

    @invariant()
    def accounts_are_exact(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.accounts() == self.accounts()

    @invariant()
    def counts_are_exact(self) -> None:
        if not hasattr(self, "spool"):
            return
        counts = self.spool.counts()
        assert (counts.recovered, counts.spooled) == (self.recovered, self.spooled)
        assert (counts.delivered, counts.rejected) == (self.delivered, self.rejected)
        assert counts.evicted == self.evicted
        assert counts.on_disk == sum(records for _, records in self.on_disk)
        assert counts.in_memory == sum(records for _, records in self.held)
        assert counts.recovered + counts.spooled == (
            counts.delivered + counts.rejected + counts.evicted + counts.on_disk
        )
        assert self.spool.files() == len(self.on_disk) + len(self.held)
        assert len(list((self.path / "s").glob("*.otlp.gz"))) == len(self.on_disk)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
        shutil.rmtree(self.path)


TestSpoolModel = SpoolMachine.TestCase
TestSpoolModel.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
