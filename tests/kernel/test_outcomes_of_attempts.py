"""Attempts at the edges: 32-bit programs, threads, the dead, the freshly born, full queues."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from raised import NAME, run
from real_processes import RARE, RARE_NAME
from running_agent import COMMAND, Record, RunningAgent

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's"),
]

TARGET = "killsnoop.target.process.pid"
BECOME = "os.setresuid(65534, 65534, 65534)\n"
GONE = 4_194_301  # no process has it: beyond pid_max, or hardly ever reached


@pytest.fixture(scope="module")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """An agent that sees attempts, signal 0 too."""
    one = RunningAgent(tmp_path_factory.mktemp("attentive"))
    one.start("--print", "json", "-i", f"0,USR2,{RARE_NAME}", "--attempts", "on")
    yield one
    one.end()


@pytest.fixture
def guarded() -> Iterator[tuple[int, int]]:
    """A process of root with a second thread, which ignores what is sent: pid, second tid."""
    code = (
        "import signal, threading\nfor n in (12, 45): signal.signal(n, signal.SIG_IGN)\n"
        "one = threading.Thread(target=signal.pause, daemon=True); one.start()\n"
        "print(one.native_id, flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, process_group=0
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def by(agent: RunningAgent, pid: int, count: int = 1) -> list[Record]:
    """The records of what that process sent or tried; a mark at the end says that this is all."""
    mark, _ = run(f"libc.syscall(62, {GONE}, 12)")
    agent.wait_records(1, lambda one: one.get(NAME) == mark.pid)
    return agent.wait_records(
        count, lambda one: one["killsnoop.event"] == "signal" and one.get(NAME) == pid
    )


def came(record: Record) -> tuple[str, str | None, int | None]:
    """Result, error, target."""
    return record["killsnoop.signal.result"], record.get("error.type"), record.get(TARGET)


CALLS_32 = {
    "kill": "int80(37, {pid}, {number})",
    "tkill": "int80(238, {pid}, {number})",
    "tgkill": "int80(270, {pid}, {pid}, {number})",
    "rt_sigqueueinfo": "int80(178, {pid}, {number}, low(siginfo({number}, 0, -1)))",
    "rt_tgsigqueueinfo": "int80(335, {pid}, {pid}, {number}, low(siginfo({number}, 0, -1)))",
    "pidfd_send_signal": "int80(424, fd, {number}, 0, 0)",
}


@pytest.mark.parametrize("call", CALLS_32)
def test_all_that_can_fail_for_a_32_bit_program(
    attentive: RunningAgent, guarded: tuple[int, int], call: str
) -> None:
    pid, _ = guarded
    how = CALLS_32[call]
    dead = "gone = os.fork()\nif not gone: os._exit(0)\nfd = os.pidfd_open(gone); os.wait()\n"
    process, answers = run(
        f"{dead}say(-{how.format(pid=GONE, number=12)})\nfd = os.pidfd_open({pid})\n"
        f"say(-{how.format(pid=pid, number=77)})\n{BECOME}say(-{how.format(pid=pid, number=12)})"
    )
    assert [answer & 0xFFFFFFFF for answer in answers] == [3, 22, 1]
    records = by(attentive, process.pid, 3)
    assert [came(one) for one in records] == [
        ("refused", "ESRCH", None), ("refused", "EINVAL", pid), ("refused", "EPERM", pid),
    ]  # fmt: skip
    assert {one["killsnoop.signal.call"] for one in records} == {call}


def test_a_thread_is_named_with_its_process(
    attentive: RunningAgent, guarded: tuple[int, int]
) -> None:
    """By kill(2) too, which takes a thread's number for its process's; not with a wrong one."""
    pid, tid = guarded
    process, (caller,) = run(
        f"import threading\n{BECOME}\ndef ways():\n say(threading.get_native_id())\n"
        f" libc.syscall(200, {tid}, 12)\n libc.syscall(234, {pid}, {tid}, 12)\n"
        f" libc.syscall(62, {tid}, 12)\n libc.syscall(234, 1, {tid}, 12)\n"
        "one = threading.Thread(target=ways); one.start(); one.join()"
    )
    records = by(attentive, process.pid, 4)
    assert [came(one) for one in records] == [
        *[("refused", "EPERM", pid)] * 3, ("refused", "ESRCH", None),
    ]  # fmt: skip
    assert [one["killsnoop.target.thread.id"] for one in records[:2]] == [tid, tid]
    assert {one["killsnoop.source.thread.id"] for one in records} == {caller}


def test_what_root_may_not_do_either(attentive: RunningAgent, guarded: tuple[int, int]) -> None:
    """A forged siginfo, one that cannot be read, numbers that mean nobody, unknown flags."""
    pid, _ = guarded
    process, _ = run(
        f"libc.syscall(129, {pid}, 12, siginfo(12, 0, 0))\nlibc.syscall(129, {pid}, 12, 0)\n"
        "libc.syscall(200, 0, 12)\nlibc.syscall(234, -1, 5, 12)\n"
        f"libc.syscall(424, os.pidfd_open({pid}), 12, 0, 77)"
    )
    records = by(attentive, process.pid, 5)
    assert [came(one) for one in records] == [
        ("refused", "EPERM", pid), ("refused", "EFAULT", pid), ("refused", "EINVAL", None),
        ("refused", "EINVAL", None), ("refused", "EINVAL", pid),
    ]  # fmt: skip


def test_a_full_queue_is_one_record(attentive: RunningAgent) -> None:
    """It is both a signal that was raised, with what came of it, and a call that failed."""
    process, numbers = run(
        f"resource.setrlimit(resource.RLIMIT_SIGPENDING, (2, 2))\nnumber = {int(RARE)}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [number])\nos.setresuid(64321, 64321, 64321)\n"
        "for _ in range(4):\n"
        " say(libc.syscall(129, os.getpid(), number, siginfo(number, 0, -1)))"
    )
    assert numbers == [0, 0, -1, -1]
    results = [came(one) for one in by(attentive, process.pid, 4)]
    assert results == [
        *[("delivered", None, process.pid)] * 2, *[("overflow_fail", None, process.pid)] * 2,
    ]  # fmt: skip


def test_a_zombie_and_a_newborn_are_who_they_are(attentive: RunningAgent) -> None:
    """Gone before the agent can ask anybody: only the kernel's own records tell."""
    process, (zombie, newborn) = run(
        "zombie = os.fork()\nif not zombie: os._exit(0)\n"
        "os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)\n"
        "r, w = os.pipe(); newborn = os.fork()\nif not newborn: os.read(r, 1); os._exit(0)\n"
        "os.seteuid(65534); os.setresuid(65534, 65534, -1)\n"
        "for one in (zombie, newborn): libc.syscall(62, one, 12)\n"
        "os.write(w, b'.'); os.waitpid(newborn, 0); say(zombie, newborn)"
    )
    records = by(attentive, process.pid, 2)
    assert [came(one) for one in records] == [
        ("refused", "EPERM", zombie), ("refused", "EPERM", newborn),
    ]  # fmt: skip
    for one in records:
        assert one["killsnoop.target.process.ancestors.pids"][0] == process.pid
        assert one["killsnoop.target.process.command_args"] == process.args


