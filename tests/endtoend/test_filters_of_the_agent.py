"""--include and --exclude by what is known of both sides; what they leave out is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_cgroups import hierarchy, made_cgroup
from real_collector import Collector
from real_processes import settle
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

HEX = "0123456789abcdef" * 4


@pytest.fixture
def targets() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Two processes that wait: one of nobody's, the other in a container's cgroup."""
    group = hierarchy() / "docker" / HEX
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


POD = "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"
SERVICE = f"/killsnoop-filters.slice/kubepods-pod{POD.replace('-', '_')}.slice/its-app@1.service"
# By a process in that service to itself, which ignores it, and to a thread of one outside.
INSIDE = (
    "import ctypes, os, signal, sys\nsignal.signal(18, signal.SIG_IGN)\n"
    "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
    "other = int(sys.argv[2]); os.kill(os.getpid(), 18)\n"
    "ctypes.CDLL(None).tgkill(other, other, 18)"
)
INNER, OUTER, OURS = "itself", "a thread outside", "from outside"
KINDS: dict[str, set[str]] = {
    "scope=thread": {OUTER},
    "scope!=thread": {INNER, OURS},
    "call=tgkill": {OUTER},
    "call=k*": {INNER, OURS},
    "result=ignored target.comm=killsnoop-py": {INNER},
    "target.disposition=ignored": {INNER},
    "target.disposition=default": {OUTER, OURS},
    f"source.pod={POD}": {INNER, OUTER},
    f"target.pod={POD}": {INNER},
    "source.pod!=*": {OURS},
    "source.unit=its-app@1.service": {INNER, OUTER},
    "target.unit=its-app@*": {INNER},
    "source.uid=0 target.unit=its-app@1.service; call=tgkill": {INNER, OUTER},
    "signal=TERM,CONT source.user=root cause=user source.unit!=its-app@*": {OURS},
}


def test_every_other_kind_of_key(tmp_path: Path) -> None:
    """One workload for all expressions, each of an agent of its own, which run side by side."""
    agents = {}
    for number, expression in enumerate(KINDS):
        directory = tmp_path / str(number)
        directory.mkdir()
        agents[expression] = RunningAgent(directory)
    try:
        for expression, one in agents.items():
            one.start("--print", "json", "-i", "CONT", "--include", expression)
        inside, outside = same_workload(tmp_path)
        names = {(inside, inside): INNER, (inside, outside): OUTER, (os.getpid(), outside): OURS}
        for expression, one in agents.items():
            assert one.stop() == 0
            pairs = {
                (it.get("killsnoop.source.process.pid"), it["killsnoop.target.process.pid"])
                for it in one.records()
            }
            seen = {names[pair] for pair in pairs if pair in names}
            assert seen == KINDS[expression], expression
    finally:
        for one in agents.values():
            one.end()


def same_workload(directory: Path) -> tuple[int, int]:
    """What `INSIDE` does, and a signal of our own; the pids of the two."""
    program = directory / "killsnoop-py"
    program.write_text(f"#!{sys.executable}\n{INSIDE}\n")
    program.chmod(0o755)
    with (
        made_cgroup(SERVICE) as group,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other,
    ):
        settle(other.pid, "cat")
        os.kill(other.pid, 18)
        with subprocess.Popen([str(program), str(group), str(other.pid)]) as one:
            assert one.wait(20) == 0
    return one.pid, other.pid


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
