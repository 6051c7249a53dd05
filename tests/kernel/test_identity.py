"""Who a process is, through forks, deaths, new programs, namespaces and reused numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from raised import NAME, held, one_to, run
from real_processes import RARE_NAME, Subject, above
from running_agent import Record, RunningAgent

pytestmark = pytest.mark.kernel

NUMBER = 12
SIDE = "killsnoop.target.process"
WAITS = "signal.signal(12, signal.SIG_IGN); os.write(w, b'.')\n"


def ancestors(record: Record) -> list[int]:
    pids: list[int] = record[f"{SIDE}.ancestors.pids"]
    return pids


def test_who_forked_a_daemon_stays_in_its_tree(everything: RunningAgent) -> None:
    """The middle one is dead, and marked; the kernel's parent is another by now."""
    with held(
        "r, w = os.pipe(); middle = os.fork()\n"
        "if not middle:\n mine = os.getpid(); daemon = os.fork()\n if daemon: os._exit(0)\n"
        " os.setsid(); signal.signal(12, signal.SIG_IGN)\n"
        " while os.getppid() == mine: pass\n"
        " os.write(w, b'%d' % os.getpid()); signal.pause()\n"
        "os.waitpid(middle, 0); daemon = int(os.read(r, 9))\n"
        "parent = int(open(f'/proc/{daemon}/stat').read().rpartition(')')[2].split()[1])\n"
        "os.kill(daemon, 12); say(middle, daemon, parent); hold(); os.kill(daemon, 9)"
    ) as (process, (middle, daemon, parent)):
        record = one_to(everything, daemon, NUMBER)
    assert ancestors(record)[:2] == [middle, process.pid]
    assert record[f"{SIDE}.ancestors.ended"] == [middle]
    assert record[f"{SIDE}.parent_pid"] == parent != middle


def test_a_subreaper_is_the_parent_and_no_forebear(everything: RunningAgent) -> None:
    with held(
        "libc.prctl(36, 1, 0, 0, 0); r, w = os.pipe(); middle = os.fork()\n"
        "if not middle:\n child = os.fork()\n"
        f" if not child:\n  {WAITS}  signal.pause()\n"
        " os.read(r, 1); os.write(w, b'%d' % child); os._exit(0)\n"
        "os.waitpid(middle, 0); child = int(os.read(r, 9))\n"
        "os.kill(child, 12); say(middle, child); hold(); os.kill(child, 9)"
    ) as (process, (middle, child)):
        record = one_to(everything, child, NUMBER)
    assert ancestors(record)[:2] == [middle, process.pid]
    assert record[f"{SIDE}.parent_pid"] == process.pid


def test_clone_parent_has_the_forker_in_its_tree(everything: RunningAgent) -> None:
    process, (middle, child) = run(
        "r, w = os.pipe(); middle = os.fork()\n"
        "if not middle:\n child = libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0)\n"
        f" if not child:\n  {WAITS}  signal.pause()\n"
        " os.read(r, 1); os.kill(child, 12); say(os.getpid(), child); os.kill(child, 9)\n"
        " os._exit(0)\nos.waitpid(middle, 0)"
    )
    record = one_to(everything, child, NUMBER)
    assert record[f"{SIDE}.parent_pid"] == process.pid
    assert ancestors(record)[:2] == [middle, process.pid]


RUNS = {
    "by a thread": (
        "import threading\nthreading.Thread(target=lambda: os.execv('/bin/sleep', "
        "['sleep', '60', 'by a thread'])).start(); signal.pause()"
    ),
    "by vfork": "os.execv('/bin/sleep', ['sleep', '60', 'by vfork'])",
}


@pytest.mark.parametrize("how", RUNS)
def test_a_new_program_is_told_whole(everything: RunningAgent, how: str) -> None:
    process, (child,) = run(
        f"child = os.fork()\nif not child:\n {RUNS[how].replace(chr(10), chr(10) + ' ')}\n"
        "while open(f'/proc/{child}/comm').read() != 'sleep\\n': time.sleep(.01)\n"
        "os.kill(child, 18); say(child); os.kill(child, 9)"
    )
    record = one_to(everything, child, 18)
    assert record[f"{SIDE}.pid"] == child
    assert record[f"{SIDE}.command_args"][:2] == ["sleep", "60"]
    assert record[f"{SIDE}.executable.path"] == "/bin/sleep"
    assert ancestors(record)[0] == process.pid


