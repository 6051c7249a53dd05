"""Signals from a terminal, and to sessions and process groups that lose theirs."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from raised import PRELUDE, one_to, run, to, told
from real_processes import PYTHON
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

LEADER = (
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "for number in (2, 3, 20, 28): signal.signal(number, signal.SIG_IGN)\n"
    "say('ready'); signal.pause()"
)


class Terminal:
    """A pty with a session of its own in it. pid: the session's leader, in the foreground."""

    def __init__(self, lines: str = LEADER) -> None:
        self.master, slave = pty.openpty()
        self.name = os.ttyname(slave).removeprefix("/dev/")
        self.process = subprocess.Popen(
            [*PYTHON, "-c", PRELUDE + lines],
            stdin=slave, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().split()

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.master)
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    one = Terminal()
    yield one
    one.close()


@pytest.mark.parametrize(
    ("key", "number"),
    [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT), (b"\x1a", signal.SIGTSTP)],
    ids=["Ctrl-C", "Ctrl-backslash", "Ctrl-Z"],
)
def test_a_key_has_no_sender(
    everything: RunningAgent, terminal: Terminal, key: bytes, number: int
) -> None:
    os.write(terminal.master, key)
    record = one_to(everything, terminal.pid, number)
    assert told(record) == ("tty", None, None)
    assert record["killsnoop.signal.tty"] == terminal.name.replace("/", "") or (
        record["killsnoop.signal.tty"] == terminal.name
    )
    assert record["killsnoop.signal.session.pid"] == terminal.pid


def test_a_window_size_is_who_set_it(everything: RunningAgent, terminal: Terminal) -> None:
    process, _ = run(
        "fcntl.ioctl(int(sys.argv[1]), termios.TIOCSWINSZ, struct.pack('HHHH', 11, 22, 0, 0))",
        str(terminal.master), pass_fds=[terminal.master],
    )  # fmt: skip
    record = one_to(everything, terminal.pid, signal.SIGWINCH)
    assert told(record) == ("tty", process.pid, "ioctl")
    assert record["killsnoop.signal.session.pid"] == terminal.pid


def test_a_hang_up_is_who_closed_the_other_end(everything: RunningAgent) -> None:
    one = Terminal()
    try:
        os.close(one.master)
        # The first one; ending by it, the leader sends one more to its foreground, itself.
        record = to(everything, one.pid, signal.SIGHUP)[0]
        assert told(record) == ("tty", os.getpid(), "close")
        assert record["killsnoop.signal.session.pid"] == one.pid
    finally:
        one.close()


def test_a_leader_that_ends_takes_its_foreground_along(everything: RunningAgent) -> None:
    lines = (
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\nr, w = os.pipe(); child = os.fork()\n"
        "if not child:\n signal.signal(22, signal.SIG_IGN); os.setpgid(0, 0)\n"
        " os.tcsetpgrp(0, os.getpid()); os.write(w, b'.')\n signal.pause()\n"
        "os.read(r, 1); say(child)"
    )
    one = Terminal(lines)
    try:
        child = int(one.said[0])
        one.process.wait(20)
        record = one_to(everything, child, signal.SIGHUP)
        assert told(record)[:2] == ("session", one.pid)
        assert record["killsnoop.signal.session.reason"] == "leader_exit"
    finally:
        one.close()


def test_a_stopped_group_that_is_orphaned_names_who_left_it(everything: RunningAgent) -> None:
    _, (middle, child) = run(
        "r, w = os.pipe(); middle = os.fork()\n"
        "if not middle:\n child = os.fork()\n if not child:\n  os.setpgid(0, 0)\n"
        "  os.write(w, b'.'); signal.pause()\n"
        " os.read(r, 1); os.kill(child, 19); os.waitpid(child, os.WUNTRACED)\n"
        " say(os.getpid(), child); os._exit(0)\n"
        "os.waitpid(middle, 0)", start_new_session=True,
    )  # fmt: skip
    for number in (signal.SIGHUP, signal.SIGCONT):
        record = one_to(everything, child, number)
        assert told(record)[:2] == ("session", middle)
        assert record["killsnoop.signal.session.reason"] == "orphaned_group"


@pytest.mark.parametrize(
    ("number", "doing"),
    [(signal.SIGTTIN, "os.read(0, 1)"), (signal.SIGTTOU, "os.tcsetpgrp(0, os.getpgrp())")],
)
def test_a_job_in_the_background_is_told_by_itself(
    everything: RunningAgent, number: int, doing: str
) -> None:
    one = Terminal(
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\nr, w = os.pipe(); child = os.fork()\n"
        f"if not child:\n os.setpgid(0, 0)\n {doing}\n os._exit(0)\n"
        "os.waitpid(child, os.WUNTRACED); say(child); signal.pause()"
    )
    try:
        child = int(one.said[0])
        record = one_to(everything, child, number)
        assert told(record)[:2] == ("job", child)
        assert record["killsnoop.signal.session.pid"] == one.pid
    finally:
        one.close()


@pytest.mark.parametrize("session", ["its own", "the caller's"])
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_hang_up_is_whose_end_closed_the_other_end(
    everything: RunningAgent, session: str, end: str
) -> None:
    """An emulator or a login server that ends is no leader of the session that it hangs up."""
    one = Terminal()
    try:
        with subprocess.Popen(
            [*PYTHON, "-c", f"{PRELUDE}say('ready'); sys.stdin.readline(); {end}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[one.master],
            start_new_session=session == "its own",
        ) as emulator:  # fmt: skip
            assert emulator.stdout is not None
            emulator.stdout.readline()
            os.close(one.master)
            emulator.communicate(b"\n", timeout=20)
        record = to(everything, one.pid, signal.SIGHUP)[0]
        assert told(record) == ("tty", emulator.pid, None)
        assert record["killsnoop.signal.session.pid"] == one.pid
        assert "killsnoop.signal.session.reason" not in record
    finally:
        one.close()


BEFORE = "for number in (1, 18): signal.signal(number, signal.SIG_IGN)\n"
LEAVING = {
    "TIOCNOTTY": ("ioctl", "fcntl.ioctl(0, termios.TIOCNOTTY, 0)"),
    "vhangup": ("vhangup", "assert not libc.vhangup()"),
}


@pytest.mark.parametrize("how", LEAVING)
def test_a_terminal_that_is_given_up_is_who_did_so(everything: RunningAgent, how: str) -> None:
    call, doing = LEAVING[how]
    one = Terminal(
        f"{BEFORE}fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{doing}\nsay('done'); signal.pause()"
    )
    try:
        for number in (signal.SIGHUP, signal.SIGCONT):
            record = one_to(everything, one.pid, number)
            assert told(record) == ("tty", one.pid, call)
    finally:
        one.close()


def test_a_key_pressed_by_ioctl_is_the_callers(
    everything: RunningAgent, terminal: Terminal
) -> None:
    """TIOCSIG, as a login server does for a client's interrupt."""
    process, _ = run(
        "fcntl.ioctl(int(sys.argv[1]), 0x40045436, 2)",
        str(terminal.master), pass_fds=[terminal.master],
    )  # fmt: skip
    record = one_to(everything, terminal.pid, signal.SIGINT)
    assert told(record) == ("tty", process.pid, "ioctl")
    assert record["killsnoop.signal.session.pid"] == terminal.pid
