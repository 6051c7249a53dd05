"""What the agent gives up once it is attached, and what `check --live` says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_collector import Collector, wait_until
from real_processes import RARE, RARE_NAME, Subject
from running_agent import COMMAND, RunningAgent
from thread_status import masks, threads
from unprivileged import public_copy, run_as_nobody

pytestmark = pytest.mark.kernel

SHIPS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
OVER_GRPC = {**SHIPS, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
HOST = 78
SYS_PTRACE = 1 << 19

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask() -> Ask:
    """ask(directory, *arguments): `check --live` of the agent whose spool that is."""

    def run(spool: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "check", "--live", "--spool-dir", str(spool), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def told(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Subject -> (mark, text) of each line, all of different subjects."""
    assert done.stderr == ""
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    found = {subject: (mark, text) for mark, subject, text in lines}
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("ships", [SHIPS, OVER_GRPC], ids=["http", "grpc"])
def test_no_thread_keeps_a_capability_nor_can_gain_one(
    agent: RunningAgent, ships: dict[str, str]
) -> None:
    agent.start("-i", RARE_NAME, "-l", "debug", **ships)
    subject = Subject("os.kill(os.getpid(), RARE)\nwait()")
    try:
        wait_until(lambda: " takes no records now" in agent.log(), 20, "the sender", agent.log)
    finally:
        subject.end()
    assert len(threads(agent.pid)) > 1
    assert masks(agent.pid) == {0}
    assert {one["NoNewPrivs"] for one in threads(agent.pid)} == {"1"}
    assert "runs on with no capability" in agent.log()


@pytest.mark.collector
def test_without_any_it_does_all_that_it_did(
    agent: RunningAgent, collector: Callable[..., Collector]
) -> None:
    """Records, repeats that are counted in kernel maps, the kernel's counts, and a good end."""
    there = collector()
    agent.start(
        *("-i", RARE_NAME, "--fold-burst", "4", "--print", "json"),
        OTEL_EXPORTER_OTLP_ENDPOINT=there.http_url,
    )
    assert masks(agent.pid) == {0}
    subject = Subject("wait()")
    count = 1_003
    try:
        for _ in range(count):
            os.kill(subject.pid, RARE)
    finally:
        subject.end()

    def told_so_far() -> int:
        return sum(
            int(one.attributes.get("killsnoop.signal.count", 1))
            for one in there.records()
            if one.resource.get("killsnoop.target.process.pid") == subject.pid
            and one.attributes["killsnoop.event"] == "signal"
            and one.attributes["killsnoop.signal.number"] == RARE
        )

    wait_until(lambda: told_so_far() >= count, 20, "every signal", agent.log)
    assert told_so_far() == count
    assert agent.stop() == 0, agent.log()
    assert "0 lost" in agent.log().splitlines()[-1]


def test_executables_are_read_again_only_with_the_right_to_it(agent: RunningAgent) -> None:
    agent.start("-i", RARE_NAME, "--list-process-interval", "5", **SHIPS)
    assert masks(agent.pid, "CapPrm", "CapEff") == {SYS_PTRACE}
    assert masks(agent.pid, "CapInh", "CapBnd", "CapAmb") == {0}


# --- check --live ------------------------------------------------------------------------------


def test_check_live_shows_the_running_agent(agent: RunningAgent, ask: Ask) -> None:
    agent.start("-i", RARE_NAME, **SHIPS)
    done = ask(agent.spool)
    found = told(done)
    assert done.returncode == 0
    assert {mark for mark, _ in found.values()} == {"ok"}
    assert f"process {agent.pid} " in found["agent"][1]
    assert "no capability" in found["capabilities"][1]
    assert found["no_new_privs"][1].startswith("set")
    assert str(agent.spool) in found["spool"][1]


