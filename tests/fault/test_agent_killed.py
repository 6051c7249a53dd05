"""The agent is killed with SIGKILL again and again under load: every signal arrives all the same.

Truth is what the senders sent. `python3 -m pytest -s` shows how many records came twice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accounts import gaps, logs_in, metrics_in, newest, uids
from bpf_objects import alive, place_for_pins, used_by
from far_sides import HttpDestination
from otlp_json import LogRecord
from real_collector import wait_until
from running_agent import COMMAND, RunningAgent

from otel_killsnoop.pipeline import BATCH

pytestmark = pytest.mark.kernel

KILLS = 50
EARLIEST, LATEST = (
    0.05,
    0.9,
)  # seconds from a start to its SIGKILL: before it is attached, and after

# Sends evenly and in bursts until its input ends; then says how much that was. Beside it, processes
# that live for a moment, each with an argument of its own.
LOAD = """
import json, os, select, subprocess, sys, time
number, *targets = map(int, sys.argv[1:])
sent, shells, turn = 0, {}, 0
while not select.select([0], [], [], 0.01)[0]:
    turn += 1
    for target in targets * (200 if turn % 75 == 0 else 1):
        os.kill(target, number)
        sent += 1
    if turn % 4 == 0:
        words = ["sh", "-c", 'kill -$0 $1; exit 0', str(number), str(targets[0]), f"shell {turn}"]
        one = subprocess.Popen(words)
        one.wait()
        shells[one.pid] = words
