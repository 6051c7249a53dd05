"""What /proc says of logins, of threads, and of processes in nested PID namespaces."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from otel_killsnoop.processes.node import TICK
from otel_killsnoop.processes.procfs import number, status
from otel_killsnoop.processes.snapshot import Snapshot

SLEEPER = "import time; print(flush=True); time.sleep(60)"
THREADED = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"


def children(pid: int) -> list[int]:
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in found]


@pytest.fixture
def nested() -> Iterator[list[int]]:
    """Pids of a process in a PID namespace, and of one in a namespace inside of that."""
    inner = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", SLEEPER]
    outer = ["unshare", "--pid", "--fork", "--kill-child", *inner]
    with subprocess.Popen(outer, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"\n":
                pytest.skip("no PID namespace can be made here")
            (first,) = children(process.pid)
            (second,) = children(first)
            yield [first, second]
        finally:
            process.kill()


def test_each_level_has_its_inode_and_the_number_there(nested) -> None:
    snapshot = Snapshot("/")
    inodes = [os.stat(f"/proc/{pid}/ns/pid").st_ino for pid in nested]
    first, second = (snapshot.look_up(pid) for pid in nested)
    assert first is not None
    assert second is not None
    assert first.levels == ((inodes[0], 1),)
    assert [inode for inode, _ in second.levels] == inodes
    assert second.levels[1][1] == 1
    assert second.levels[0][1] > 1
    assert (first.vpid, second.vpid) == (1, 1)


def test_a_process_of_the_hosts_namespace_has_none() -> None:
    entry = Snapshot("/").look_up(os.getpid())
    assert entry is not None
    assert entry.levels == ()
    assert entry.vpid == os.getpid()


def test_the_login_is_what_the_audit_system_says(tmp_path: pathlib.Path) -> None:
    snapshot = Snapshot("/")
    entry = snapshot.look_up(os.getpid())
    assert entry is not None
    own = pathlib.Path("/proc/self/loginuid")
    said = int(own.read_text()) if own.exists() else 0xFFFFFFFF
    assert entry.login_uid == (None if said == 0xFFFFFFFF else said)
    if entry.login_uid is not None:
        assert entry.audit_session == int(pathlib.Path("/proc/self/sessionid").read_text())
    else:
        assert entry.audit_session is None


def test_a_login_that_is_set_is_read() -> None:
    """loginuid may be written once by a process that has none, with the right to."""
    code = "open('/proc/self/loginuid', 'w').write('4242');" + SLEEPER
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"\n":
                pytest.skip("no login can be made here")
            entry = Snapshot("/").look_up(process.pid)
            assert entry is not None
            assert entry.login_uid == 4242
            said = pathlib.Path(f"/proc/{process.pid}/sessionid").read_text()
            assert entry.audit_session == number(said.encode())
        finally:
            process.kill()


def test_a_thread_leads_to_its_process() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", THREADED + SLEEPER], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            snapshot = Snapshot("/")
            entry = snapshot.look_up(process.pid)
            assert entry is not None
            tids = [int(tid) for tid in os.listdir(f"/proc/{process.pid}/task")]
            assert len(tids) == 2
            for tid in tids:
                found = snapshot.owner(tid)
                assert found is not None
                assert found[0] == process.pid
                assert entry.ticks <= found[1] <= entry.ticks + 60_000_000_000 // TICK
        finally:
            process.kill()
    assert snapshot.owner(process.pid) is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"Name:\tx\nTgid:\t5\nNSpid:\t5\n", (5, (5,))),
        (b"Tgid:\t5\nNSpid:\t5\t2\t1\nNSpgid:\t9\n", (5, (5, 2, 1))),
        (b"Name:\tTgid:\t9\\nTgid:\t9\nTgid:\t5\n", (5, ())),
        (b"Tgid:\t5\nNSpid:\n", (5, ())),
        (b"", (0, ())),
    ],
)
def test_status_is_read_by_its_lines(raw, said) -> None:
    assert status(raw) == said


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"0", 0), (b"1000\n", 1000), (b"4294967295", None), (b"", None), (b"x", None), (b"-1", None)],
)
def test_no_login_is_the_largest_number(raw, said) -> None:
    assert number(raw) == said
