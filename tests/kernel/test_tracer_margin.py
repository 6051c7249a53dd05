"""The last of the ring is for lethal signals and lives: no flood of others costs one of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from flood import loop
from traced import assert_adds_up

from otel_killsnoop.model import Attempt, Event, Exec, Exit, Fork, Signal
from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.decode import Decoder
from otel_killsnoop.tracer.options import Options

pytestmark = pytest.mark.kernel

RING = 1 << 20
FLOOD = 20_011  # three times what the ring holds of them
LONG = "x" * 3000


@pytest.fixture
def ignorer(own_number: int) -> Iterator[int]:
    """A process that ignores the test's own signal."""
    code = f"import signal; signal.signal({own_number}, signal.SIG_IGN); print(); signal.pause()"
    with subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def of(pid: int, events: list[Event]) -> list[Event]:
    return [
        event
        for event in events
        if getattr(event, "pid", None) == pid or getattr(event, "target_pid", None) == pid
    ]


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_a_flood_that_nobody_dies_of_costs_no_death(
    ignorer: int, own_number: int, direct: bool
) -> None:
    tracer = load.attach(Options(ring_size=RING, direct=direct))
    try:
        loop()(ignorer, own_number, FLOOD)
        with subprocess.Popen(["sh", "-c", "read line", LONG], stdin=subprocess.PIPE) as victim:
            victim.kill()
        tracer.detach()
        counts = tracer.counts()
        events = Decoder(tracer.made_at).decode(tracer.ring.read(1 << 20))
    finally:
        tracer.close()
    assert_adds_up(counts)
    sent = counts.generated[own_number]
    assert sent == FLOOD
    # What the margin holds back is counted, and nothing else was lost.
    assert 0 < counts.lost[own_number] < FLOOD
    assert counts.refused == sum(counts.lost)
    assert counts.lost[9] == 0
    assert not any(counts.table_lost.values())
    told = of(victim.pid, events)
    assert {type(event) for event in told} == {Fork, Exec, Signal, Exit}
    [killed] = [event for event in told if isinstance(event, Signal)]
    assert (killed.facts.name, killed.source_pid) == ("SIGKILL", os.getpid())
    [gone] = [event for event in told if isinstance(event, Exit)]
    assert gone.status == 9
    # The arguments are cut, and it says so.
    [ran] = [event for event in told if isinstance(event, Exec)]
    assert (ran.argc, ran.args_cut, ran.args[:3]) == (4, True, (b"sh", b"-c", b"read line"))
    assert len(b"\0".join(ran.args)) <= 512


def test_the_killing_of_many_may_fill_the_ring(own_number: int) -> None:
    """Lethal signals have all of it: as many as it holds are there, the rest is counted."""
    tracer = load.attach(Options(ring_size=64 << 10))
    try:
        count = 499
        victims = [subprocess.Popen(["sleep", "600"]) for _ in range(count)]
        while tracer.ring.read(4096):
            tracer.ring.commit()  # their births
        before = tracer.counts()
        for one in victims:
            os.kill(one.pid, own_number)  # real-time: it kills who does nothing about it
        tracer.detach()
        counts = tracer.counts()
        records = tracer.ring.read(1 << 20)
        events = Decoder(tracer.made_at).decode(records)
    finally:
        tracer.close()
        for one in victims:
            one.wait()
    assert_adds_up(counts)
    killed = {one.target_pid for one in events
              if isinstance(one, Signal) and one.facts.number == own_number}  # fmt: skip
    assert killed <= {one.pid for one in victims}
    assert counts.generated[own_number] - before.generated[own_number] == count
    assert counts.submitted[own_number] == len(killed)
    # More than the share that others may have, their deaths included.
    assert sum((len(payload) + 15) & -8 for _, payload in records) > (64 << 10) * 7 // 8


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_a_flood_of_refused_calls_costs_no_death(direct: bool, own_number: int) -> None:
    """Attempts are nobody's death: they leave the last of the ring alone as well."""
    no_signal = 65  # no kernel knows it: each call is refused
    options = Options(
        recorded=frozenset({own_number}), attempts="on", ring_size=RING, direct=direct
    )
    tracer = load.attach(options)
    try:
        if tracer.attempts == "off":
            pytest.fail("attempts are not seen here")
        loop()(os.getpid(), no_signal, FLOOD)
        with subprocess.Popen(["sleep", "600"]) as victim:
            os.kill(victim.pid, own_number)
        tracer.detach()
        counts = tracer.counts()
        events = Decoder(tracer.made_at).decode(tracer.ring.read(1 << 20))
    finally:
        tracer.close()
    tried = sum(isinstance(one, Attempt) for one in events)
    assert counts.table_lost["attempt"] > 0
    assert tried + counts.table_lost["attempt"] >= FLOOD
    assert counts.losses()["attempts"] == counts.table_lost["attempt"]
    assert counts.losses()["lives"] == sum(counts.lost) == 0
    assert {type(one) for one in of(victim.pid, events)} == {Fork, Exec, Signal, Exit}


def now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_when_it_was_lost_is_told_of_each_reason(
    ignorer: int, own_number: int, direct: bool
) -> None:
    """From the first to the last since it was told before, by the kernel's own clock."""
    options = Options(recorded=frozenset({own_number}), ring_size=64 << 10, direct=direct)
    tracer = load.attach(options)
    kill = loop()
    try:
        assert set(tracer.counts().lost_between.values()) == {(0, 0)}
        began = now()
        kill(ignorer, own_number, 3_001)
        ended = now()
        kept = [one.time for one in Decoder(tracer.made_at).decode(tracer.ring.read(1 << 20))
                if isinstance(one, Signal)]  # fmt: skip
        first, last = tracer.counts().lost_between["ring_short"]
        assert began < max(kept) <= first < last < ended
        assert tracer.counts().lost_between["ring_full"] == (0, 0)
        # Told: what comes now is a loss of its own. With more of the kind it goes on.
        tracer.told()
        again = now()
        kill(ignorer, own_number, 11)
        second = tracer.counts().lost_between["ring_short"]
        kill(ignorer, own_number, 11)
        assert again < second[0] < second[1] < tracer.counts().lost_between["ring_short"][1]
        assert tracer.counts().lost_between["ring_short"][0] == second[0]
        # The last of the ring goes to lives and to who dies of it, then nothing is left.
        before = now()
        victims = [subprocess.Popen(["sleep", "600"]) for _ in range(199)]
        for one in victims:
            os.kill(one.pid, own_number)
        for one in victims:
            one.wait()
        after = now()
        tracer.detach()
        counts = tracer.counts()
    finally:
        tracer.close()
    assert counts.losses()["ring_full"] > 0
    assert counts.losses()["lives"] > 0
    for reason in ("ring_full", "lives"):
        first, last = counts.lost_between[reason]
        assert before < first < last < after