SIGNAL_0 = {
    "kill": "libc.syscall(62, {pid}, 0)",
    "tkill": "libc.syscall(200, {pid}, 0)",
    "tgkill": "libc.syscall(234, {pid}, {pid}, 0)",
    "rt_sigqueueinfo": "libc.syscall(129, {pid}, 0, siginfo(0, 0, -1))",
    "rt_tgsigqueueinfo": "libc.syscall(297, {pid}, {pid}, 0, siginfo(0, 0, -1))",
    "pidfd_send_signal": "libc.syscall(424, os.pidfd_open({pid}), 0, 0, 0)",
}


@pytest.mark.parametrize("call", SIGNAL_0)
def test_signal_0_by_every_call(
    attentive: RunningAgent, guarded: tuple[int, int], call: str
) -> None:
    process, _ = run(SIGNAL_0[call].format(pid=guarded[0]))
    (record,) = by(attentive, process.pid)
    assert came(record) == ("tested", None, guarded[0])
    assert record["killsnoop.signal.call"] == call


def test_signal_0_to_a_group_means_no_one_process(
    attentive: RunningAgent, guarded: tuple[int, int]
) -> None:
    process, _ = run(f"os.killpg({guarded[0]}, 0)")
    (record,) = by(attentive, process.pid)
    assert came(record) == ("tested", None, None)
    assert (record["killsnoop.signal.scope"], record["killsnoop.signal.argument"]) == (
        "group", -guarded[0],
    )  # fmt: skip


@pytest.mark.parametrize("attempts", ["on", "auto"])
def test_signal_0_is_not_recorded_unasked(
    agent: RunningAgent, guarded: tuple[int, int], attempts: str
) -> None:
    """And `auto` sees refused calls exactly where `check` says so."""
    said = subprocess.run(
        [*COMMAND, "check", "--attempts", attempts],
        env=agent.environment, cwd=Path(tempfile.gettempdir()), stdout=subprocess.PIPE, text=True,
        check=True,
    ).stdout  # fmt: skip
    agent.start("--print", "json", "--attempts", attempts)
    process, _ = run(
        f"os.kill({guarded[0]}, 0); libc.syscall(62, {GONE}, 12); os.kill({guarded[0]}, 12)"
    )
    agent.wait_records(1, lambda one: one.get(NAME) == process.pid and came(one)[0] == "ignored")
    assert agent.stop() == 0
    seen = [came(one)[0] for one in agent.records(lambda one: one.get(NAME) == process.pid)]
    assert ("refused calls are not seen" in said) is ("refused" not in seen)
    assert seen == (["refused", "ignored"] if "refused calls are seen by" in said else ["ignored"])
