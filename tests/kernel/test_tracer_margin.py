"""The last of the ring is for lethal signals and lives: no flood of others costs one of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from flood import loop
from traced import assert_adds_up

from otel_killsnoop.model import Event, Exec, Exit, Fork, Signal
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
