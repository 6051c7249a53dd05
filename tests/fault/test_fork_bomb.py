"""A fork bomb, the killing of it by one kill(-1), and a storm of execs: all told, and what follows.

Both run in a PID namespace of their own, whose end ends them surely.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import (
    Metrics,
    check_arrivals,
    check_both_sums,
    gaps,
    logs_in,
    metrics_in,
    newest,
    total,
)
from far_sides import HttpDestination
from otlp_json import LogRecord
from real_collector import wait_until
from real_processes import RARE, RARE_NAME, above, settle
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

BOMB = 20_011
STORM = 5_003  # execs by each of two shells
LONG = 3_001  # bytes of an argument
SIDE, OTHER = "killsnoop.target.", "killsnoop.source."

# Each process says so by a line, makes two halves of the rest, and waits for an end that never
# comes; dash gives a function in the background a process of its own, without an exec.
BOMB_SCRIPT = """
b() {
    echo
    l=$(( ($1 - 1) / 2 )); r=$(( $1 - 1 - l ))
    if [ $l -gt 0 ]; then b $l & fi
    if [ $r -gt 0 ]; then b $r & fi
    read line <&3
}
b $1 3<$2 &
read go
kill -KILL -1
wait
echo all
read end
"""
STORM_SCRIPT = """
s() { i=0; while [ $i -lt $1 ]; do /bin/true $2; i=$((i+1)); done; }
s $1 $2 & s $1 $2 & wait
echo all
read end
"""


@contextlib.contextmanager
def in_namespace(script: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """dash as the first process of a PID namespace, which takes all others with it at the end."""
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "dash", "-c", script, "first", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as one:
        try:
            yield one
        finally:
            one.kill()


def start(agent: RunningAgent, far_side: HttpDestination) -> None:
    agent.start(
        *("--print", "none", "-i", f"KILL,{RARE_NAME}", "--fold-burst", "16", "-d", "32"),
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
        OTEL_METRIC_EXPORT_INTERVAL="500",
    )


def resident(pid: int) -> int:
    """Bytes of its memory that are its own: without the ring and other shared mappings."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [kib] = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
    return kib << 10


def check_what_follows(agent: RunningAgent, far_side: HttpDestination) -> None:
    """The agent takes a signal, names both sides, and exports metrics."""
    before = len(far_side.got)
    with subprocess.Popen(["sleep", "600"]) as after:
        settle(after.pid, "sleep")
        os.kill(after.pid, RARE)
        after.wait()
    told: list[LogRecord] = []
    read = before

    def is_told() -> bool:
        nonlocal read
        new = far_side.got[read:]
        read += len(new)
        told.extend(
            one
            for one in logs_in(new)
            if one.resource.get(f"{SIDE}process.pid") == after.pid
            and one.attributes["killsnoop.event"] == "signal"
        )
        return bool(told)

    wait_until(is_told, 60, "a signal after it to be told", agent.log)
    [one] = told
    pids = [os.getpid(), *above(os.getpid())]
    assert one.resource[f"{SIDE}process.command_args"] == ["sleep", "600"]
    assert one.resource[f"{OTHER}process.pid"] == os.getpid()
    # The agent's own forebears are known from /proc, this process's own are the same.
    assert one.resource[f"{SIDE}process.ancestors.pids"] == pids[:32]
    assert one.resource[f"{OTHER}process.ancestors.pids"] == pids[1:33]
    wait_until(lambda: bool(metrics_in(far_side.got[read:])), 20, "metrics to go on", agent.log)


def accounted(far_side: HttpDestination) -> tuple[Metrics, list[LogRecord]]:
    metrics, arrived = newest(metrics_in(far_side.got)), logs_in(far_side.got)
    check_both_sums(metrics)
    check_arrivals(metrics, arrived)
    assert gaps(arrived) == +metrics["killsnoop.events.lost"]
    assert total(metrics, "killsnoop.table.entries") <= 65_536
    assert total(metrics, "killsnoop.table.memory") <= 32 << 20
    return metrics, arrived


