"""config/seccomp.json has what the agent calls, seen by strace, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bpf_objects import place_for_pins
from real_collector import REPOSITORY, Collector, wait_until
from real_processes import RARE, RARE_NAME, Subject
from running_agent import COMMAND, RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

TOOL = REPOSITORY / "tools" / "seccomp.py"
AWAY = "http://127.0.0.1:1"
NAMED = "https://collector.invalid"


@pytest.fixture(scope="module", autouse=True)
def strace() -> None:
    subprocess.run([REPOSITORY / "tools" / "packages", "strace"], check=True)


@pytest.fixture
def pins() -> Iterator[Path]:
    with place_for_pins() as made:
        yield made


@pytest.fixture
def traced(agent: RunningAgent, tmp_path: Path) -> Callable[..., None]:
    """traced(until, *arguments, VARIABLE=value): a run that is ended when `until` holds."""
    agent.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def run(until: Callable[[], bool], *arguments: str, **variables: str) -> None:
        trace = tmp_path / f"trace-{len(list(tmp_path.glob('trace-*')))}"
        # -D: the agent is our child, and strace its.
        agent.command = ["strace", "-D", "-f", "-o", str(trace), *COMMAND]
        agent.start("-i", RARE_NAME, *arguments, **variables)
        target = Subject("wait()")
        try:
            for _ in range(100):
                os.kill(target.pid, RARE)
            wait_until(until, 30, "what the run is for", agent.log)
        finally:
            target.end()
        last = f"{agent.pid} +++ exited with 0 +++"
        assert agent.stop() == 0, agent.log()
        wait_until(lambda: last in " ".join(trace.read_text().split()), 20, "strace's end")

    return run


def test_the_profile_is_what_the_agent_calls(
    traced: Callable[..., None],
    agent: RunningAgent,
    collector: Callable[..., Collector],
    pins: Path,
    tmp_path: Path,
) -> None:
    there = collector()
    http = {"OTEL_EXPORTER_OTLP_ENDPOINT": there.http_url, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    grpc = {**http, "OTEL_EXPORTER_OTLP_ENDPOINT": there.grpc_url}
    grpc["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"

    def come(count: int) -> Callable[[], bool]:
        return lambda: len(there.records()) >= count and len(there.metrics()) > 0

    def said(words: str, times: int = 1) -> Callable[[], bool]:
        return lambda: agent.log().count(words) >= times

    # Nobody listens; what was kept is sent; the other protocol; a name that is looked up.
    traced(said("takes no records now"), OTEL_EXPORTER_OTLP_ENDPOINT=AWAY)
    pinned = {"KILLSNOOP_PIN": "auto", "KILLSNOOP_PIN_DIR": str(pins)}
    traced(come(103), "--fold-burst", "4", **http, **pinned)
    traced(come(204), "--list-process-interval", "0.5", "--print", "json", **grpc)
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{NAMED}:4318"}
    traced(said(f"{NAMED}:4318/v1/logs takes no"), "--attempts", "on", "--print", "tree", **nowhere)
    traced(said(f"{NAMED}:4318 takes no"), **{**grpc, **nowhere})
    for number, arguments in enumerate((["check"], ["check", "--live"])):
        trace = tmp_path / f"trace-check-{number}"
        subprocess.run(
            ["strace", "-f", "-qq", "-o", trace, *COMMAND, *arguments],
            env={**agent.environment, "KILLSNOOP_SPOOL_DIR": str(agent.spool), **http},
            stdout=subprocess.DEVNULL,
            check=False,
        )
    done = subprocess.run(
        [sys.executable, TOOL, "compare", *tmp_path.glob("trace-*")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["not", "allowed:"],
        ["never", "seen:"],
    ]
    assert done.returncode == 0


def test_the_comparison_sees_what_is_missing_and_what_is_too_much(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        '71 read(3, "ptrace(", 8) = 8\n'
        "72 <... futex resumed>) = 0\n"
        "71 +++ exited with 0 +++\n"
        "71 ptrace(PTRACE_ATTACH, 1) = -1 EPERM\n"
        "reboot(0) = -1 EPERM\n"
    )
    done = subprocess.run(
        [sys.executable, TOOL, "compare", trace], stdout=subprocess.PIPE, text=True, check=False
    )
    missing, unused = (line.split(":")[1].split() for line in done.stdout.splitlines())
    assert missing == ["ptrace", "reboot"]
    assert "bpf" in unused
    assert not {"read", "futex"} & set(unused)
    assert done.returncode == 1


def test_the_profile_says_why_and_names_nothing_twice() -> None:
    profile = json.loads((REPOSITORY / "config" / "seccomp.json").read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    rules = profile["syscalls"]
    assert all(rule["comment"] for rule in rules)
    names = [name for rule in rules for name in rule["names"]]
    assert {name for name in names if names.count(name) > 1} == {"socket"}  # a rule a family
    dangerous = "ptrace process_vm_readv mount setns unshare init_module kexec_load keyctl fork"
    dangerous += " vfork execveat kill setuid setgid setgroups io_uring_setup userfaultfd chmod"
    assert not set(names) & set(dangerous.split())


def test_the_unit_allows_the_same() -> None:
    printed = subprocess.check_output([sys.executable, TOOL, "unit"], text=True)
    lines = (REPOSITORY / "config" / "otel-killsnoop.service").read_text().splitlines()
    assert [one for one in lines if "SystemCallFilter=" in one] == printed.splitlines()
