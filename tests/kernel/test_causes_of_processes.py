"""Signals that one process sends to another, by every call, honestly and not; and by ending."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from raised import NAME, one_to, run, to, told
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

NUMBER = 12
CHILD = (
    "child = os.fork()\nif not child:\n signal.signal(12, signal.SIG_IGN); os.write(w, b'.')\n"
    " while True: signal.pause()\nos.read(r, 1)\n"
)
AIMED = "r, w = os.pipe(); " + CHILD
END = "\nsay(child); os.kill(child, 9); os.waitpid(child, 0)"

CALLS = {
    "kill": ("os.kill(child, 12)", "SI_USER"),
    "tkill": ("libc.syscall(200, child, 12)", "SI_TKILL"),
    "tgkill": ("libc.syscall(234, child, child, 12)", "SI_TKILL"),
    "rt_sigqueueinfo": ("libc.syscall(129, child, 12, siginfo(12, 0, -1))", "SI_QUEUE"),
    "rt_tgsigqueueinfo": ("libc.syscall(297, child, child, 12, siginfo(12, 0, -1))", "SI_QUEUE"),
    "pidfd_send_signal": ("libc.syscall(424, os.pidfd_open(child), 12, 0, 0)", "SI_USER"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")
@pytest.mark.parametrize("call", CALLS)
def test_every_call_names_its_caller(everything: RunningAgent, call: str) -> None:
    how, code = CALLS[call]
    process, (child,) = run(AIMED + how + END)
    record = one_to(everything, child, NUMBER)
    assert told(record) == ("user", process.pid, call)
    assert record["killsnoop.signal.code"] == code
    assert "killsnoop.signal.forged" not in record
    assert record["killsnoop.target.signal.disposition"] == "ignored"


CALLS_32 = {
    "kill": "int80(37, child, 12)",
    "tkill": "int80(238, child, 12)",
    "tgkill": "int80(270, child, child, 12)",
    "rt_sigqueueinfo": "int80(178, child, 12, low(siginfo(12, 0, -1)))",
    "rt_tgsigqueueinfo": "int80(335, child, child, 12, low(siginfo(12, 0, -1)))",
    "pidfd_send_signal": "int80(424, os.pidfd_open(child), 12)",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")
@pytest.mark.parametrize("call", CALLS_32)
def test_a_32_bit_caller_is_named_too(everything: RunningAgent, call: str) -> None:
    process, (child,) = run(f"{AIMED}assert not {CALLS_32[call]}{END}")
    assert told(one_to(everything, child, NUMBER)) == ("user", process.pid, call)


FORGERIES = {
    "a timer's": ("siginfo(12, 0, -2)", True),
    "a resolver's": ("siginfo(12, 0, -60)", True),
    "an own one": ("siginfo(12, 0, -99)", True),
    "with an error": ("siginfo(12, 5, -1)", True),
    "a queue's": ("siginfo(12, 0, -3)", True),
    "honest": ("siginfo(12, 0, -1)", False),
    "honest aio": ("siginfo(12, 0, -4)", False),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number is x86_64's")
@pytest.mark.parametrize("case", FORGERIES)
def test_a_forgery_changes_nothing_and_is_told(everything: RunningAgent, case: str) -> None:
    """It claims to come from init."""
    info, forged = FORGERIES[case]
    process, (child,) = run(f"{AIMED}libc.syscall(129, child, 12, {info}){END}")
    record = one_to(everything, child, NUMBER)
    assert told(record) == ("user", process.pid, "rt_sigqueueinfo")
    assert record["killsnoop.signal.result"] == "ignored"
    assert record.get("killsnoop.signal.forged") == (True if forged else None)


def test_oneself_may_be_told_anything(everything: RunningAgent) -> None:
    """Even that it was a fault: the kernel takes it, and the call gives it away."""
    process, _ = run(
        "signal.signal(12, signal.SIG_IGN); libc.syscall(129, os.getpid(), 12, siginfo(12, 0, 128))"
    )
    record = one_to(everything, process.pid, NUMBER)
    assert told(record) == ("user", process.pid, "rt_sigqueueinfo")
    assert record["killsnoop.signal.forged"] is True


def test_a_fault_that_one_tells_oneself_is_a_forgery(everything: RunningAgent) -> None:
    """As a crash handler does that raises it again: with the fault's own siginfo."""
    process, _ = run(
        "pid = os.getpid(); libc.syscall(297, pid, pid, 11, siginfo(11, 0, 1)); time.sleep(9)"
    )
    assert process.returncode == -signal.SIGSEGV
    record = one_to(everything, process.pid, signal.SIGSEGV)
    assert told(record) == ("user", process.pid, "rt_tgsigqueueinfo")
    assert record["killsnoop.signal.code"] == "SEGV_MAPERR"
    assert record["killsnoop.signal.forged"] is True
    assert "killsnoop.signal.fault.address" not in record