def test_posix_spawn(everything: RunningAgent) -> None:
    process, (child,) = run(
        "child = os.posix_spawn('/bin/sleep', ['sleep', '60', 'spawned'], {})\n"
        "os.kill(child, 18); say(child); os.kill(child, 9)"
    )
    record = one_to(everything, child, 18)
    assert record[f"{SIDE}.command_args"] == ["sleep", "60", "spawned"]
    assert ancestors(record)[0] == process.pid


def test_a_title_is_told_beside_the_truth(everything: RunningAgent) -> None:
    """The arguments overwritten in memory, as setproctitle does it."""
    with held(
        "signal.signal(12, signal.SIG_IGN)\n"
        "start, end = map(int, open('/proc/self/stat').read().rpartition(')')[2].split()[45:47])\n"
        "m = open('/proc/self/mem', 'r+b', 0); m.seek(start)\n"
        "m.write(b'idle: worker of nobody'.ljust(end - start, b'\\0'))\n"
        "os.kill(os.getpid(), 12); say(1); hold()"
    ) as (process, _):
        record = one_to(everything, process.pid, NUMBER)
    assert record[f"{SIDE}.command_args"] == process.args
    assert record[f"{SIDE}.title"] == "idle: worker of nobody"


def test_a_number_used_again_at_once_is_another_process(everything: RunningAgent) -> None:
    """In a PID namespace, where the next number can be chosen."""
    code = (
        "import os, signal, sys\nfor name in ('the-first', 'the-second'):\n"
        " open('/proc/sys/kernel/ns_last_pid', 'w').write('76')\n"
        " r, w = os.pipe(); child = os.fork()\n"
        " if not child: os.execv('/bin/sh', ['sh', '-c', 'kill -CONT $$; exit 0', name])\n"
        " assert child == 77; os.waitpid(child, 0)"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    subprocess.run(command, check=True)

    def mine(one: Record) -> bool:
        args = one.get(f"{SIDE}.command_args", [""])
        return one.get("killsnoop.signal.number") == 18 and args[-1] in ("the-first", "the-second")

    records = everything.wait_records(2, mine)
    assert [one[f"{SIDE}.command_args"][-1] for one in records] == ["the-first", "the-second"]
    assert [one[f"{SIDE}.vpid"] for one in records] == [77, 77]
    assert all(one[NAME] == one[f"{SIDE}.pid"] for one in records)


def test_nested_namespaces_have_the_hosts_numbers_and_their_own(everything: RunningAgent) -> None:
    inner = f"import os; os.kill(2, {NUMBER})"
    outer = (
        "import os, signal, subprocess, sys; r, w = os.pipe(); child = os.fork()\n"
        f"if not child:\n signal.signal({NUMBER}, signal.SIG_IGN)\n"
        " os.write(w, b'.'); signal.pause()\n"
        "os.read(r, 1); assert child == 2\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}, 'the-sender'], check=True)\n"
        "os.kill(child, 9)"
    )
    command = [
        "unshare",
        "--pid",
        "--fork",
        "unshare",
        "--pid",
        "--fork",
        sys.executable,
        "-c",
        outer,
    ]
    with subprocess.Popen(command) as process:
        assert process.wait(20) == 0
    (record,) = everything.wait_records(
        1,
        lambda one: (
            one.get("killsnoop.source.process.command_args", [""])[-1] == "the-sender"
            and one.get("killsnoop.signal.number") == NUMBER
        ),
    )
    assert record[f"{SIDE}.vpid"] == 2 != record[f"{SIDE}.pid"]
    assert record["killsnoop.source.process.vpid"] == 3
    assert process.pid in record["killsnoop.source.process.ancestors.pids"]


def test_a_login_is_told_of_who_is_gone_too(everything: RunningAgent) -> None:
    """The audit system's login, inherited by all that a login starts."""
    if not Path("/proc/self/loginuid").exists():
        pytest.skip("this kernel has no audit system")
    _, (child,) = run(
        "open('/proc/self/loginuid', 'w').write('65534')\nchild = os.fork()\n"
        "if not child: os.execv('/bin/sh', ['sh', '-c', 'kill -CONT $$'])\n"
        "os.waitpid(child, 0); say(child)"
    )
    record = one_to(everything, child, 18)
    for side in ("source", "target"):
        assert record[f"killsnoop.{side}.user.login"] == "nobody"
        assert record[f"killsnoop.{side}.user.login_id"] == 65534
        assert record[f"killsnoop.{side}.session.id"] > 0


INITIATORS = {
    "a shell": ["sh", "-c", "kill -CONT {pid}; true"],
    "env": ["env", "A=b", "kill", "-CONT", "{pid}"],
    "timeout": ["timeout", "20", "kill", "-CONT", "{pid}"],
    "xargs": ["sh", "-c", "echo {pid} | xargs kill -CONT"],
}


@pytest.mark.parametrize("how", INITIATORS)
def test_who_decided_is_behind_the_wrappers(everything: RunningAgent, how: str) -> None:
    command = [one.replace("{pid}", str(os.getpid())) for one in INITIATORS[how]]
    process, (parent,) = run(
        f"import subprocess; subprocess.run({command!r}, check=True); say(os.getpid())"
    )
    assert parent == process.pid
    (record,) = everything.wait_records(
        1,
        lambda one: (
            one.get("killsnoop.signal.number") == 18
            and one.get(f"{SIDE}.pid") == os.getpid()
            and parent in one["killsnoop.source.process.ancestors.pids"]
        ),
    )
    assert record["killsnoop.source.initiator.pid"] == process.pid
    assert record["killsnoop.source.initiator.name"].startswith("python")
    assert record["killsnoop.source.initiator.command_line"].startswith(sys.executable)


def test_more_wrappers_may_be_named(agent: RunningAgent, tmp_path: Path) -> None:
    """A script of one's own that only passes a kill on."""
    script = tmp_path / "stop-it"
    script.write_text("#!/bin/sh\nkill -CONT $1\ntrue\n")
    script.chmod(0o755)
    agent.start("--print", "json", "-i", "CONT", "--wrappers", "stop-it")
    process, _ = run(f"import subprocess; subprocess.run(['{script}', '{os.getpid()}'])")
    (record,) = agent.wait_records(
        1, lambda one: process.pid in one.get("killsnoop.source.process.ancestors.pids", ())
    )
    assert record["killsnoop.source.process.executable.name"] == "stop-it"
    assert record["killsnoop.source.initiator.pid"] == process.pid


def test_who_is_older_than_the_agent_and_gone_before_it_looked_has_a_parent(
    agent: RunningAgent, tmp_path: Path, subject: Callable[..., Subject]
) -> None:
    """Its /proc shows everybody above the killer, but not the killer itself."""
    proc = tmp_path / "proc"
    proc.mkdir()
    for shown in ("self", "stat", *map(str, [os.getpid(), *above(os.getpid())])):
        (proc / shown).symlink_to(f"/proc/{shown}")
    target = subject("wait()")
    killers = [subject(f"wait(); os.kill({target.pid}, RARE); os._exit(0)") for _ in range(2)]
    shell = subject(
        "say(0); wait(); child = os.fork()\n"
        f"if not child: os.kill({target.pid}, RARE); os._exit(0)\n"
        "os.waitpid(child, 0); os._exit(0)"
    )
    shell.heard()
    agent.start("-i", RARE_NAME, "--print", "json", "--root", str(tmp_path))
    for one in (*killers, shell):
        one.go()
        assert one.wait() == 0
    records = agent.wait_records(3, lambda one: one["killsnoop.event"] == "signal")
    told = {one[NAME]: one["killsnoop.source.process.ancestors.pids"] for one in records}
    ours = [os.getpid(), *above(os.getpid())][:8]
    for one in killers:
        assert told.pop(one.pid) == ours
    [(_, pids)] = told.items()
    assert pids == [shell.pid, *ours][:8]
