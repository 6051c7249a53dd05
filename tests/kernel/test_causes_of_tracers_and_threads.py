"""Tracers, single threads, and who only looks like a fault or like somebody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from raised import one_to, run, told
from real_collector import wait_until
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel
x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")

CHILD = (
    "r, w = os.pipe(); child = os.fork()\n"
    "if not child:\n signal.signal(12, signal.SIG_IGN); os.write(w, b'.')\n"
    " while True: signal.pause()\nos.read(r, 1)\n"
)
ENDS = "\nos.kill(child, 9); os.waitpid(child, 0); say(child)"
ATTACH = "assert not libc.ptrace(16, child, 0, 0); os.waitpid(child, 0)\n"


# --- tracers --------------------------------------------------------------------------------


def test_a_tracer_stops_whom_it_attaches_to(everything: RunningAgent) -> None:
    process, (child,) = run(CHILD + ATTACH + ENDS)
    record = one_to(everything, child, signal.SIGSTOP)
    assert told(record) == ("ptrace", process.pid, "ptrace")
    assert record["killsnoop.signal.scope"] == "thread"


def test_a_tracer_kills(everything: RunningAgent) -> None:
    process, (child,) = run(
        CHILD + ATTACH + "libc.ptrace(8, child, 0, 0); os.waitpid(child, 0); say(child)"
    )
    assert told(one_to(everything, child, signal.SIGKILL)) == ("ptrace", process.pid, "ptrace")


def test_a_single_step_has_no_sender(everything: RunningAgent) -> None:
    _, (child,) = run(
        CHILD.replace("signal.pause()", "pass") + ATTACH
        + "assert not libc.ptrace(9, child, 0, 0); os.waitpid(child, 0)" + ENDS
    )  # fmt: skip
    record = one_to(everything, child, signal.SIGTRAP)
    assert told(record) == ("ptrace", None, None)
    assert record["killsnoop.signal.code"] == "TRAP_TRACE"


def test_a_traced_exec_has_no_sender(everything: RunningAgent) -> None:
    _, (child,) = run(
        "child = os.fork()\n"
        "if not child: libc.ptrace(0, 0, 0, 0); os.execv('/bin/true', ['true'])\n"
        "os.waitpid(child, 0)" + ENDS
    )
    assert told(one_to(everything, child, signal.SIGTRAP)) == ("ptrace", None, None)


def test_a_stop_of_the_traced_is_told_to_the_tracer(everything: RunningAgent) -> None:
    process, (child,) = run(CHILD + ATTACH + ENDS)
    record = one_to(everything, process.pid, signal.SIGCHLD, "CLD_TRAPPED")
    assert told(record)[:2] == ("child", child)


# --- threads and namespaces -----------------------------------------------------------------


def test_a_thread_that_ends_is_a_parent_that_died(everything: RunningAgent) -> None:
    """PR_SET_PDEATHSIG is about the thread that forked; its process lives on."""
    process, (child, tid) = run(
        "import threading; r, w = os.pipe(); told = []\ndef parent():\n child = os.fork()\n"
        " if not child:\n  signal.signal(10, signal.SIG_IGN); libc.prctl(1, 10, 0, 0, 0)\n"
        "  os.write(w, b'.'); signal.pause()\n"
        " told.extend([child, threading.get_native_id()]); os.read(r, 1)\n"
        "t = threading.Thread(target=parent); t.start(); t.join()\n"
        # The thread is gone from Python's sight before it is from the kernel's.
        "while os.path.exists(f'/proc/self/task/{told[1]}'): pass\n"
        "os.kill(told[0], 9); os.waitpid(told[0], 0); say(*told)"
    )
    record = one_to(everything, child, signal.SIGUSR1)
    assert told(record)[:2] == ("pdeathsig", process.pid)
    assert record["killsnoop.source.thread.id"] == tid != process.pid


def test_a_killed_first_process_takes_its_namespace_along(everything: RunningAgent) -> None:
    """Whoever killed it is named for that one only."""
    code = (
        "import os, signal\nif not os.fork():\n print(1, flush=True); signal.pause()\n"
        "signal.pause()"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (init,) = _children(process.pid)
        (inner,) = _children(init)
        os.kill(init, signal.SIGKILL)
        process.communicate(timeout=20)
    assert told(one_to(everything, init, signal.SIGKILL)) == ("user", os.getpid(), "kill")
    record = one_to(everything, inner, signal.SIGKILL)
    assert told(record)[:2] == ("pidns", init)
    wait_until(lambda: not Path(f"/proc/{inner}").exists(), 20, "the namespace to be gone")


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_timer_of_one_thread(everything: RunningAgent) -> None:
    process, _ = run(
        "signal.signal(12, signal.SIG_IGN); timer = ctypes.c_int()\n"
        "event = ctypes.create_string_buffer(struct.pack('qiii', 0, 12, 4, os.getpid()), 64)\n"
        "assert not libc.timer_create(1, event, ctypes.byref(timer))\n"
        "once = ctypes.create_string_buffer(struct.pack('qqqq', 0, 0, 0, 3000000))\n"
        "assert not libc.timer_settime(timer.value, 0, once, None); time.sleep(.1)"
    )
    record = one_to(everything, process.pid, signal.SIGUSR2)
    assert told(record) == ("timer", None, None)
    assert record["killsnoop.signal.scope"] == "thread"


# --- what looks like something else -----------------------------------------------------------

SENDS = {
    "pidfd": ("libc.syscall(424, os.pidfd_open(child), 12, siginfo(12, 0, -2), 0)",
              "pidfd_send_signal", "process"),
    "a thread": ("libc.syscall(297, child, child, 12, siginfo(12, 0, -60))",
                 "rt_tgsigqueueinfo", "thread"),
}  # fmt: skip


@x86_64
@pytest.mark.parametrize("how", SENDS)
def test_other_calls_forge_too(everything: RunningAgent, how: str) -> None:
    doing, call, scope = SENDS[how]
    process, (child,) = run(f"{CHILD}assert not {doing}{ENDS}")
    record = one_to(everything, child, signal.SIGUSR2)
    assert told(record) == ("user", process.pid, call)
    assert record["killsnoop.signal.scope"] == scope
    assert record["killsnoop.signal.forged"] is True


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGALRM, signal.SIGPIPE, signal.SIGHUP,
                                    signal.SIGABRT, signal.SIGXCPU, signal.SIGTTIN])  # fmt: skip
def test_the_kernels_own_signals_by_hand_are_a_processs(
    everything: RunningAgent, number: int
) -> None:
    process, (child,) = run(f"{CHILD}os.kill(child, {int(number)}){ENDS}")
    assert told(one_to(everything, child, number)) == ("user", process.pid, "kill")


def test_a_page_that_may_not_be_written(everything: RunningAgent) -> None:
    process, _ = run(
        "libc.mmap.restype = ctypes.c_void_p; page = libc.mmap(None, 4096, 1, 0x22, -1, 0)\n"
        "ctypes.memset(page, 0, 1)"
    )
    assert process.returncode == -signal.SIGSEGV
    record = one_to(everything, process.pid, signal.SIGSEGV)
    assert told(record) == ("fault", None, None)
    assert record["killsnoop.signal.code"] == "SEGV_ACCERR"


@x86_64
def test_a_frame_that_cannot_be_restored(everything: RunningAgent) -> None:
    """rt_sigreturn on no stack: the kernel itself gives up on the process."""
    process, _ = run("machine('31e4 b80f000000 0f05')(0, 0, 0, 0, 0)")
    assert process.returncode == -signal.SIGSEGV
    record = one_to(everything, process.pid, signal.SIGSEGV)
    assert told(record) == ("fault", None, None)
