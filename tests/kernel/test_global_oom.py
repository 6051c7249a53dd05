"""The whole machine out of memory: only where that is nobody's machine (`make kernels`)."""

from __future__ import annotations

import signal

import pytest
from raised import one_to, run, told
from running_agent import RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.guest]

# One that has to go, and one that asks for memory until it has gone.
VICTIM = (
    "child = os.fork()\n"
    "if not child:\n open('/proc/self/oom_score_adj', 'w').write('1000')\n"
    " kept = bytearray(b'y' * (64 << 20)); signal.pause()\n"
    "open('/proc/self/oom_score_adj', 'w').write('-999'); time.sleep(1)\n"
)


def test_who_is_chosen_when_all_memory_is_gone(everything: RunningAgent) -> None:
    lines = VICTIM + (
        "kept = []; done = (0, 0)\n"
        "while not done[0]:\n"
        " kept.append(bytearray(b'z' * (1 << 20))); done = os.waitpid(child, os.WNOHANG)\n"
        "say(*done)"
    )
    process, (victim, status) = run(lines)
    _check(everything, victim, status, process.pid)


def test_who_is_chosen_on_an_administrators_word(everything: RunningAgent) -> None:
    """By sysrq: current is a worker of the kernel's own."""
    lines = VICTIM + "open('/proc/sysrq-trigger', 'w').write('f'); "
    lines += "say(child, os.waitpid(child, 0)[1])"
    process, (victim, status) = run(lines)
    _check(everything, victim, status, process.pid)


def _check(agent: RunningAgent, victim: int, status: int, asker: int) -> None:
    assert status == signal.SIGKILL
    record = one_to(agent, victim, signal.SIGKILL)
    assert told(record) == ("oom", None, None)
    assert record["killsnoop.oom.anon_rss"] > 64 << 20
    assert record["killsnoop.oom.score_adj"] == 1000
    assert not any(key.startswith("killsnoop.source.") for key in record)
    assert asker in record["killsnoop.target.process.ancestors.pids"]
