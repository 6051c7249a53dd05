"""The snapshot against real processes with awkward names, arguments and states."""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.node import KERNEL_THREAD, TICK
from otel_killsnoop.processes.procfs import ARGS_LIMIT, Stat, cgroup_of, split
from otel_killsnoop.processes.snapshot import Snapshot

READY = "import sys, time; sys.stdout.write('r'); sys.stdout.flush(); time.sleep(60)"
RENAME = (
    "import ctypes, sys, time; "
    "ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0); "
    "sys.stdout.write('r'); sys.stdout.flush(); time.sleep(60)"
)


@pytest.fixture
def run() -> Iterator:
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: bytes | str, wait: bool = True, **options) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(args, stdout=subprocess.PIPE, **options)
        started.append(process)
        if wait:
            assert process.stdout.read(1) == b"r"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    "comm", [b"a) R 1 (b", b"two\nlines", b"with space", b")", b"\xff\x01\x02", b"fifteen-bytes-x"]
)
def test_a_comm_of_any_bytes_is_read_raw(run, comm: bytes) -> None:
    process = run(sys.executable, "-c", RENAME, comm.hex())
    entry = Snapshot("/").look_up(process.pid)
    assert entry is not None
    assert entry.comm == comm
    assert entry.ppid == os.getpid()
    assert entry.vpid == process.pid


@pytest.mark.parametrize(
    "args",
    [
        (b"",),
        (b"", b"", b"x"),
        (b"a b", b"c\nd", b"\xff\xfe", b"*"),
        (b"x" * 9000, b"last"),
    ],
)
def test_arguments_of_any_bytes_are_split_exactly(run, args) -> None:
    process = run(sys.executable, "-c", READY, *args)
    entry = Snapshot("/").look_up(process.pid)
    assert entry is not None
    assert entry.args == (os.fsencode(sys.executable), b"-c", READY.encode(), *args)
    assert entry.args_count == 3 + len(args)
    assert not entry.args_cut
    assert os.path.samefile(entry.path, sys.executable)
    assert (entry.uid, entry.gid) == (os.getuid(), os.getgid())


def test_long_arguments_are_cut_and_counted(run) -> None:
    process = run(sys.executable, "-c", READY, *["y" * 99] * 1000)
    entry = Snapshot("/").look_up(process.pid)
    assert entry is not None
    assert entry.args_cut
    assert entry.args_count == 1003
    assert sum(map(len, entry.args)) + len(entry.args) - 1 == ARGS_LIMIT


def test_a_zombie_has_a_name_and_no_arguments(run) -> None:
    process = run("true", wait=False)
    state = pathlib.Path(f"/proc/{process.pid}/stat")
    for _ in range(500):
        if ") Z " in state.read_text():
            break
        time.sleep(0.01)
    entry = Snapshot("/").look_up(process.pid)
    assert entry is not None
    assert (entry.comm, entry.args, entry.args_count, entry.path) == (b"true", (), 0, b"")


def test_kernel_threads_are_told_by_their_flag_and_named_as_the_kernel_does() -> None:
    entries = Snapshot("/").take().entries
    threads = [entry for entry in entries if entry.flags & KERNEL_THREAD]
    assert threads
    assert all(entry.args == () and entry.path == b"" for entry in threads)
    for entry in threads:
        status = pathlib.Path(f"/proc/{entry.pid}/comm").read_bytes()
        assert len(entry.comm) <= 15
        assert status.startswith(entry.comm)


def test_a_thread_that_is_not_a_leader_and_a_pid_that_is_gone_are_none(run) -> None:
    code = "import threading, time; t = threading.Thread(target=time.sleep, args=(60,)); t.start();"
    process = run(sys.executable, "-c", code + READY)
    threads = [int(tid) for tid in os.listdir(f"/proc/{process.pid}/task")]
    other = next(tid for tid in threads if tid != process.pid)
    assert Snapshot("/").look_up(other) is None
    process.kill()
    process.wait()
    assert Snapshot("/").look_up(process.pid) is None


def test_the_listing_has_every_process_and_its_start_to_the_tick(run) -> None:
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    process = run(sys.executable, "-c", READY)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    listing = Snapshot("/").take()
    by_pid = {entry.pid: entry for entry in listing.entries}
    assert {1, os.getpid(), process.pid} <= set(by_pid)
    assert before // TICK <= by_pid[process.pid].ticks <= after // TICK
    assert after <= listing.began


def test_processes_come_and_go_while_they_are_listed(run) -> None:
    churn = run("sh", "-c", "echo r; i=0; while [ $i -lt 2000 ]; do true & i=$((i+1)); done; wait")
    snapshot = Snapshot("/")
    while churn.poll() is None:
        assert os.getpid() in {entry.pid for entry in snapshot.take().entries}