def test_a_fork_bomb_and_the_kill_of_it(
    agent: RunningAgent, far_side: HttpDestination, tmp_path: Path
) -> None:
    """One call with 20,011 targets: a record each, none folded, none lost, each with its tree."""
    never = tmp_path / "never"
    os.mkfifo(never)
    held = os.open(never, os.O_RDWR)
    start(agent, far_side)
    before = resident(agent.pid)
    try:
        with in_namespace(BOMB_SCRIPT, str(BOMB), str(never)) as bomb:
            assert bomb.stdin is not None
            assert bomb.stdout is not None
            for _ in range(BOMB):
                assert bomb.stdout.readline() == b"\n"
            largest = resident(agent.pid)
            bomb.stdin.write(b"go\n")
            bomb.stdin.flush()
            assert bomb.stdout.readline() == b"all\n"
            check_what_follows(agent, far_side)
            largest = max(largest, resident(agent.pid))
    finally:
        os.close(held)
    assert agent.stop() == 0
    metrics, arrived = accounted(far_side)
    killed = [
        one
        for one in arrived
        if one.attributes["killsnoop.event"] == "signal"
        and one.attributes["killsnoop.signal.name"] == "SIGKILL"
        and one.attributes.get("killsnoop.signal.argument") == -1
    ]
    assert metrics["killsnoop.events.lost"].total() == 0
    assert len({one.resource[f"{SIDE}process.pid"] for one in killed}) == BOMB == len(killed)
    assert not any("killsnoop.signal.count" in one.attributes for one in killed)
    # Of one sender, the namespace's first process, each from below it.
    [source] = {one.resource[f"{OTHER}process.pid"] for one in killed}
    assert {one.resource[f"{OTHER}process.vpid"] for one in killed} == {1}
    for one in killed:
        assert source in one.resource[f"{SIDE}process.ancestors.pids"]
    # One call's members have one name; those told last know how many they are.
    groups: dict[str, list[int]] = defaultdict(list)
    for one in killed:
        size = one.attributes["killsnoop.signal.group.size"]
        groups[one.attributes["killsnoop.signal.group.id"]].append(size)
    assert all(max(sizes) == len(sizes) for sizes in groups.values())
    # A tree of halves: every process but the first is the child of another of them.
    pids = {one.resource[f"{SIDE}process.pid"] for one in killed}
    parents = Counter(one.resource[f"{SIDE}process.ancestors.pids"][0] for one in killed)
    assert parents.pop(source) == 1
    assert parents.keys() <= pids
    assert max(parents.values()) == 2
    ends = [one for one in arrived if one.attributes["killsnoop.event"] == "exit"]
    by = {one.attributes.get("killsnoop.exit.killed_by") for one in ends}
    assert {one.attributes["log.record.uid"] for one in killed} <= by
    table = max(
        int(one.value) for one in metrics_in(far_side.got) if one.name == "killsnoop.table.memory"
    )
    print(
        f"resident: {before >> 20} MiB before, {largest >> 20} MiB at the most, "
        f"of which the table says {table >> 20}"
    )
    assert largest < 160 << 20


def test_a_storm_of_execs(agent: RunningAgent, far_side: HttpDestination) -> None:
    start(agent, far_side)
    before = resident(agent.pid)
    with in_namespace(STORM_SCRIPT, str(STORM), "x" * LONG) as storm:
        assert storm.stdout is not None
        assert storm.stdout.readline() == b"all\n"
        check_what_follows(agent, far_side)
        largest = resident(agent.pid)
    assert agent.stop() == 0
    metrics, _ = accounted(far_side)
    assert metrics["killsnoop.events.lost"].total() == 0
    print(f"resident: {before >> 20} MiB before, {largest >> 20} MiB after")
    assert largest < 160 << 20
