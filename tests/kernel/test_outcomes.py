"""What came of a signal: how the target took it, who else got it, and who died of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from raised import NAME, one_to, run, to
from real_processes import settle
from running_agent import Record, RunningAgent

pytestmark = pytest.mark.kernel

NUMBER = 12
IDLE = (
    "r, w = os.pipe(); child = os.fork()\nif not child:\n {how}\n os.write(w, b'.')\n"
    " while True: signal.pause()\nos.read(r, 1)\n"
)
HOW = {
    "ignored": "signal.signal(12, signal.SIG_IGN)",
    "handled": "signal.signal(12, lambda *_: None)",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [12])",
    "default": "pass",
}


@pytest.mark.parametrize("how", HOW)
def test_how_the_target_takes_it(everything: RunningAgent, how: str) -> None:
    _, (child,) = run(
        IDLE.format(how=HOW[how])
        + "os.kill(child, 12); say(child); os.kill(child, 9); os.waitpid(child, 0)"
    )
    record = one_to(everything, child, NUMBER)
    assert record["killsnoop.target.signal.disposition"] == how
    assert record["killsnoop.signal.result"] == ("ignored" if how == "ignored" else "delivered")


def dies(pid: int) -> Callable[[Record], bool]:
    return lambda one: (
        one["killsnoop.event"] == "exit" and one["killsnoop.target.process.pid"] == pid
    )


def deaths(agent: RunningAgent, pid: int) -> list[Record]:
    return agent.records(dies(pid))


def test_who_died_of_what(everything: RunningAgent) -> None:
    before = time.time()
    process, (child,) = run(
        IDLE.format(how="pass")
        + "time.sleep(.2); os.kill(child, 15); _, status = os.waitpid(child, 0); say(child)\n"
        "assert os.WTERMSIG(status) == 15"
    )
    after = time.time()
    signalled = one_to(everything, child, signal.SIGTERM)
    everything.wait_records(1, dies(child))
    (death,) = deaths(everything, child)
    assert death["killsnoop.exit.signal.number"] == signal.SIGTERM
    assert death["killsnoop.exit.signal.name"] == "SIGTERM"
    assert death["killsnoop.exit.code"] == 128 + signal.SIGTERM
    assert death["killsnoop.exit.core_dumped"] is False
    assert 0.2 <= death["killsnoop.exit.run_time"] <= after - before + 0.1
    assert death["killsnoop.exit.killed_by"] == signalled["log.record.uid"]
    assert death["killsnoop.target.process.ancestors.pids"][0] == process.pid
    assert f"[{child}] died of SIGTERM" in death["body"]


def test_of_two_kills_the_first_one_did_it(everything: RunningAgent) -> None:
    _, (child,) = run(
        IDLE.format(how="pass") + "os.kill(child, 19); os.waitpid(child, os.WUNTRACED)\n"
        "os.kill(child, 9); os.kill(child, 9); os.waitpid(child, 0); say(child)"
    )
    first = min(to(everything, child, 9, 1), key=lambda one: one["log.record.uid"])
    everything.wait_records(1, dies(child))
    (death,) = deaths(everything, child)
    assert death["killsnoop.exit.killed_by"] == first["log.record.uid"]


def test_who_ends_by_himself_has_no_such_record(everything: RunningAgent) -> None:
    """Also when a signal made him; and threads are one process."""
    _, (handler, plain, threads) = run(
        "handler = os.fork()\nif not handler:\n"
        " signal.signal(15, lambda *_: os._exit(3)); say(); signal.pause(); os._exit(9)\n"
        "time.sleep(.3); os.kill(handler, 15); os.waitpid(handler, 0)\n"
        "plain = os.fork()\nif not plain: os._exit(7)\nos.waitpid(plain, 0)\n"
        "import threading; threads = os.fork()\nif not threads:\n"
        " for _ in range(8): threading.Thread(target=signal.pause, daemon=True).start()\n"
        " signal.pause()\n"
        "time.sleep(.3); os.kill(threads, 9); os.waitpid(threads, 0)\nsay(handler, plain, threads)"
    )
    one_to(everything, handler, signal.SIGTERM)
    everything.wait_records(1, dies(threads))
    assert len(deaths(everything, threads)) == 1
    assert not deaths(everything, handler)
    assert not deaths(everything, plain)


def test_what_is_not_recorded_has_no_death(agent: RunningAgent) -> None:
    agent.start("--print", "json", "-i", "TERM", "--exclude", "target.comm=sleep")
    mine = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(["sleep", "600"]) as process:
            mine.append(process.pid)
            settle(process.pid, "sleep")
            process.send_signal(number)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as wanted:
        settle(wanted.pid, "cat")
        wanted.terminate()
    mine.append(wanted.pid)
    agent.wait_records(1, dies(wanted.pid))
    assert agent.stop() == 0
    assert [len(deaths(agent, pid)) for pid in mine] == [0, 0, 1]


# --- to many at once -------------------------------------------------------------------------

GROUP = (
    "members = []\nr, w = os.pipe()\nfor _ in range(5):\n member = os.fork()\n if not member:\n"
    "  signal.signal(12, signal.SIG_IGN); os.setpgid(0, members[0] if members else 0)\n"
    "  os.write(w, b'.')\n  while True: signal.pause()\n"
    " members.append(member); os.read(r, 1)\n"
)


def shares(records: list[Record]) -> set[tuple[str, int, int]]:
    """Group id, group size and argument of these."""
    return {
        (
            one["killsnoop.signal.group.id"],
            one["killsnoop.signal.group.size"],
            one["killsnoop.signal.argument"],
        )
        for one in records
    }


def test_a_send_to_a_group_is_one_record_a_member_with_a_name_in_common(
    everything: RunningAgent,
) -> None:
    process, members = run(
        GROUP + "os.killpg(members[0], 12); os.killpg(members[0], 12)\n"
        "say(*members); os.killpg(members[0], 9)"
    )
    records = [to(everything, one, NUMBER, 2) for one in members]
    for call in (0, 1):
        of_call = [both[call] for both in records]
        assert {one[NAME] for one in of_call} == {process.pid}
        assert {one["killsnoop.signal.scope"] for one in of_call} == {"group"}
        ((name, size, argument),) = shares(of_call)
        assert (size, argument) == (5, -members[0])
        assert name in {one["log.record.uid"] for one in of_call}
    assert len(shares([one for both in records for one in both])) == 2
    kills = [one_to(everything, one, 9) for one in members]
    ((_, size, _),) = shares(kills)
    assert size == 5


def test_to_ones_own_group(everything: RunningAgent) -> None:
    process, members = run(
        "os.setpgid(0, 0); signal.signal(12, signal.SIG_IGN)\n"
        + GROUP.replace("os.setpgid(0, members[0] if members else 0)", "pass")
        + "os.kill(0, 12); say(*members)\nfor one in members: os.kill(one, 9)"
    )
    records = [one_to(everything, one, NUMBER) for one in (process.pid, *members)]
    ((_, size, argument),) = shares(records)
    assert (size, argument) == (6, 0)


def test_to_all_there_are(everything: RunningAgent) -> None:
    """In a PID namespace of its own, so that it harms nobody."""
    code = (
        "import os, signal, sys\nr, w = os.pipe()\n"
        "for _ in range(4):\n if not os.fork():\n  signal.signal(12, signal.SIG_IGN)\n"
        "  os.write(w, b'.')\n  while True: signal.pause()\n"
        " os.read(r, 1)\n"
        "signal.signal(12, signal.SIG_IGN)\nif not os.fork(): os.kill(-1, 12); os._exit(0)\n"
        "os.waitpid(6, 0)"
    )
    subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", code, "all-of-it"], check=True
    )
    records = everything.wait_records(
        4,
        lambda one: (
            one.get("killsnoop.source.process.command_args", [""])[-1] == "all-of-it"
            and one["killsnoop.signal.number"] == NUMBER
            and one["killsnoop.signal.argument"] == -1
        ),
    )
    ((_, size, argument),) = shares(records)
    assert (size, argument) == (len(records), -1)
    assert size == 4
