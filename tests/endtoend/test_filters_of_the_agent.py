"""--include and --exclude by what is known of both sides; what they leave out is counted."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_collector import Collector
from real_processes import settle
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

HEX = "0123456789abcdef" * 4


def v1_or_v2() -> Path:
    """Where a cgroup says in which container a process runs."""
    memory = Path("/sys/fs/cgroup/memory")
    return memory if (memory / "tasks").exists() else Path("/sys/fs/cgroup")


@pytest.fixture
def targets() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Two processes that wait: one of nobody's, the other in a container's cgroup."""
    group = v1_or_v2() / "docker" / HEX
    group.mkdir(parents=True)
    made = {
        "nobodys": subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=65534),
        "contained": subprocess.Popen(["cat"], stdin=subprocess.PIPE),
    }
    (group / "cgroup.procs").write_text(str(made["contained"].pid))
    for one in made.values():
        settle(one.pid, "cat")
    yield made
    for one in made.values():
        one.kill()
        one.communicate()
    group.rmdir()
    group.parent.rmdir()


def send(targets: dict[str, subprocess.Popen[bytes]]) -> None:
    """To each: CONT by this process and by a kill of its own name."""
    for one in targets.values():
        os.kill(one.pid, 18)
        subprocess.run(["/bin/kill", "-CONT", str(one.pid)], check=True)


EXPRESSIONS: dict[tuple[str, ...], set[tuple[str, str]]] = {
    ("--exclude", "source.comm=kill"): {("nobodys", "us"), ("contained", "us")},
    ("--exclude", "source.comm=ki* target.uid=0"): {
        ("nobodys", "us"), ("contained", "us"), ("nobodys", "kill"),
    },
    ("--exclude", "target.uid=65534"): {("contained", "us"), ("contained", "kill")},
    ("--include", "target.user=nobody"): {("nobodys", "us"), ("nobodys", "kill")},
    ("--include", f"target.container={HEX[:12]}"): {("contained", "us"), ("contained", "kill")},
    ("--exclude", "cause=user target.container=*"): {("nobodys", "us"), ("nobodys", "kill")},
    ("--exclude", "result!=refused source.comm!=kill"): {
        ("nobodys", "kill"), ("contained", "kill"),
    },
    ("--include", "signal=CONT", "--exclude", "call=kill target.comm=cat source.comm=kill"): {
        ("nobodys", "us"), ("contained", "us"),
    },
}  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=" ".join)
def test_only_what_is_wanted_is_recorded(
    agent: RunningAgent,
    targets: dict[str, subprocess.Popen[bytes]],
    expression: tuple[str, ...],
) -> None:
    agent.start("--print", "json", "-i", "CONT", *expression)
    send(targets)
    assert agent.stop() == 0
    pids = {process.pid: name for name, process in targets.items()}
    seen = {
        (
            pids[one["killsnoop.target.process.pid"]],
            "us" if one["killsnoop.source.process.pid"] == os.getpid() else "kill",
        )
        for one in agent.records()
        if one.get("killsnoop.target.process.pid") in pids
    }
    assert seen == EXPRESSIONS[expression]


@pytest.mark.collector
def test_what_is_left_out_is_counted(
    agent: RunningAgent,
    collector: Callable[..., Collector],
    targets: dict[str, subprocess.Popen[bytes]],
) -> None:
    real = collector()
    agent.start(
        *("-i", "CONT", "--exclude", "target.user=nobody"),
        OTEL_EXPORTER_OTLP_ENDPOINT=real.http_url,
    )
    send(targets)
    assert agent.stop() == 0
    real.wait_metrics(lambda point: point.name == "killsnoop.events.left_out")
    last: dict[str, Counter[str]] = {}
    latest = max(point.time for point in real.metrics())
    for point in real.metrics():
        if point.time == latest:
            key = next(iter(point.attributes.values()), "")
            last.setdefault(point.name, Counter())[str(key)] += point.value
    submitted = last["killsnoop.events.submitted"].total()
    made, left_out = last["killsnoop.records.made"], last["killsnoop.events.left_out"].total()
    assert left_out >= 2
    assert submitted == last["killsnoop.events.undecodable"].total() + made["signal"] + left_out