def test_a_thread_of_ones_own_may_be_told_honestly_as_tkill_has_it(
    everything: RunningAgent,
) -> None:
    """SI_TKILL by rt_tgsigqueueinfo, which the kernel lets nobody claim towards others."""
    process, _ = run(
        "signal.signal(12, signal.SIG_IGN); pid = os.getpid()\n"
        "assert not libc.syscall(297, pid, pid, 12, siginfo(12, 0, -6))"
    )
    record = one_to(everything, process.pid, NUMBER)
    assert told(record) == ("user", process.pid, "rt_tgsigqueueinfo")
    assert record["killsnoop.signal.code"] == "SI_TKILL"
    assert "killsnoop.signal.forged" not in record


def test_cgroup_kill_is_its_writers(everything: RunningAgent) -> None:
    top = next(
        one for one in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
        if (one / "cgroup.controllers").exists()
    )  # fmt: skip
    group = top / f"killsnoop-kill-{os.getpid()}"
    group.mkdir()
    try:
        victims = [subprocess.Popen(["sleep", "600"]) for _ in range(3)]
        for one in victims:
            (group / "cgroup.procs").write_text(str(one.pid))
        writer, _ = run(f"open('{group}/cgroup.kill', 'w').write('1')")
        for one in victims:
            assert one.wait(20) == -signal.SIGKILL
            record = one_to(everything, one.pid, signal.SIGKILL)
            assert told(record) == ("cgroup.kill", writer.pid, "write")
            assert record["killsnoop.signal.cgroup"] == f"/{group.name}"
            assert record["killsnoop.signal.scope"] == "process"
    finally:
        group.rmdir()


def test_a_dying_parent_sends_what_its_child_asked_for(everything: RunningAgent) -> None:
    process, (child,) = run(
        "r, w = os.pipe(); child = os.fork()\n"
        "if not child: libc.prctl(1, 10, 0, 0, 0); os.write(w, b'.'); signal.pause()\n"
        "os.read(r, 1); say(child)"
    )
    assert told(one_to(everything, child, signal.SIGUSR1))[:2] == ("pdeathsig", process.pid)


def test_a_pid_namespace_goes_with_its_first_process(everything: RunningAgent) -> None:
    code = (
        "inner = os.fork()\nif not inner: signal.pause()\n"
        "print(os.stat('/proc/self/ns/pid').st_ino, flush=True); sys.stdin.readline()"
    )
    command = ["unshare", "--pid", "--fork", "--kill-child", "python3", "-c",
               f"import os, signal, sys\n{code}"]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        namespace = int(process.stdout.readline())
        (init,) = _children(process.pid)
        (inner,) = _children(init)
        process.communicate("\n", timeout=20)
    record = one_to(everything, inner, signal.SIGKILL)
    assert told(record)[:2] == ("pidns", init)
    assert record["killsnoop.signal.namespace"] == namespace
    assert record["killsnoop.source.process.vpid"] == 1


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_tracer_that_ends_takes_whom_it_traced_along(everything: RunningAgent) -> None:
    process, (child,) = run(
        "r, w = os.pipe(); child = os.fork()\nif not child: signal.pause()\n"
        "assert not libc.ptrace(0x4206, child, 0, ctypes.c_void_p(0x100000))\nsay(child)"
    )
    record = one_to(everything, child, signal.SIGKILL)
    assert told(record)[:2] == ("ptrace", process.pid)


def test_a_threads_signal_is_its_processs(everything: RunningAgent) -> None:
    process, (child, tid) = run(
        AIMED + "import threading; tid = []\n"
        "def send(): tid.append(threading.get_native_id()); os.kill(child, 12)\n"
        "t = threading.Thread(target=send); t.start(); t.join(); say(child, tid[0])\n"
        "os.kill(child, 9); os.waitpid(child, 0)"
    )
    record = one_to(everything, child, NUMBER)
    assert told(record) == ("user", process.pid, "kill")
    assert record["killsnoop.source.thread.id"] == tid != process.pid


def test_nobody_is_named_by_what_others_do(everything: RunningAgent) -> None:
    """The same call by two processes at once, each named for its own."""
    _, pids = run(
        "targets = []\nfor _ in range(2):\n r, w = os.pipe()\n "
        + CHILD.replace("\n", "\n ")
        + "\n targets.append(child)\nsenders = []\nfor target in targets:\n"
        " sender = os.fork()\n if not sender:\n"
        "  for _ in range(7): os.kill(target, 12)\n  os._exit(0)\n"
        " senders.append(sender)\n"
        "for one in senders: os.waitpid(one, 0)\nsay(*targets, *senders)\n"
        "for one in targets: os.kill(one, 9)"
    )
    first, second, one, other = pids
    for target, sender in ((first, one), (second, other)):
        records = to(everything, target, NUMBER, 7)
        assert {record[NAME] for record in records} == {sender}
        assert len(records) == 7
