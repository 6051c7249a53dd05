"""Who decided on a kill: a script or a service of one's own, not what it kills by."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raised import run, to
from real_processes import Subject
from running_agent import Record, RunningAgent
from undisturbed import undisturbed

pytestmark = pytest.mark.kernel

SOURCE = "killsnoop.source.process"
INITIATOR = "killsnoop.source.initiator"


@pytest.fixture(scope="module")
def blaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent, older than the tests' processes."""
    with undisturbed(tmp_path_factory.mktemp("blaming")) as one:
        yield one


@pytest.fixture
def target(subject: Callable[..., Subject]) -> int:
    """A process to signal."""
    one = subject("signal.signal(12, signal.SIG_IGN); say(os.getpid()); wait()")
    one.heard()
    return one.pid


def sent(agent: RunningAgent, target: int, number: int = 12) -> Record:
    """The record of the one signal of that number to it."""
    (record,) = agent.wait_records(
        1,
        lambda one: (
            one.get("killsnoop.target.process.pid") == target
            and one.get("killsnoop.signal.number") == number
        ),
    )
    return record


LINES = {
    "a shell in a shell": "sh -c 'sh -ec \"kill -USR2 {target}; :\"; :'",
    "a pipe into xargs": "echo {target} | xargs -n 1 kill -USR2",
    "other surroundings": "env A=b nice -n 1 nohup setsid -w kill -USR2 {target}",
    "a time limit": "timeout 20 sh -c 'kill -USR2 {target}; :'",
    "a limit's own buffers": "stdbuf -o0 timeout 20 env kill -USR2 {target}",
    "another user": "setpriv --reuid=0 -- sh -c '/bin/kill -USR2 {target}'",
    "a lookalike of sudo": "{directory}/sudo 20 {directory}/sudo 20 kill -USR2 {target}",
    "a namespace": "unshare --mount --fork sh -c 'kill -USR2 {target}; :'",
}


@pytest.mark.parametrize("how", LINES)
def test_it_is_the_script_and_not_its_means(
    blaming: RunningAgent, target: int, tmp_path: Path, how: str
) -> None:
    """The script is run by bash, with its own name first; the kernel calls it by its file."""
    script = tmp_path / "decide"
    # sudo starts a program and waits for it, as timeout does.
    shutil.copy("/usr/bin/timeout", tmp_path / "sudo")
    script.write_text(
        f"#!/bin/bash\n{LINES[how].format(target=target, directory=tmp_path)}\nexit 0\n"
    )
    script.chmod(0o755)
    with subprocess.Popen(["sh", "-c", f"{script} --now; :"]) as outer:
        assert outer.wait(20) == 0
    record = sent(blaming, target)
    assert record[f"{INITIATOR}.name"] == "decide"
    assert record[f"{INITIATOR}.command_line"] == f"/bin/bash {script} --now"
    place = record[f"{SOURCE}.ancestors.pids"].index(record[f"{INITIATOR}.pid"])
    assert record[f"{SOURCE}.ancestors.names"][place] == "decide"
    assert outer.pid in record[f"{SOURCE}.ancestors.pids"][place + 1 :]
    assert record[f"{SOURCE}.pid"] != record[f"{INITIATOR}.pid"]


def test_it_is_a_python_program_that_waits_no_longer(blaming: RunningAgent) -> None:
    """timeout(1) sends the signal, of its own; that it shall was decided above it."""
    process, (limit, child) = run(
        "import subprocess\n"
        "one = subprocess.Popen(['timeout', '.2', 'sh', '-c', 'echo $$; read line; read line'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child = int(one.stdout.readline()); one.wait(); say(one.pid, child)",
        "the-decision-maker",
    )
    # To the child, and once more to the group that both are in.
    for record in to(blaming, child, signal.SIGTERM):
        assert record[f"{SOURCE}.pid"] == limit
        assert record[f"{INITIATOR}.pid"] == process.pid
        assert record[f"{INITIATOR}.command_line"].endswith("the-decision-maker")


def test_who_has_left_meanwhile_decided_all_the_same(
    blaming: RunningAgent, target: int, tmp_path: Path
) -> None:
    script = tmp_path / "leave"
    script.write_text(
        f"#!/bin/bash\nsetsid sh -c 'read line < {tmp_path}/go; kill -USR2 {target}; :' &\nexit 0\n"
    )
    script.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    subprocess.run([str(script)], check=True)
    (tmp_path / "go").write_text("now\n")
    record = sent(blaming, target)
    assert record[f"{INITIATOR}.name"] == "leave"
    assert record[f"{INITIATOR}.pid"] in record[f"{SOURCE}.ancestors.ended"]


def test_who_does_it_himself_has_nobody_behind_him(blaming: RunningAgent, target: int) -> None:
    process, _ = run(f"os.kill({target}, 12)")
    record = sent(blaming, target)
    assert record[f"{SOURCE}.pid"] == process.pid
    assert not [key for key in record if key.startswith(INITIATOR)]


def test_wrappers_of_ones_own_by_name_and_by_words(
    agent: RunningAgent, target: int, tmp_path: Path
) -> None:
    """A program's script is one of many: the words say which of them only passes on."""
    passing, decides = tmp_path / "pass-on.py", tmp_path / "decide.py"
    for script in (passing, decides):
        script.write_text("import os\nwords = os.environ.pop('WHAT').split(' ', 1)\n"
                          "os.environ['WHAT'] = words[-1]\nargs = words[0].split(',')\n"
                          "os.spawnv(os.P_WAIT, args[0], args)")  # fmt: skip
    agent.start(
        *("--print", "json", "-i", "USR2,CONT"),
        *("--wrappers", f"python3* */{passing.name}", "--wrappers", "nothing-like-it"),
    )
    python = "/usr/bin/python3"
    for script, number in ((passing, "USR2"), (decides, "CONT")):
        what = f"{python},{script} /bin/kill,-{number},{target}"
        subprocess.run([python, str(decides), "first"], env={"WHAT": what}, check=True)
    by_passing, by_deciding = sent(agent, target, 12), sent(agent, target, 18)
    assert by_passing[f"{INITIATOR}.command_line"] == f"{python} {decides} first"
    assert by_deciding[f"{INITIATOR}.command_line"] == f"{python} {decides}"
