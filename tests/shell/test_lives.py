"""Agents that are killed at any moment, on one ring or on many: a model of what they count.

The truth is the model's own: which signals the kernel submitted, and how often each was counted
by an agent that had noted it. The real `Lives` has to come to the same sums from its notes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from otel_killsnoop.kernel_sums import together, told, untold
from otel_killsnoop.lives import Here, Lives
from otel_killsnoop.model import NUMBERS, KernelCounts, ShippingCounts
from otel_killsnoop.records.words import EVENTS, LOSSES
from otel_killsnoop.shipping.spool import Spool


def kernel(submitted: int) -> KernelCounts:
    counts = (submitted,) + (0,) * (NUMBERS - 1)
    return KernelCounts(generated=counts, submitted=counts)


class LivesMachine(RuleBasedStateMachine):
    """ring: how many signals the present ring has got; committed: what is done with, of them.

    read: up to where this agent has read.  waiting: what it has read, and not counted.  disk:
    records put by all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes = "{}"
        self.disk = self.rings = self.submitted = 0
        self.new_ring()
        self.begin()

    def new_ring(self) -> None:
        self.rings += 1
        self.ring = self.committed = 0

    def begin(self) -> None:
        self.read = self.committed
        self.waiting: list[int] = []
        self.counted = 0
        shipping = ShippingCounts(spooled=self.disk)
        self.lives = Lives(self.notes, [f"ring {self.rings}"], shipping, self.here, self.write)

    def here(self) -> Here:
        return Here(kernel(self.ring), 0, 0, {"signal": self.counted}, {})

    def write(self, notes: str) -> None:
        self.notes = notes

    @rule(count=st.integers(1, 9))
    def signals(self, count: int) -> None:
        self.ring += count
        self.submitted += count

    @rule(
        count=st.integers(1, 9),
        hold=st.integers(0, 3),
        killed=st.sampled_from(["", "", "", "before the put", "put", "noted"]),
        pinned=st.booleans(),
    )
    def step(self, count: int, hold: int, killed: str, pinned: bool) -> None:
        """Read, count what has waited and what need not, note, commit; or die on the way."""
        batch = list(range(self.read, min(self.ring, self.read + count)))
        if batch and self.read < self.lives.reread_to:
            self.lives.again(sum(one < self.lives.reread_to for one in batch))
        self.read += len(batch)
        split = max(0, len(batch) - hold)
        ready, waiting = self.waiting + batch[:split], batch[split:]
        if killed == "before the put":
            return self.die(pinned)
        self.disk += len(ready)
        if killed == "put":
            return self.die(pinned)
        self.waiting = waiting
        self.counted += len(ready)
        self.lives.note(len(waiting), self.read)
        if killed == "noted":
            return self.die(pinned)
        self.committed = min([self.read, *waiting])
        return None

    @rule(pinned=st.booleans())
    def killed(self, pinned: bool) -> None:
        self.die(pinned)

    def die(self, pinned: bool) -> None:
        if not pinned:
            self.submitted_lost()
        self.begin()

    def submitted_lost(self) -> None:
        """The ring goes; what of it was noted is all that can be known of it."""
        known = json.loads(self.notes).get("kernel", {}).get("submitted", {}).get("0", 0)
        same = json.loads(self.notes).get("ring") == f"ring {self.rings}"
        self.submitted -= self.ring - (known if same else 0)
        self.new_ring()

    @invariant()
    def the_sums_hold(self) -> None:
        lives, ended = self.lives, self.lives.ended()
        submitted = sum(lives.kernel(kernel(self.ring)).submitted)
        assert submitted == self.submitted
        made = lives.made({"signal": self.counted})["signal"]
        # What an agent before had read it had counted, but for the debt.
        rest = self.ring - max(self.read, lives.reread_to) + len(self.waiting) + lives.debt
        assert submitted + ended.reread == made + ended.orphaned + rest
        assert made + ended.unnoted == self.disk


TestLives = LivesMachine.TestCase
TestLives.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["ring", "made", "told", "kernel", "dead", "waiting", "submitted", "x"]
            ),
            inner,
        ),
    )
)
def test_any_notes_make_a_beginning(notes: object) -> None:
    def here() -> Here:
        return Here(KernelCounts(), 0, 0, {}, {})

    kept: list[str] = []
    lives = Lives(json.dumps(notes), ["ring"], ShippingCounts(), here, kept.append)
    lives.note(0, 0)
    lives.end()
    assert json.loads(kept[-1])["ended"] == 1


COUNTS = st.lists(st.integers(0, 1 << 63), min_size=NUMBERS, max_size=NUMBERS).map(tuple)
PROGRAMS = st.dictionaries(st.sampled_from(["fork", "exec", "exit"]), st.integers(0, 1 << 63))
KERNELS = st.builds(
    KernelCounts, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, PROGRAMS, PROGRAMS, st.integers(0, 99)
)


def test_the_largest_counts_fit_into_a_page(tmp_path: Path) -> None:
    most = (1 << 64) - 1
    numbers = (most,) * NUMBERS
    programs = dict.fromkeys(("signal", "fork", "exec", "exit", "oom", "attempt", "cgroup"), most)
    largest = KernelCounts(*(numbers,) * 5, programs, programs, most)

    def here() -> Here:
        return Here(
            largest, most, most, dict.fromkeys(EVENTS, most), dict.fromkeys(LOSSES, most), most
        )

    with Spool(tmp_path / "spool") as spool:
        for ring in ("one" * 20, "two" * 20):  # the second has the first among the dead
            lives = Lives(spool.notes, [ring], spool.accounts(), here, spool.note)
            lives.note(most, most)
    with Spool(tmp_path / "spool") as spool:
        kept = json.loads(spool.notes)
        assert kept["dead"] == kept["kernel"] == told(largest)


@settings(deadline=None)
@given(one=KERNELS, other=KERNELS)
def test_kernel_counts_are_the_same_when_read_back(one: KernelCounts, other: KernelCounts) -> None:
    assert untold(json.loads(json.dumps(told(one)))) == one
    sums = together(one, other)
    assert sums.generated[9] == one.generated[9] + other.generated[9]
    assert sums.refused == one.refused + other.refused
    between = {"ring_full": (1, 2)}  # of the ring that is there
    assert together(one, replace(other, lost_between=between)).lost_between == between
    assert sums.table_lost.get("fork", 0) == one.table_lost.get("fork", 0) + other.table_lost.get(
        "fork", 0
    )
