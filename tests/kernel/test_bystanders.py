"""Whoever happens to run when a timer or the OOM killer strikes is never named."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flood import NUMBER, ignorer, sender
from raised import NAME, PRELUDE, one_to, told
from real_processes import PYTHON
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

TIMED = (
    "signal.signal(14, lambda *_: None); signal.signal(12, lambda *_: None)\n"
    "timer = ctypes.c_int(); event = ctypes.create_string_buffer("
    "struct.pack('qii', 0, 12, 0), 64)\n"
    "assert not libc.timer_create(1, event, ctypes.byref(timer))\n"
    "every = ctypes.create_string_buffer(struct.pack('qqqq', 0, 700000, 0, 700000))\n"
    "assert not libc.timer_settime(timer.value, 0, every, None)\n"
    "signal.setitimer(0, .0007, .0007); say('ready'); sys.stdin.readline()"
)


@pytest.fixture
def cpu() -> Iterator[int]:
    """One CPU, on which the test and what it starts stay."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield max(before)
    os.sched_setaffinity(0, before)


@pytest.fixture
def agent_of_all(agent: RunningAgent) -> RunningAgent:
    """It sees timers, and the flood is folded, so that it does not drown in it."""
    agent.start("--print", "json", "-i", f"ALRM,USR2,KILL,{NUMBER}", "--fold-burst", "0",
                "--ring-size", "128MiB", "-d", "1")  # fmt: skip
    return agent


@pytest.mark.parametrize("busy", ["in kill(2)", "in user space"])
def test_thousands_of_timers_on_top_of_somebody_else(
    agent_of_all: RunningAgent, cpu: int, busy: str
) -> None:
    """Timers of one process fire while another one, on the same CPU, sends or computes."""
    with (
        ignorer(NUMBER) as target,
        sender("bystander", cpu) as other,
        subprocess.Popen(
            [*PYTHON, "-c", PRELUDE + TIMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as timed,
    ):
        assert timed.stdout is not None
        timed.stdout.readline()
        sent = 100_003 if busy == "in kill(2)" else 0
        if sent:
            other.flood(target, NUMBER, sent)
        else:
            other.others(3_000_003)
        timed.communicate(b"\n")
        pids = (timed.pid, other.pid, target)
    assert agent_of_all.stop(timeout=60) == 0
    timed_pid, other_pid, target_pid = pids
    records = [one for one in agent_of_all.records() if one["killsnoop.event"] == "signal"]
    timers = [one for one in records if one.get("killsnoop.target.process.pid") == timed_pid]
    assert len(timers) > 100
    assert {one["killsnoop.signal.number"] for one in timers} == {14, 12}
    for one in timers:
        assert told(one) == ("timer", None, None)
    kills = [one for one in records if one.get("killsnoop.target.process.pid") == target_pid
             and one["killsnoop.signal.number"] == NUMBER]  # fmt: skip
    assert len(kills) == sent
    assert {(one.get(NAME), one["killsnoop.signal.cause"]) for one in kills} <= {
        (other_pid, "user")
    }
    assert ", 0 lost" in agent_of_all.log()


def test_memory_runs_out_under_a_busy_foreign_process(agent_of_all: RunningAgent, cpu: int) -> None:
    top = Path("/sys/fs/cgroup/memory")
    limit = "memory.limit_in_bytes"
    if not (top / limit).exists():
        top, limit = Path("/sys/fs/cgroup"), "memory.max"
    group = top / f"killsnoop-bystander-{os.getpid()}"
    group.mkdir()
    eat = (
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid())); kept = []\n"
        "while True: kept.append(bytearray(1 << 20))"
    )
    try:
        (group / limit).write_text(str(64 << 20))
        with ignorer(NUMBER) as target, sender("bystander", cpu) as other:
            with subprocess.Popen([*PYTHON, "-c", PRELUDE + eat, str(group)]) as victim:
                while victim.poll() is None:
                    other.flood(target, NUMBER, 1009)
            assert victim.returncode == -signal.SIGKILL
        record = one_to(agent_of_all, victim.pid, signal.SIGKILL)
        assert told(record) == ("oom", None, None)
    finally:
        group.rmdir()
