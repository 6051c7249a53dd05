"""A real process that does as it is told: the workload of the kernel tests.

Run as a script it reads one JSON list a line, [name, argument, ...], does that, and answers with
one line of JSON. As a module it has `Puppet`, the other end of the two pipes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_SET_NAME = 15  # PR_SET_NAME
CLONE_PARENT = 0x8000
# tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, clone, exit: none has a function of the C library
# that does just this. From the kernel's own tables, not from ours.
_NUMBERS = {"x86_64": (200, 129, 297, 56, 60)}
_TKILL, _QUEUE, _QUEUE_THREAD, _CLONE, _EXIT = _NUMBERS.get(
    os.uname().machine, (130, 138, 240, 220, 93)
)

_libc = ctypes.CDLL(None, use_errno=True)


def system_call(number: int, *arguments: Any) -> int:
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *words))


def _siginfo(number: int, code: int) -> ctypes.Array[ctypes.c_int]:
    """si_signo, si_errno and si_code, which may be any below 0."""
    return (ctypes.c_int * 32)(number, 0, code)


class _Worker:
    """A thread that does one thing after the other, so that it is the caller of system calls."""

    def __init__(self) -> None:
        self.todo: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.tid = 0
        threading.Thread(target=self._run, daemon=True).start()
        self.tid = self.do(threading.get_native_id)

    def _run(self) -> None:
        while True:
            self.done.put(self.todo.get()())

    def do(self, what: Callable[[], Any]) -> Any:
        self.todo.put(what)
        return self.done.get()


_workers: list[_Worker] = []


def _in(thread: int, what: Callable[[], Any]) -> Any:
    """thread: 0 for the leader, 1 for the first worker, and so on."""
    return _workers[thread - 1].do(what) if thread else what()


def identity() -> list[int]:
    """pid, and the start time in clock ticks."""
    stat = Path("/proc/self/stat").read_bytes()
    return [os.getpid(), int(stat.rpartition(b")")[2].split()[19])]


def thread() -> int:
    """One more worker; its tid."""
    _workers.append(_Worker())
    return _workers[-1].tid


def rename(name: str, of: int = 0) -> None:
    _in(of, lambda: _libc.prctl(_SET_NAME, name.encode("latin-1"), 0, 0, 0))


def become(uid: int, gid: int) -> None:
    """The real user and group; the effective ones, and with them the privileges, stay."""
    os.setresgid(gid, -1, -1)
    os.setresuid(uid, -1, -1)


def act_as(uid: int, gid: int) -> None:
    """The effective user and group; the real ones stay, and so kill(2) among puppets goes on."""
    for libc_call, one in ((os.setresgid, gid), (os.setresuid, uid)):
        libc_call(-1, one, -1)


def ignore(numbers: list[int]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def send(of: int, how: str, pid: int, tid: int, number: int, count: int, code: int = -1) -> int:
    """Signals from one of our threads, by one system call each; how many the kernel took."""
    held: int | None = os.pidfd_open(pid) if how == "pidfd_send_signal" else None
    info = _siginfo(number, code)

    def one() -> int:
        if how == "kill":
            return int(_libc.kill(pid, number))
        if how == "tkill":
            return system_call(_TKILL, tid, number)
        if how == "tgkill":
            return int(_libc.tgkill(pid, tid, number))
        if how == "rt_sigqueueinfo":
            return system_call(_QUEUE, pid, number, info)
        if how == "rt_tgsigqueueinfo":
            return system_call(_QUEUE_THREAD, pid, tid, number, info)
        assert held is not None
        signal.pidfd_send_signal(held, number)
        return 0

    def all_of_them() -> int:
        return sum(one() == 0 for _ in range(count))

    try:
        return int(_in(of, all_of_them))
    finally:
        if held is not None:
            os.close(held)


def spawn(of: int, arguments: list[str]) -> list[int]:
    """Run a program by posix_spawn in one of our threads; pid and status of wait(2)."""

    def run() -> list[int]:
        words = [one.encode("latin-1") for one in arguments]
        return list(os.waitpid(os.posix_spawn(words[0], words, {}), 0))

    answer: list[int] = _in(of, run)
    return answer


def fork(of: int, exit_code: int) -> list[int]:
    """A child that runs no program; pid and status of wait(2)."""

    def run() -> list[int]:
        pid = os.fork()
        if pid == 0:
            os._exit(exit_code)
        return list(os.waitpid(pid, 0))

    answer: list[int] = _in(of, run)
    return answer


def children(count: int) -> list[int]:
    """Children that stay until the process group is killed; their pids."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            while True:
                signal.pause()
        pids.append(pid)
    return pids


def queue_at_most(count: int) -> None:
    """Unix signals that may be queued for our real user."""
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (count, count))


def sibling(exit_code: int) -> int:
    """A child of our parent, who must wait for it; its pid."""
    pid = system_call(_CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(exit_code)
    return pid


def race(children: int, threads: int) -> list[int]:
    """Children whose threads all leave at once, each by itself; their pids."""
    pids = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            gate = threading.Barrier(threads)

            def leave(gate: threading.Barrier = gate) -> None:
                gate.wait()
                system_call(_EXIT, 0)

            for _ in range(threads - 1):
                threading.Thread(target=leave, daemon=True).start()
            leave()
        os.waitpid(pid, 0)
        pids.append(pid)
    return pids


def replace(of: int, arguments: list[str]) -> None:
    """exec by one of our threads, which then is the leader. There is no answer."""
    words = [one.encode("latin-1") for one in arguments]
    _in(of, lambda: os.execv(words[0], words))


def main() -> None:
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(globals()[name](*arguments)), flush=True)


class Puppet:
    """The other end. Made by `puppet`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid, self.start_ticks = self.do("identity")

    def do(self, name: str, *arguments: Any) -> Any:
        """What the function of this name answers."""
        self.begin(name, *arguments)
        return self.answer()

    def begin(self, name: str, *arguments: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self) -> int:
        """Kill it and its children; the exit code as `subprocess` has it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        return code


@contextlib.contextmanager
def puppet() -> Iterator[Puppet]:
    one = Puppet()
    try:
        yield one
    finally:
        one.end()


if __name__ == "__main__":
    main()
