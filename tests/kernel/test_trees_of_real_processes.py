"""Both process trees of real signals: truth from the workload, never from the agent."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from real_processes import (
    RARE,
    RARE_NAME,
    STARTED,
    Subject,
    above,
    line_of,
    parent_of,
    settle,
    short_lives,
    tree,
)
from running_agent import RunningAgent
from watching import SELECT, is_rare, send, side, texts, to

pytestmark = pytest.mark.kernel

WORKERS, EACH = 8, 125


@pytest.fixture
def end() -> Iterator[Callable[[int], None]]:
    """end(pid): kill what is nobody's child here, with the test."""
    pids: list[int] = []
    yield pids.append
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# --- born and gone ---------------------------------------------------------------------------


@pytest.mark.parametrize("looks_on", [True, False], ids=["running", "stopped meanwhile"])
def test_1000_of_1000_that_were_born_and_gone_have_both_their_trees(
    agent: RunningAgent, looks_on: bool
) -> None:
    agent.start(*SELECT)
    if not looks_on:  # so not one of them is there any more when the agent comes to look
        os.kill(agent.pid, signal.SIGSTOP)
    forebear, pairs = short_lives(WORKERS, EACH)
    if not looks_on:
        os.kill(agent.pid, signal.SIGCONT)
    assert len(pairs) == WORKERS * EACH
    targets = {pair.target for pair in pairs}
    records = agent.wait_records(
        len(pairs), lambda one: one["killsnoop.target.process.pid"] in targets and is_rare(one)
    )
    assert agent.stop() == 0
    assert {pair.above[-1] for pair in pairs} == {forebear}
    by_target = {record["killsnoop.target.process.pid"]: record for record in records}
    assert len(records) == len(by_target) == len(pairs)
    beyond = [os.getpid(), *above(os.getpid())]
    for pair in pairs:
        record = by_target[pair.target]
        for name, pid, args in (
            ("source", pair.sender, pair.sender_args),
            ("target", pair.target, pair.target_args),
        ):
            told = side(record, name)
            assert record[f"killsnoop.{name}.process.pid"] == pid
            assert record[f"killsnoop.{name}.process.parent_pid"] == pair.above[0]
            assert f"killsnoop.{name}.process.known_from" not in record  # that is: from its exec
            assert told["process.executable.name"] == args[0]
            assert told["process.command_args"] == args
            assert told["process.args_count"] == len(args)
            assert told["process.ancestors.pids"] == [*pair.above, *beyond]
            lines = told["process.ancestors.command_lines"]
            assert lines[0] == lines[1]  # its parent ran no program of its own
            assert lines[1].endswith(f" {WORKERS} {EACH} {RARE:d} settled {pair.worker}")
            assert lines[2].endswith(f" {WORKERS} {EACH} {RARE:d} settled")
            assert told["process.tree"].startswith(f"{args[0]}[{pid}] < ")
            assert told["process.tree"].endswith(f"[{beyond[-1]}]")


def test_who_is_killed_while_his_program_starts_is_not_half_the_old_and_half_the_new(
    agent: RunningAgent,
) -> None:
    agent.start(*SELECT)
    _, pairs = short_lives(WORKERS, EACH, "hasty")
    targets = {pair.target: pair for pair in pairs}
    records = agent.wait_records(
        len(pairs), lambda one: one["killsnoop.target.process.pid"] in targets and is_rare(one)
    )
    old = os.path.basename(sys.executable)[:15]
    for record in records:
        told = side(record, "target")
        pair = targets[record["killsnoop.target.process.pid"]]
        if told["process.executable.name"] == "sh":
            assert told["process.command_args"] == pair.target_args
        else:
            assert told["process.executable.name"] == old
            assert told["process.command_args"][-1] == pair.worker


# --- threads and parents ---------------------------------------------------------------------


def test_a_thread_that_forks_or_sends_does_so_for_its_process(
    watching: RunningAgent, subject: Callable[..., Subject]
) -> None:
    one = subject(
        "def in_thread():\n"
        "    rename(b'its thread')\n"
        "    child = start('of a thread')\n"
        "    other = os.fork()\n"
        "    if not other: signal.pause()\n"
        "    os.kill(child, RARE)\n"
        "    os.kill(other, RARE)\n"
        "    say(threading.get_native_id(), child, other)\n"
        "    wait(); os.kill(child, 9); os.kill(other, 9)\n"
        "rename(b'its leader')\n"
        "thread = threading.Thread(target=in_thread); thread.start(); thread.join()"
    )
    tid, child, other = one.heard()
    assert tid != one.pid
    for pid, name in ((child, "sh"), (other, "its thread")):
        [record] = watching.wait_records(1, to(pid))
        told = side(record, "target")
        assert told["process.ancestors.pids"] == [one.pid, *above(one.pid)]
        assert told["process.ancestors.names"][0] == "its leader"
        assert told["process.executable.name"] == name
        assert record["killsnoop.target.process.parent_pid"] == one.pid
        assert record["killsnoop.source.process.pid"] == one.pid
        assert record["killsnoop.source.process.executable.name"] == "its leader"
        assert record["killsnoop.source.thread.id"] == tid
        assert record["body"] == f"{RARE_NAME} from its leader[{one.pid}] to {name}[{pid}]"
    one.go()


