"""Timers in their thousands, on a CPU where others send at full speed: none is ever named."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest
from flood import NUMBER, ignorer, sender
from raised import NAME, PRELUDE
from real_processes import PYTHON
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

# Both kinds each millisecond, for a process that sleeps until it has got 4000.
SLEEPER = (
    "got = []\nfor number in (14, 12): signal.signal(number, lambda n, _: got.append(n))\n"
    "timer = ctypes.c_int(); event = ctypes.create_string_buffer("
    "struct.pack('qii', 0, 12, 0), 64)\n"
    "assert not libc.timer_create(1, event, ctypes.byref(timer))\n"
    "every = ctypes.create_string_buffer(struct.pack('qqqq', 0, 1000000, 0, 1000000))\n"
    "assert not libc.timer_settime(timer.value, 0, every, None)\n"
    "signal.setitimer(0, .001, .001); say('ready')\n"
    "while len(got) < 4000: signal.pause()"
)
ROUND = 5_003


@pytest.fixture
def cpu() -> Iterator[int]:
    """One CPU, on which the test and what it starts stay."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield max(before)
    os.sched_setaffinity(0, before)


def test_thousands_of_timers_and_a_flood_on_one_cpu(agent: RunningAgent, cpu: int) -> None:
    """The flood's folds are its own, and each of its records names it."""
    agent.start("--print", "json", "-i", f"ALRM,USR2,{NUMBER}", "--fold-burst", "1000",
                "--ring-size", "64MiB", "-d", "1")  # fmt: skip
    with (
        ignorer(NUMBER) as target,
        sender("bystander", cpu) as other,
        subprocess.Popen([*PYTHON, "-c", PRELUDE + SLEEPER], stdout=subprocess.PIPE) as sleeper,
    ):
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == b"ready\n"
        sent = 0
        while sleeper.poll() is None:
            other.flood(target, NUMBER, ROUND)
            sent += ROUND
        flooder, timed = other.pid, sleeper.pid
    assert agent.stop(timeout=60) == 0
    signals = [one for one in agent.records() if one["killsnoop.event"] == "signal"]
    raised = [one for one in signals if one.get("killsnoop.target.process.pid") == timed]
    by_number: Counter[int] = Counter()
    for one in raised:
        assert one["killsnoop.signal.cause"] == "timer"
        assert NAME not in one
        by_number[one["killsnoop.signal.number"]] += one.get("killsnoop.signal.count", 1)
    assert min(by_number[signal.SIGALRM], by_number[signal.SIGUSR2]) > 1000
    kills = [one for one in signals if one.get("killsnoop.target.process.pid") == target
             and one["killsnoop.signal.number"] == NUMBER]  # fmt: skip
    assert {(one.get(NAME), one["killsnoop.signal.call"]) for one in kills} == {(flooder, "kill")}
    assert sum(one.get("killsnoop.signal.count", 1) for one in kills) == sent
    assert ", 0 lost" in agent.log()
