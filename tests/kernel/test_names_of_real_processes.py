"""Names, arguments, users and places of real processes, awkward ones first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from real_processes import RARE, RARE_NAME, Subject, above, comm_of, parent_of, settle, tree
from running_agent import RunningAgent
from watching import is_rare, send, side, texts, to

pytestmark = pytest.mark.kernel

KTHREADD = 2
HIERARCHIES = {  # that the host may have, and a file that says so
    "v2": ("/sys/fs/cgroup", "cgroup.controllers"),
    "v2 beside v1": ("/sys/fs/cgroup/unified", "cgroup.controllers"),
    "v1": ("/sys/fs/cgroup/memory", "tasks"),
}
MOUNTED = [name for name, (top, file) in HIERARCHIES.items() if Path(top, file).exists()]


# --- names and arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "comm",
    [b"a) R 1 (b", b")", b"two\nlines", b"with some space", b"\xff\x01\x02", "日本".encode(), b""],
)
def test_a_name_of_any_bytes_on_either_side_and_above(
    watching: RunningAgent, subject: Callable[..., Subject], comm: bytes
) -> None:
    one = subject(
        "rename(bytes.fromhex(sys.argv[1]))\n"
        "child = os.fork()\n"
        "if not child: signal.pause()\n"
        "say(child); wait(); os.kill(child, RARE); wait(); os.kill(child, 9)",
        comm.hex(),
    )
    [child] = one.heard()
    one.go()
    [record] = watching.wait_records(1, to(child))
    one.go()
    name = comm.decode("utf-8", "replace")
    for which, pid in (("source", one.pid), ("target", child)):
        told = side(record, which)
        assert told["process.executable.name"] == name
        assert told["process.tree"].startswith(f"{name}[{pid}] < ")
    assert side(record, "target")["process.ancestors.pids"][0] == one.pid
    assert side(record, "target")["process.ancestors.names"][0] == name
    assert record["body"] == f"{RARE_NAME} from {name}[{one.pid}] to {name}[{child}]"


@pytest.mark.parametrize(
    "name", [b"a) Z 0 (", b"x\ny", b"of \xff\xfe", b"longer than fifteen bytes"]
)
def test_a_program_file_of_any_name(watching: RunningAgent, tmp_path: Path, name: bytes) -> None:
    path = bytes(tmp_path) + b"/" + name
    shutil.copy("/bin/cat", path)
    with subprocess.Popen([path, b"-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"here\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"here\n"
        record = send(watching, process.pid)
    told = side(record, "target")
    assert told["process.executable.name"] == name[:15].decode("utf-8", "replace")
    assert told["process.command_args"] == texts([path, "-"])
    assert record["killsnoop.target.process.executable.path"] == path.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "args",
    [
        [b""],
        [b"", b"", b"x", b""],
        [b"a b", b"c\nd", b"\xff\xfe", b"*", b'"quoted"', b"\\"],
        ["日本".encode(), b"\xe6\x97", b"\x01\x1b[31m"],
        [b"x" * 9000, b"last"],
        [b"%d" % number for number in range(1500)],
    ],
    ids=["empty", "empty ones", "quotes", "not text", "long", "many"],
)
def test_arguments_of_any_bytes_are_whole(watching: RunningAgent, args: list[bytes]) -> None:
    command = [b"sh", b"-c", b"kill -%d $$" % RARE, b"name", *args]
    with subprocess.Popen(command, executable="/bin/sh") as process:
        pass
    [record] = watching.wait_records(1, to(process.pid))
    for which in ("source", "target"):
        told = side(record, which)
        assert told["process.command_args"] == texts(list(command))
        assert told["process.args_count"] == len(command)


def test_arguments_beyond_the_bound_are_cut_and_it_says_so(watching: RunningAgent) -> None:
    command = ["sh", "-c", f"kill -{RARE:d} $$", "name", *["y" * 1000] * 40]
    with subprocess.Popen(command) as process:
        pass
    [record] = watching.wait_records(1, to(process.pid))
    shown = record["killsnoop.target.process.command_args"]
    assert shown[:10] == command[:10]
    assert 15_000 < sum(map(len, shown)) <= 16_384
    assert record["killsnoop.target.process.args_count"] == len(command)
    assert "killsnoop.target.process.command_args" in record["killsnoop.truncated"]


def test_a_new_name_a_new_program_and_a_new_user_show_from_then_on(
    watching: RunningAgent, subject: Callable[..., Subject]
) -> None:
    one = subject(
        "say(0); wait(); rename(b'second'); say(0); wait(); os.setresuid(65534, 65534, 65534)\n"
        "say(0); wait(); os.execv('/bin/sleep', ['third', '600'])"
    )
    told = []
    for _ in range(3):
        one.heard()
        told.append(side(send(watching, one.pid), "target"))
        one.go()
    settle(one.pid, "sleep")
    told.append(side(send(watching, one.pid), "target"))
    python = os.path.basename(sys.executable)[:15]
    names = [one["process.executable.name"] for one in told]
    assert names == [python, "second", "second", "sleep"]
    args = [one["process.command_args"] for one in told]
    assert args == [*[texts(one.args)] * 3, ["third", "600"]]
    assert [one["process.user.id"] for one in told] == [0, 0, 65534, 65534]
    assert {tuple(one["process.ancestors.pids"]) for one in told} == {tuple(above(one.pid))}


def test_a_child_that_renames_itself_leaves_its_parents_name_alone(
    watching: RunningAgent, subject: Callable[..., Subject]
) -> None:
    one = subject(
        "rename(b'parent')\n"
        "child = os.fork()\n"
        "if not child: rename(b'child'); say(os.getpid()); signal.pause()\n"
        "wait(); os.kill(child, 9)"
    )
    [child] = one.heard()
    record = send(watching, child)
    assert side(record, "target")["process.tree"].startswith(
        f"child[{child}] < parent[{one.pid}] <"
    )
    assert record["killsnoop.target.process.known_from"] == "fork"
    assert side(record, "target")["process.command_args"] == texts(one.args)
    one.go()


# --- odd targets -----------------------------------------------------------------------------


def test_kernel_threads_have_a_name_and_no_arguments(watching: RunningAgent) -> None:
    child = next(
        int(entry)
        for entry in os.listdir("/proc")
        if entry.isdecimal()
        and parent_of(int(entry)) == KTHREADD
        and "/" in comm_of(int(entry))
        # a worker's name in /proc tells what it does, and the kernel's own may be cut
        and not comm_of(int(entry)).startswith("kworker")
    )
    for pid, ancestors in ((KTHREADD, None), (child, [KTHREADD])):
        record = send(watching, pid, signal.SIGCONT)
        told = side(record, "target")
        assert record["killsnoop.signal.result"] == "ignored"
        assert told["process.executable.name"] == comm_of(pid)
        assert told["process.ancestors.pids"] == ancestors
        assert told["process.tree"] == tree(pid, *above(pid))
        for absent in ("command_args", "command_line", "args_count", "executable.path"):
            assert f"killsnoop.target.process.{absent}" not in record
        assert record["killsnoop.target.process.known_from"] == "procfs"
        assert side(record, "source")["process.command_args"] is not None


def test_a_zombie_is_who_it_was(watching: RunningAgent, subject: Callable[..., Subject]) -> None:
    one = subject(
        "child = os.posix_spawn('/bin/true', ['true', 'late'], {})\n"
        "os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n"
        "say(child); wait()"
    )
    [zombie] = one.heard()
    told = side(send(watching, zombie), "target")
    assert told["process.command_args"] == ["true", "late"]
    assert told["process.executable.name"] == "true"
    assert told["process.ancestors.pids"] == [one.pid, *above(one.pid)]
    one.go()


def test_a_process_in_a_pid_namespace_has_both_its_numbers(watching: RunningAgent) -> None:
    inner = f"sh -c 'kill -{RARE:d} $$' in-namespace; echo $?"
    command = ["unshare", "--pid", "--fork", "sh", "-c", inner]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.read()) == 128 + RARE
    [record] = watching.wait_records(
        1,
        lambda one: (
            one.get("killsnoop.target.process.command_args", [""])[-1] == "in-namespace"
            and one["killsnoop.event"] == "signal"
        ),
    )
    for which in ("source", "target"):
        assert record[f"killsnoop.{which}.process.vpid"] == 2
        assert record[f"killsnoop.{which}.process.pid"] != 2
        assert side(record, which)["process.ancestors.pids"][1] == process.pid


# --- whose, and where ------------------------------------------------------------------------


@pytest.mark.parametrize(("uid", "name"), [(0, "root"), (65534, "nobody"), (54321, None)])
def test_users_by_number_and_name(
    watching: RunningAgent, subject: Callable[..., Subject], uid: int, name: str | None
) -> None:
    one = subject(f"os.setresuid({uid}, {uid}, {uid}); say(0); wait(); os.kill(os.getpid(), RARE)")
    one.heard()
    one.go()
    [record] = watching.wait_records(1, to(one.pid))
    for which in ("source", "target"):
        assert record[f"killsnoop.{which}.process.user.id"] == uid
        assert record.get(f"killsnoop.{which}.process.user.name") == name


def test_the_user_is_the_effective_one(
    watching: RunningAgent, subject: Callable[..., Subject]
) -> None:
    one = subject("os.setresuid(1, 65534, 0); say(0); wait()")
    one.heard()
    assert send(watching, one.pid)["killsnoop.target.process.user.id"] == 65534


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone at once"])
@pytest.mark.parametrize("below", ["of-its-own", f"docker/{'0123456789abcdef' * 4}"])
@pytest.mark.parametrize("hierarchy", MOUNTED)
def test_where_a_process_runs(
    watching: RunningAgent, hierarchy: str, below: str, gone: bool
) -> None:
    top = Path(HIERARCHIES[hierarchy][0])
    path = f"/killsnoop-test-{os.getpid()}/{below}"
    directory = Path(f"{top}{path}")
    directory.mkdir(parents=True)
    places = [directory]
    if hierarchy == "v2 beside v1":  # a v1 hierarchy's says more, unless that is its root
        places.append(Path(HIERARCHIES["v1"][0]))
    moves = "".join([f"echo $$ > {place}/cgroup.procs; " for place in places])
    command = [f"exec sh -c 'kill -{RARE:d} $$' inside"]
    try:
        if gone:
            os.kill(watching.pid, signal.SIGSTOP)
        with subprocess.Popen(["sh", "-c", moves + command[0]]) as process:
            pass
        os.kill(watching.pid, signal.SIGCONT)
        [record] = watching.wait_records(1, lambda one: to(process.pid)(one) and is_rare(one))
    finally:
        os.kill(watching.pid, signal.SIGCONT)
        for made in (directory, *directory.parents):
            if made == top:
                break
            made.rmdir()
    container = below.partition("docker/")[2]
    for which in ("source", "target"):
        assert record[f"killsnoop.{which}.process.command_args"][-1] == "inside"
        assert record.get(f"killsnoop.{which}.process.linux.cgroup") == (
            None if container else path
        )
        assert record.get(f"killsnoop.{which}.container.id") == (container or None)