def test_a_thread_that_runs_a_new_program_takes_the_process_over(
    watching: RunningAgent, subject: Callable[..., Subject]
) -> None:
    lines = "say(0); wait(); os.execv('/bin/sleep', ['taken-over', '600'])"
    one = subject(f"threading.Thread(target=lambda: [{lines.replace(';', ',')}]).start()")
    one.heard()
    one.go()
    settle(one.pid, "sleep")
    record = send(watching, one.pid)
    told = side(record, "target")
    assert told["process.command_args"] == ["taken-over", "600"]
    assert told["process.ancestors.pids"] == above(one.pid)
    assert record["killsnoop.target.thread.id"] == one.pid


def test_who_forked_a_daemon_is_known_after_all_of_them_are_gone(
    watching: RunningAgent, subject: Callable[..., Subject], end: Callable[[int], None]
) -> None:
    one = subject(
        "first = os.fork()\n"
        "if not first:\n"
        "    rename(b'first')\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    rename(b'second')\n"
        "    daemon = start('daemon')\n"
        "    say(os.getpid(), daemon)\n"
        "    os._exit(0)\n"
        "os.waitpid(first, 0); say(first)"
    )
    said = [one.heard(), one.heard()]
    [second, daemon], [first] = sorted(said, key=len, reverse=True)
    end(daemon)
    forebears = above(one.pid)
    assert one.wait() == 0
    while parent_of(daemon) == second:
        pass
    told = side(send(watching, daemon), "target")
    assert told["process.command_args"] == [*STARTED, "daemon"]
    assert told["process.ancestors.pids"] == [second, first, one.pid, *forebears]
    assert told["process.ancestors.names"][:2] == ["second", "first"]
    assert told["process.tree"].endswith(f"[{forebears[-1]}]")


# --- older than the agent --------------------------------------------------------------------


def test_processes_older_than_the_agent_have_whole_trees(
    agent: RunningAgent, subject: Callable[..., Subject]
) -> None:
    one = subject(
        "rename(b'old (one)')\n"
        "child = start('old')\n"
        "zombie = os.posix_spawn('/bin/true', ['true'], {})\n"
        "os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)\n"
        "say(child, zombie); wait()\n"
        "new = os.fork()\n"
        "if not new: signal.pause()\n"
        "say(new); wait(); os.kill(child, 9); os.kill(new, 9)",
        b"\xff any \xfe",
    )
    child, zombie = one.heard()
    agent.start(*SELECT)
    one.go()
    [new] = one.heard()
    for pid in (child, zombie, new):
        told = side(record := send(agent, pid), "target")
        assert told["process.ancestors.pids"] == [one.pid, *above(one.pid)]
        assert told["process.tree"] == tree(pid, one.pid, *above(one.pid))
        lines = told["process.ancestors.command_lines"]
        assert lines == [line_of(one)[:256] for one in (one.pid, *above(one.pid))]
        assert record["killsnoop.target.process.known_from"] == ("fork" if pid == new else "procfs")
        sender = side(record, "source")
        assert sender["process.ancestors.pids"] == above(os.getpid())
        assert sender["process.tree"] == tree(os.getpid(), *above(os.getpid()))
        assert record["killsnoop.source.process.known_from"] == "procfs"
    assert side(send(agent, child), "target")["process.command_args"] == [*STARTED, "old"]
    assert side(send(agent, new), "target")["process.command_args"] == texts(one.args)
    one.go()


@pytest.mark.parametrize("depth", [0, 2])
def test_a_tree_that_is_cut_says_so(
    agent: RunningAgent, subject: Callable[..., Subject], depth: int
) -> None:
    agent.start("--print", "json", "-i", RARE_NAME, "--max-tree-depth", str(depth))
    one = subject("say(0); wait()")
    one.heard()
    record = send(agent, one.pid)
    whole = above(one.pid)
    assert len(whole) > 2
    told = side(record, "target")
    assert told["process.tree"] == tree(one.pid, *whole[:depth]) + " < ..."
    assert told["process.ancestors.pids"] == (whole[:depth] or None)
    assert record["killsnoop.target.process.parent_pid"] == whole[0]
