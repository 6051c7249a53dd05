"""Timers in their thousands on every CPU: none is missed, whoever's time it is raised in.

The kernel's own event tracing is asked beside us, task by task: what it saw in the time of a task,
the program has counted and recorded too.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flood import NUMBER, ignorer, sender
from real_processes import PYTHON
from traced import assert_adds_up

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.decode import Decoder

pytestmark = pytest.mark.kernel

TIMERS, TAKEN = 8, 6_007  # a timer's interval is a millisecond
ROUND = 5_003

# So many timers of that signal, which is taken as it comes, on one CPU.
TIMED = f"""
import ctypes, os, signal, struct, sys
number, cpu = map(int, sys.argv[1:])
os.sched_setaffinity(0, {{cpu}})
signal.pthread_sigmask(signal.SIG_BLOCK, [number])
libc = ctypes.CDLL(None)
event = ctypes.create_string_buffer(struct.pack('qii', 0, number, 0), 64)
timers = []
for _ in range({TIMERS}):
    timer = ctypes.c_void_p()
    assert not libc.timer_create(1, event, ctypes.byref(timer))
    timers.append(timer)
print('ready', flush=True); sys.stdin.readline()
every = ctypes.create_string_buffer(struct.pack('qqqq', 0, 1000000, 0, 1000000))
for timer in timers: assert not libc.timer_settime(timer, 0, every, None)
for _ in range({TAKEN}): signal.sigwaitinfo([number])
"""
LINE = re.compile(r"\s*.+-(\d+) +\[\d+\] \S+ +[\d.]+: signal_generate: sig=(\d+) ")


class Beside:
    """The kernel's own tracing of one signal number, in an instance of its own."""

    def __init__(self, top: Path, number: int) -> None:
        self._place = top / "instances" / f"killsnoop-tests-{os.getpid()}"
        self._place.mkdir()
        self._event = self._place / "events" / "signal" / "signal_generate"
        (self._place / "buffer_size_kb").write_text("65536")
        (self._event / "filter").write_text(f"sig=={number}")
        (self._event / "enable").write_text("1")

    def stop(self) -> None:
        (self._event / "enable").write_text("0")

    def by_task(self) -> Counter[int]:
        """How many there were in the time of each task."""
        with (self._place / "trace").open(errors="replace") as lines:
            return Counter(int(found[1]) for found in map(LINE.match, lines) if found)

    def remove(self) -> None:
        self.stop()
        self._place.rmdir()


@pytest.fixture
def beside(tmp_path: Path, own_number: int) -> Iterator[Beside]:
    subprocess.run(["mount", "-t", "tracefs", "tracefs", tmp_path], check=True)
    try:
        one = Beside(tmp_path, own_number)
        yield one
        one.remove()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_all_of_them(beside: Beside, own_number: int, direct: bool) -> None:
    cpus = sorted(os.sched_getaffinity(0))[:2]
    tracer = load.attach(load.Options(frozenset({own_number}), ring_size=64 << 20, direct=direct))
    command = [*PYTHON, "-c", TIMED, str(own_number)]
    pipe = subprocess.PIPE
    try:
        timed = [subprocess.Popen([*command, str(cpu)], stdin=pipe, stdout=pipe) for cpu in cpus]
        for one in timed:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        with ignorer(NUMBER) as target, sender("bystander", cpus[-1]) as other:
            for one in timed:
                assert one.stdin is not None
                one.stdin.write(b"\n")
                one.stdin.flush()
            while any(one.poll() is None for one in timed):
                other.flood(target, NUMBER, ROUND)
        beside.stop()
        tracer.detach()
        counts = tracer.counts()
        events = Decoder(tracer.made_at).decode(tracer.ring.read(1 << 30))
    finally:
        tracer.close()
        for one in timed:
            one.communicate()
    assert [one.returncode for one in timed] == [0] * len(timed)
    assert_adds_up(counts)
    seen = beside.by_task()
    ours = Counter(one.source_tid for one in events
                   if isinstance(one, Signal) and one.facts.number == own_number)  # fmt: skip
    assert ours.total() == counts.generated[own_number]
    # A host may keep its init from BPF programs: docs/delivery.md, "What cannot be seen".
    init = {int(task) for task in os.listdir("/proc/1/task")}
    missed = seen - ours
    assert all(task in init for task in missed), missed
    assert not ours - seen
    assert seen.total() >= len(timed) * TAKEN
    assert set(counts.recursion_misses.values()) == {0}
