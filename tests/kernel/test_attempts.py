"""Calls that the kernel refused, and signal 0: recorded with whom they meant, and nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from raised import NAME, run
from running_agent import COMMAND, Record, RunningAgent

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's"),
]

NOBODY = 65534
BECOME = f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
TARGET = "killsnoop.target.process.pid"


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """An agent that sees attempts, signal 0 too."""
    one = RunningAgent(tmp_path_factory.mktemp("seeing"))
    one.start("--print", "json", "-i", "0,USR1,USR2,TERM,CONT", "--attempts", "on")
    yield one
    one.end()


@pytest.fixture
def protected() -> Iterator[subprocess.Popen[bytes]]:
    """A process of root that ignores USR2; nobody may not signal it."""
    code = "import signal; signal.signal(12, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, process_group=0
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def by(agent: RunningAgent, pid: int, count: int = 1) -> list[Record]:
    """The records of what that process sent or tried."""
    return agent.wait_records(
        count, lambda one: one["killsnoop.event"] == "signal" and one.get(NAME) == pid
    )


CALLS = {
    "kill": "libc.syscall(62, {pid}, {number})",
    "tkill": "libc.syscall(200, {pid}, {number})",
    "tgkill": "libc.syscall(234, {pid}, {pid}, {number})",
    "rt_sigqueueinfo": "libc.syscall(129, {pid}, {number}, siginfo({number}, 0, -1))",
    "rt_tgsigqueueinfo": "libc.syscall(297, {pid}, {pid}, {number}, siginfo({number}, 0, -1))",
}
GONE = 4_194_301  # no process has it: beyond pid_max, or hardly ever reached


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", ["EPERM", "ESRCH", "EINVAL"])
def test_a_refused_call(
    seeing: RunningAgent, protected: subprocess.Popen[bytes], call: str, error: str
) -> None:
    pid, number, before = {
        "EPERM": (protected.pid, 12, BECOME),
        "ESRCH": (GONE, 12, ""),
        "EINVAL": (protected.pid, 77, ""),
    }[error]
    process, _ = run(before + CALLS[call].format(pid=pid, number=number))
    (record,) = by(seeing, process.pid)
    assert record["killsnoop.signal.result"] == "refused"
    assert record["error.type"] == error
    assert (record["killsnoop.signal.call"], record["killsnoop.signal.cause"]) == (call, "user")
    assert record["killsnoop.signal.number"] == number
    if error == "ESRCH":
        assert TARGET not in record
        assert str(GONE) in record["body"]
    else:
        assert record[TARGET] == protected.pid
        assert record["killsnoop.target.process.ancestors.pids"][0] == os.getpid()
    assert record["killsnoop.source.process.command_args"] == process.args


def test_a_refused_pidfd(seeing: RunningAgent, protected: subprocess.Popen[bytes]) -> None:
    process, _ = run(
        f"fd = os.pidfd_open({protected.pid})\n{BECOME}libc.syscall(424, fd, 12, 0, 0)"
    )
    (record,) = by(seeing, process.pid)
    assert (record["killsnoop.signal.result"], record["error.type"]) == ("refused", "EPERM")
    assert record["killsnoop.signal.call"] == "pidfd_send_signal"
    assert record[TARGET] == protected.pid
    process, _ = run(f"fd = os.pidfd_open({protected.pid})\nlibc.syscall(424, fd, 77, 0, 0)")
    (record,) = by(seeing, process.pid)
    assert (record["error.type"], record[TARGET]) == ("EINVAL", protected.pid)
    process, _ = run(
        f"fd = os.pidfd_open({protected.pid})\n{BECOME}libc.syscall(424, fd, 12, 0, 4)"
    )
    (record,) = by(seeing, process.pid)
    # Before 6.9 the flag for the whole group is none, and the call means nobody.
    told = (record["error.type"], record["killsnoop.signal.scope"])
    assert told in (("EPERM", "group"), ("EINVAL", "group"))
    # What is no pidfd means nobody.
    process, _ = run("libc.syscall(424, os.open('/dev/null', 0), 12, 0, 0)")
    (record,) = by(seeing, process.pid)
    assert record["error.type"] == "EBADF"
    assert TARGET not in record


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("kill", "37, {pid}, 12"),
        ("tkill", "238, {pid}, 12"),
        ("tgkill", "270, {pid}, {pid}, 12"),
    ],
)
def test_a_refused_call_of_a_32_bit_program(
    seeing: RunningAgent, protected: subprocess.Popen[bytes], call: str, arguments: str
) -> None:
    process, _ = run(f"{BECOME}int80({arguments.format(pid=protected.pid)})")
    (record,) = by(seeing, process.pid)
    assert (record["killsnoop.signal.result"], record["error.type"]) == ("refused", "EPERM")
    assert (record["killsnoop.signal.call"], record[TARGET]) == (call, protected.pid)


def test_a_group_of_which_nobody_may_be_signalled(
    seeing: RunningAgent, protected: subprocess.Popen[bytes]
) -> None:
    """It meant no single process."""
    process, _ = run(f"{BECOME}libc.syscall(62, -{protected.pid}, 12)")
    (record,) = by(seeing, process.pid)
    assert (record["error.type"], record["killsnoop.signal.scope"]) == ("EPERM", "group")
    assert record["killsnoop.signal.argument"] == -protected.pid
    assert TARGET not in record


def test_a_number_of_a_namespace_means_its_process(seeing: RunningAgent) -> None:
    """The caller's 1 is not the host's."""
    inner = f"import ctypes, os; os.setuid({NOBODY}); ctypes.CDLL(None).syscall(62, 1, 12)"
    code = (
        "import subprocess, sys, signal; signal.signal(12, signal.SIG_IGN)\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}, 'the-caller'])"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", code, "the-first"]
    subprocess.run(command, check=True)
    (record,) = seeing.wait_records(
        1,
        lambda one: (
            one["killsnoop.event"] == "signal"
            and one.get("killsnoop.source.process.command_args", [""])[-1] == "the-caller"
        ),
    )
    assert record["error.type"] == "EPERM"
    assert record["killsnoop.target.process.command_args"][-1] == "the-first"
    assert record["killsnoop.target.process.vpid"] == 1
    assert record[TARGET] != 1


def test_signal_0_is_recorded_where_it_is_included(
    seeing: RunningAgent, protected: subprocess.Popen[bytes]
) -> None:
    process, _ = run(f"os.kill({protected.pid}, 0)")
    (record,) = by(seeing, process.pid)
    assert record["killsnoop.signal.number"] == 0
    assert (record["killsnoop.signal.result"], record[TARGET]) == ("tested", protected.pid)
    process, _ = run(f"{BECOME}libc.syscall(62, {protected.pid}, 0)")
    (record,) = by(seeing, process.pid)
    assert (record["killsnoop.signal.result"], record["error.type"]) == ("refused", "EPERM")


def test_a_call_that_succeeds_has_one_record(
    seeing: RunningAgent, protected: subprocess.Popen[bytes]
) -> None:
    process, _ = run(f"for _ in range(13): os.kill({protected.pid}, 12)\nos.kill({GONE}, 12)")
    records = by(seeing, process.pid, 14)
    results = [one["killsnoop.signal.result"] for one in records]
    assert sorted(results) == ["ignored"] * 13 + ["refused"]


def test_off_and_auto_see_none_here(
    agent: RunningAgent, protected: subprocess.Popen[bytes]
) -> None:
    agent.start("--print", "json", "-i", "USR2", "--attempts", "off")
    process, _ = run(f"libc.syscall(62, {GONE}, 12); os.kill({protected.pid}, 12)")
    by(agent, process.pid)
    assert agent.stop() == 0
    assert [one["killsnoop.signal.result"] for one in by(agent, process.pid)] == ["ignored"]


def test_check_says_how_attempts_are_seen(agent: RunningAgent) -> None:
    for wish, words in (("on", "refused calls are seen by"), ("off", "not looked at")):
        done = subprocess.run(
            [*COMMAND, "check", "--attempts", wish],
            env=agent.environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        assert words in done.stdout


def test_signal_0_without_attempts_is_an_error_that_says_so(agent: RunningAgent) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "-i", "0", "--attempts", "off"],
        env=agent.environment, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "--attempts" in line
    assert "--include-signals" in line
    assert signal.SIGTERM not in (done.returncode, -done.returncode)
