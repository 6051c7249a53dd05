"""Processes that call themselves anything, as fast as they can: told in valid text, all of them."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest
from accounts import check_arrivals, check_both_sums, gaps, logs_in, metrics_in, newest, total
from far_sides import HttpDestination
from made_cgroups import made_cgroup
from otlp_json import LogRecord
from real_collector import wait_until
from real_processes import RARE, RARE_NAME, Subject
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

BYTES = bytes(range(1, 256))
COMMS = [BYTES[at : at + 15] for at in range(0, 255, 15)]
CGROUP = "/killsnoop-\x1b[31m\udcff\udcfe %s ‮ end"  # what a cgroup may be called
MEGABYTES = 2_000_003
RENAMES = 200_003
TARGET = "killsnoop.target."


@pytest.fixture
def started(agent: RunningAgent, far_side: HttpDestination) -> RunningAgent:
    """An agent that prints as for people and ships."""
    agent.start(
        *("--print", "tree", "-i", RARE_NAME, "-d", "32", "--args", "full"),
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
    )
    return agent


def accounted(agent: RunningAgent, far_side: HttpDestination) -> list[LogRecord]:
    """What arrived, after a stop; with both sums, and no byte that a terminal could obey."""
    assert agent.stop() == 0
    metrics = newest(metrics_in(far_side.got))
    arrived = logs_in(far_side.got)  # the official classes refuse text that is not UTF-8
    check_both_sums(metrics)
    check_arrivals(metrics, arrived)
    assert not gaps(arrived)
    assert total(metrics, "killsnoop.records.rejected") == 0
    assert total(metrics, "killsnoop.events.undecodable") == 0
    for text in (agent.output(), agent.log()):
        assert all(line.isprintable() for line in text.split("\n"))
    return arrived


def told(arrived: list[LogRecord], pid: int) -> list[LogRecord]:
    return [
        one
        for one in arrived
        if one.resource.get(f"{TARGET}process.pid") == pid
        and one.attributes["killsnoop.event"] == "signal"
    ]


def test_any_bytes_in_names_arguments_and_cgroups(
    started: RunningAgent, far_side: HttpDestination
) -> None:
    lines = "rename(bytes.fromhex(sys.argv[1])); say(1); wait()"
    with ExitStack() as held:
        group = held.enter_context(made_cgroup(CGROUP))
        made = []
        for comm in COMMS:
            one = Subject(lines, comm.hex(), BYTES, BYTES[::-1], b"", b"\xff" * 300)
            held.callback(one.end)
            one.heard()
            (group / "cgroup.procs").write_text(str(one.pid))
            os.kill(one.pid, RARE)
            made.append((comm, one.pid, one.args))
    arrived = accounted(started, far_side)
    for comm, pid, args in made:
        [one] = told(arrived, pid)
        assert one.resource[f"{TARGET}process.executable.name"] == comm.decode("utf-8", "replace")
        assert one.resource[f"{TARGET}process.command_args"] == [
            os.fsencode(arg).decode("utf-8", "replace") for arg in args
        ]
        path = os.fsencode(CGROUP).decode("utf-8", "replace")
        assert one.resource[f"{TARGET}process.linux.cgroup"] == path


def test_an_argv_of_two_megabytes(started: RunningAgent, far_side: HttpDestination) -> None:
    """Cut, and said so; and the records beside it arrive with it."""
    args = ["sleep", "600", *(["x" * 100_000] * (MEGABYTES // 100_000)), "\udcff"]

    def allow() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, 64 << 20))

    plain = Subject("say(1); wait()")
    long = subprocess.Popen(
        ["sh", "-c", "trap '' $0; echo; read line", str(int(RARE)), *args[2:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=allow,
    )
    try:
        assert long.stdout is not None
        assert long.stdout.readline() == b"\n"
        plain.heard()
        for _ in range(3):
            os.kill(long.pid, RARE)
            os.kill(plain.pid, RARE)
    finally:
        plain.end()
        long.communicate(b"\n")
    arrived = accounted(started, far_side)
    assert len(told(arrived, plain.pid)) == 3
    records = told(arrived, long.pid)
    assert len(records) == 3
    for one in records:
        assert one.resource[f"{TARGET}process.args_count"] == len(args) + 2
        assert f"{TARGET}process.command_args" in one.attributes["killsnoop.truncated"]
        assert one.resource[f"{TARGET}process.command_args"][:2] == ["sh", "-c"]


def test_a_process_that_renames_itself_all_the_time(
    started: RunningAgent, far_side: HttpDestination
) -> None:
    """A hundred thousand names a second, each of bytes that are no text."""
    lines = (
        "prctl = ctypes.CDLL(None).prctl\n"
        "names = [b'\\xff%04d\\x1b\\n' % n for n in range(10_000)]\n"
        "say(1); wait()\n"
        f"for count in range({RENAMES}): prctl(15, names[count % 10_000], 0, 0, 0)\n"
        "say(1); wait()"
    )
    one = Subject(lines)
    sent = 0
    try:
        one.heard()
        at_its_end = threading.Thread(target=one.heard)
        at_its_end.start()
        one.go()
        while at_its_end.is_alive():
            os.kill(one.pid, RARE)
            sent += 1
            time.sleep(0.0002)
    finally:
        one.end()
    arrived = accounted(started, far_side)
    mine = told(arrived, one.pid)
    assert len(mine) == sent
    assert sent > 100
    names = {record.resource[f"{TARGET}process.executable.name"] for record in mine}
    assert len(names) > 100
    assert all(name.startswith(("�", "python")) for name in names)  # the second, before it began
    assert {record.resource[f"{TARGET}process.args_count"] for record in mine} == {len(one.args)}


def test_the_agent_is_quiet_about_it(started: RunningAgent) -> None:
    """Nothing of it is a fault of the agent's, or a line in its log."""
    one = Subject("rename(b'\\x1b[2J\\r\\n'); say(1); wait()")
    try:
        one.heard()
        os.kill(one.pid, RARE)
        wait_until(lambda: str(one.pid) in started.output(), 20, "it to be told", started.log)
    finally:
        one.end()
    assert started.stop() == 0
    assert not {"WARNING", "ERROR", "Traceback"} & set(started.log().split())