print(json.dumps([os.getpid(), sent, shells]), flush=True)
"""


@pytest.fixture
def pins() -> Iterator[Path]:
    with place_for_pins() as made:
        yield made


@pytest.fixture
def sinks(own_number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    before = signal.signal(own_number, signal.SIG_IGN)  # which a new program inherits
    try:
        made = [subprocess.Popen(["sleep", "3600"]) for _ in range(10)]
    finally:
        signal.signal(own_number, before)
    yield made
    for one in made:
        one.kill()
        one.wait()


def source(record: LogRecord) -> int:
    return int(record.resource.get("killsnoop.source.process.pid", 0))


def is_signal(record: LogRecord) -> bool:
    return bool(record.attributes["killsnoop.event"] == "signal")


def test_fifty_kills_lose_nothing(
    agent: RunningAgent,
    far_side: HttpDestination,
    sinks: list[subprocess.Popen[bytes]],
    own_number: int,
    pins: Path,
) -> None:
    seed = int(os.environ.get("KILLSNOOP_SEED", random.randrange(1 << 32)))
    print(f"KILLSNOOP_SEED={seed}")
    rng = random.Random(seed)
    arguments = ("--print", "none", "-i", str(own_number), "--pin-dir", str(pins))
    variables = {
        "KILLSNOOP_PIN": "auto",
        "OTEL_EXPORTER_OTLP_ENDPOINT": far_side.url.removesuffix("/v1/logs"),
    }
    agent.start(*arguments, **variables)
    load = subprocess.Popen(
        [sys.executable, "-c", LOAD, str(own_number), *(str(one.pid) for one in sinks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        for left in reversed(range(KILLS)):
            time.sleep(rng.uniform(EARLIEST, LATEST))
            assert agent.stop(signal.SIGKILL) == -signal.SIGKILL, agent.log()
            agent.start(*arguments, wait=left == 0, **variables)
        told, _ = load.communicate(b"\n", timeout=60)
    finally:
        load.kill()
        load.wait()
    ours = used_by(pins)
    assert ours, "nothing was pinned, so this shows nothing"
    assert "took the place" not in agent.log()
    assert agent.stop() == 0, agent.log()

    sender, sent, shells = json.loads(told)
    everything = logs_in(far_side.got)
    records = [one for one in everything if is_signal(one)]
    mine = [one for one in records if source(one) == sender]
    by_shell: dict[int, LogRecord] = {
        source(one): one for one in records if str(source(one)) in shells
    }
    missing = sent - len(uids(mine)) + len(shells) - len(by_shell)
    # Whatever found no room in the ring, by whomever it was sent, is told; here it is little.
    assert 0 <= missing <= gaps(everything).total(), agent.log()
    assert missing == 0 or "found no room" in agent.log()

    twice = len(mine) - len(uids(mine))
    print(f"{sent} signals, {twice} came twice: {twice / KILLS:.1f} a kill")
    assert twice <= KILLS * BATCH
    first: dict[str, tuple[Any, ...]] = {}
    for one in mine:
        # The time is the kernel's; unix time is made of it anew.
        said = (round(one.time, -8), one.body, one.attributes["killsnoop.target.thread.id"])
        before = first.setdefault(one.attributes["log.record.uid"], said)
        assert before[1:] == said[1:]
        assert abs(before[0] - said[0]) <= 10**8

    known = 0
    for pid, one in by_shell.items():
        assert one.resource["killsnoop.source.process.executable.name"] == "sh"
        args = one.resource.get("killsnoop.source.process.command_args")
        assert args in (None, shells[str(pid)])
        ancestors = one.resource.get("killsnoop.source.process.ancestors.pids", [])
        known += args is not None and ancestors[:1] == [sender]
    print(f"{known} of {len(by_shell)} processes of a moment have arguments and parent")
    # One that was there when an agent was killed, and gone before the next: its name alone.
    assert len(by_shell) - known <= KILLS

    kernel = newest(metrics_in(far_side.got))
    lost = kernel["killsnoop.events.lost"]
    generated = kernel["killsnoop.events.generated"].total()
    parts = [
        kernel[f"killsnoop.events.{part}"].total() for part in ("filtered", "folded", "submitted")
    ]
    assert generated == sum(parts) + lost["ring_full"] + lost["ring_short"]
    assert sum(kernel["killsnoop.events.submitted"].values()) >= sent + len(shells) - missing

    assert not list(pins.iterdir())
    deadline = time.monotonic() + 30  # the kernel lets go after a grace period
    while left := ours & alive():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_what_happens_while_no_agent_runs_is_told_with_its_losses(
    agent: RunningAgent,
    far_side: HttpDestination,
    sinks: list[subprocess.Popen[bytes]],
    own_number: int,
    pins: Path,
) -> None:
    """More than the ring holds: what found room arrives, and the rest is one gap, told once."""
    arguments = ("--print", "none", "-i", str(own_number), "--pin-dir", str(pins))
    arguments += ("--ring-size", "64KiB")
    variables = {
        "KILLSNOOP_PIN": "auto",
        "OTEL_EXPORTER_OTLP_ENDPOINT": far_side.url.removesuffix("/v1/logs"),
    }
    agent.start(*arguments, **variables)
    agent.stop(signal.SIGKILL)
    for _ in range(2003):
        os.kill(sinks[0].pid, own_number)
    agent.start(*arguments, **variables)

    def told() -> int:
        return gaps(logs_in(far_side.got)).total()

    wait_until(lambda: told() > 0, 20, "the gap record", agent.log)
    lost = told()
    agent.stop(signal.SIGKILL)
    agent.start(*arguments, **variables)
    os.kill(sinks[1].pid, own_number)
    wait_until(
        lambda: any(
            one.attributes.get("killsnoop.target.thread.id") == sinks[1].pid
            for one in logs_in(far_side.got)
        ),
        20,
        "the last signal",
        agent.log,
    )
    assert agent.stop() == 0
    records = logs_in(far_side.got)
    arrived = uids(one for one in records if is_signal(one) and source(one) == os.getpid())
    assert len(arrived) + lost == 2004
    by_uid = {one.attributes["log.record.uid"]: one for one in records}
    assert gaps(list(by_uid.values())).total() == lost


def test_a_second_agent_says_so_and_exits_78(agent: RunningAgent, pins: Path) -> None:
    agent.start("--print", "json", KILLSNOOP_PIN="auto", KILLSNOOP_PIN_DIR=str(pins))
    second = subprocess.run(
        [*COMMAND, "run", "--pin-dir", str(pins), "--print", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 78
    assert second.stdout == ""
    [line] = second.stderr.splitlines()
    assert line.startswith(f"otel-killsnoop: another agent is attached and owns the pins: {pins}")
    agent.stop(signal.SIGKILL)
    agent.start("--print", "json", KILLSNOOP_PIN="auto", KILLSNOOP_PIN_DIR=str(pins))
    assert agent.stop() == 0
    assert not list(pins.iterdir())


def test_other_settings_after_a_kill(
    agent: RunningAgent,
    far_side: HttpDestination,
    sinks: list[subprocess.Popen[bytes]],
    own_number: int,
    pins: Path,
) -> None:
    """What waits in the ring of the former programs comes first; none is told twice, none lost."""
    variables = {
        "KILLSNOOP_PIN": "auto",
        "KILLSNOOP_PIN_DIR": str(pins),
        "OTEL_EXPORTER_OTLP_ENDPOINT": far_side.url.removesuffix("/v1/logs"),
    }
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            os.kill(sinks[0].pid, own_number)
        sent += count

    for turn in range(5):
        agent.start(
            "--print", "none", "-i", str(own_number), "--fold-burst", str(turn), **variables
        )
        send(101)
        agent.stop(signal.SIGKILL)
        send(103)
    agent.start("--print", "none", "-i", str(own_number), "--fold-burst", "50", **variables)
    send(107)
    assert agent.stop() == 0, agent.log()
    assert agent.log().count("took the place of another agent's programs") == 5
    records = logs_in(far_side.got)
    arrived: dict[str, int] = defaultdict(int)
    for one in records:
        if is_signal(one) and source(one) == os.getpid():
            count = int(one.attributes.get("killsnoop.signal.count", 1))
            assert arrived.setdefault(one.attributes["log.record.uid"], count) == count
    assert sum(arrived.values()) == sent
    assert not list(pins.iterdir())


FAILS = """
import sys
from otel_killsnoop import rooms
from otel_killsnoop.errors import HostError
def fail(*arguments):
    raise HostError("the test wants it")
rooms.Rooms.__init__ = fail
from otel_killsnoop.cli import main
main()
"""


def test_a_start_that_fails_leaves_what_it_found_and_nothing_of_its_own(
    agent: RunningAgent, sinks: list[subprocess.Popen[bytes]], own_number: int, pins: Path
) -> None:
    variables = {
        "KILLSNOOP_PIN": "auto",
        "KILLSNOOP_PIN_DIR": str(pins),
        "KILLSNOOP_FOLD_BURST": "0",
    }
    arguments = ("--print", "json", "-i", str(own_number))

    def fail() -> None:
        words = [sys.executable, "-c", FAILS, "run", *arguments]
        done = subprocess.run(words, env={**agent.environment, **variables}, check=False)
        assert done.returncode == 78

    fail()
    assert not list(pins.iterdir())
    agent.start(*arguments, **variables)
    agent.stop(signal.SIGKILL)
    os.kill(sinks[0].pid, own_number)
    before = used_by(pins)
    fail()
    assert used_by(pins) == before
    agent.start(*arguments, **variables)
    agent.wait_records(1, lambda one: one["killsnoop.target.process.pid"] == sinks[0].pid)
    assert agent.stop() == 0