def test_check_live_where_none_runs(agent: RunningAgent, ask: Ask, tmp_path: Path) -> None:
    done = ask(tmp_path / "nothing")
    assert done.returncode == HOST
    assert {mark for mark, _ in told(done).values()} == {"FAIL"}
    agent.start("-i", RARE_NAME, **SHIPS)
    agent.stop()
    done = ask(agent.spool)
    assert done.returncode == HOST
    assert told(done)["agent"][0] == "FAIL"
    assert "no agent runs" in told(done)["agent"][1]
    assert "capabilities" not in told(done)


def test_check_live_of_a_mere_run_is_a_mistake() -> None:
    done = subprocess.run([*COMMAND, "run", "--live"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "check --live" in done.stderr


# Holds a spool as an agent does, but gives nothing up.
HOLDER = """
import sys, time
from otel_killsnoop.shipping.spool import Spool
with Spool(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Path]:
    """The spool of a process that kept every privilege."""
    spool = tmp_path / "spool"
    command = [sys.executable, "-c", HOLDER, str(spool)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield spool
        process.kill()


def test_check_live_tells_what_is_held_too_much(holder: Path, ask: Ask) -> None:
    done = ask(holder)
    found = told(done)
    assert done.returncode == HOST
    assert [found[one][0] for one in ("agent", "capabilities", "no_new_privs", "spool")] == [
        *("ok", "FAIL", "FAIL", "ok")
    ]
    assert "CAP_SETPCAP" in found["capabilities"][1]


@pytest.mark.parametrize("which", [".", "rejected", "lock"])
def test_check_live_tells_who_else_may_read(holder: Path, ask: Ask, which: str) -> None:
    (holder / which).chmod(0o755)
    found = told(ask(holder))
    mark, text = found["spool"]
    assert mark == "FAIL"
    assert "0755" in text
    assert str((holder / which).resolve()) in text


def test_check_live_of_another_users_agent_says_who_may_look(holder: Path) -> None:
    text = f"""
from otel_killsnoop.errors import SpoolError
from otel_killsnoop.live import holders
try:
    holders({str(holder)!r})
except SpoolError as error:
    print(error)
"""
    with public_copy() as top:
        done = run_as_nobody(top, text)
    assert done.stderr == ""
    assert "Permission denied" in done.stdout
    assert "look as root" in done.stdout


# --- the rules, in processes of their own --------------------------------------------------------


def given_up(text: str) -> list[object]:
    """What a Python text tells, run as root; ``kept`` are the numbers that are left."""
    text = f"import json, os, sys\nfrom otel_killsnoop.privileges import *\n{text}"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_what_works_without_is_not_kept() -> None:
    assert given_up("print(json.dumps(sorted(give_up([Need((BPF,), lambda: True)]))))") == []


def test_what_works_with_none_is_not_kept_either() -> None:
    assert given_up("print(json.dumps(sorted(give_up([Need((BPF,), lambda: False)]))))") == []


def test_the_least_capability_that_is_enough_is_kept(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("")
    secret.chmod(0o600)
    os.chown(secret, 65534, 65534)
    text = f"""
def may():
    return os.access({str(secret)!r}, os.R_OK, effective_ids=True)
kept = give_up([Need((BPF, DAC_READ_SEARCH), lambda: readable([{str(secret)!r}]))])
print(json.dumps([sorted(kept), sorted(held()), may()]))
"""
    assert given_up(text) == [[2], [2], True]


def test_what_python_may_import_later_stays_readable(tmp_path: Path) -> None:
    """As of a virtual environment in somebody's closed home, run by root."""
    home = tmp_path / "home"
    (home / "site").mkdir(parents=True)
    (home / "site" / "late.py").write_text("")
    os.chown(home, 65534, 65534)
    home.chmod(0o700)
    text = f"""
sys.path.append({str(home / "site")!r})
kept = give_up([Need((DAC_READ_SEARCH,), lambda: readable([]))])
import late
print(json.dumps([sorted(kept), readable([{str(home / "site" / "none")!r}])]))
"""
    assert given_up(text) == [[2], True]