def test_another_root_is_where_proc_is_read(tmp_path: pathlib.Path) -> None:
    assert Snapshot(str(tmp_path)).take().entries == []
    (tmp_path / "proc").symlink_to("/proc")
    assert Snapshot(str(tmp_path)).look_up(os.getpid()) is not None


def test_the_host_s_table_is_seeded_with_all_of_it() -> None:
    host = Host("/")
    seeded = host.seed()
    assert seeded >= 3
    assert host.table.counts().entries == seeded


def test_the_name_set_by_prctl_in_a_leader_is_what_signals_carry() -> None:
    # Guards the assumption of the tests above that prctl(15) is PR_SET_NAME here.
    libc = ctypes.CDLL(None)
    old = ctypes.create_string_buffer(16)
    libc.prctl(16, old, 0, 0, 0)
    libc.prctl(15, b"look)here", 0, 0, 0)
    try:
        entry = Snapshot("/").look_up(os.getpid())
    finally:
        libc.prctl(15, old.value, 0, 0, 0)
    assert entry is not None
    assert entry.comm == b"look)here"


@pytest.mark.parametrize(
    ("raw", "args", "count"),
    [
        (b"", (), 0),
        (b"\0", (b"",), 1),
        (b"a\0", (b"a",), 1),
        (b"a\0\0", (b"a", b""), 2),
        (b"a\0b c\0", (b"a", b"b c"), 2),
        (b"no-nul-at-end", (b"no-nul-at-end",), 1),
        (b"nginx: worker process\0\0\0\0\0", (b"nginx: worker process",), 1),
        (b"printf\0\0\0\0", (b"printf", b"", b"", b""), 4),
    ],
)
def test_cmdline_is_split_at_each_nul(raw, args, count) -> None:
    assert split(raw) == (args, count, False)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        (b"5:memory:/docker/x\n1:name=systemd:/y\n0::/z\n", "/docker/x"),
        (b"5:cpu,memory:/\n0::/z\n", "/z"),
        (b"5:memory:/\n", "/"),
        (b"0::/../../kubepods/x\n", "/kubepods/x"),
        (b"0::/..\n", "/"),
        (b"0::/a:b:c\n", "/a:b:c"),
        (b"1:name=systemd:/y\n", None),
        (b"", None),
        (b"\xff\n:\n", None),
    ],
)
def test_the_path_that_says_most_is_taken(raw, path) -> None:
    assert cgroup_of(raw) == path


FILES = ("stat", "status", "cmdline", "cgroup", "loginuid", "sessionid")


class Reused(Snapshot):
    """A /proc in which one number is given to another process before a read of its files."""

    def __init__(self, root: pathlib.Path, pid: int, before: int) -> None:
        super().__init__(str(root))
        self.reads = 0
        self._place, self._at = root / "proc" / str(pid), before

    def _read(self, pid: int, name: str, limit: int = 65536) -> bytes:
        if self.reads == self._at:
            self._place.unlink()
            self._place.symlink_to("second")
        self.reads += 1
        return super()._read(pid, name, limit)


def test_a_number_that_is_given_again_meanwhile_makes_no_mixture(run, tmp_path) -> None:
    """Whatever is read last of the first process: it is all of one, or nothing."""
    first = run(sys.executable, "-c", READY, "first")
    time.sleep(0.05)  # of another tick
    second = run(sys.executable, "-c", READY, "second")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_bytes(pathlib.Path("/proc/stat").read_bytes())
    pid = first.pid
    for name, process in (("first", first), ("second", second)):
        made = tmp_path / "proc" / name
        made.mkdir()
        for file in FILES:
            path = pathlib.Path(f"/proc/{process.pid}/{file}")
            text = path.read_bytes() if path.exists() else b""
            (made / file).write_bytes(text.replace(str(process.pid).encode(), str(pid).encode()))
    link = tmp_path / "proc" / str(pid)
    told = []
    for before in range(20):
        link.unlink(missing_ok=True)
        link.symlink_to("first")
        snapshot = Reused(tmp_path, pid, before)
        entry = snapshot.look_up(pid)
        told.append(None if entry is None else (entry.ticks, entry.args[-1]))
        if before > snapshot.reads:
            break
    of_each = [ticks_of(tmp_path / "proc" / name) for name in ("first", "second")]
    assert of_each[0] != of_each[1]
    # Before the first read it is the second; after the last one the first; and else unknown.
    assert told[0] == (of_each[1], b"second")
    assert told[-1] == (of_each[0], b"first")
    assert set(told[1:-1]) <= {None, (of_each[0], b"first")}
    assert None in told


def ticks_of(directory: pathlib.Path) -> int:
    return Stat((directory / "stat").read_bytes()).ticks
