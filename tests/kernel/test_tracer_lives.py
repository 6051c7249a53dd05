"""Births, programs and deaths of real processes, as the tracer records them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from puppet import puppet
from traced import Traced, traced

from otel_killsnoop.model import Exec, Exit, Fork
from otel_killsnoop.tracer import load

pytestmark = pytest.mark.kernel

WAYS = {"tp_btf": True, "raw_tp": False}
ANY_BYTES = bytes(range(1, 256))
KEPT = 16384  # KILLSNOOP_ARGS
TRUE = shutil.which("true") or "/bin/true"
SHELL = shutil.which("sh") or "/bin/sh"
HERE = os.fsencode(Path(__file__))


def run(arguments: list[bytes], executable: str = TRUE) -> int:
    """Its pid, when it has ended well."""
    with subprocess.Popen(arguments, executable=executable, stdout=subprocess.DEVNULL) as process:
        assert process.wait() == 0
    return process.pid


def exec_of(one: Traced, pid: int) -> Exec:
    [found] = [event for event in one.events() if isinstance(event, Exec) and event.pid == pid]
    return found


def forks_and_exits(one: Traced, pid: int) -> tuple[list[Fork], list[Exit]]:
    events = [event for event in one.events() if event[3:4] and getattr(event, "pid", None) == pid]
    return (
        [event for event in events if isinstance(event, Fork)],
        [event for event in events if isinstance(event, Exit)],
    )


def fill(size: int) -> list[bytes]:
    """Arguments of this many bytes in all, each with its NUL; none longer than exec allows."""
    words = [b"true"]
    left = size - 5
    while left > 100_000:
        words.append(b"x" * 99_999)
        left -= 100_000
    return [*words, b"y" * (left - 1)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "arguments",
    [
        [b"true"],
        [b""],
        [b"", b"", b""],
        [b"true", b"", b"last"],
        [b"true", b"last", b""],
        [b"another name", ANY_BYTES, b"\n", b" ", ANY_BYTES[::-1]],
        [b"true", *(b"%d" % number for number in range(2000))],
    ],
    ids=["one", "empty", "all empty", "an empty one", "an empty end", "any byte", "many"],
)
def test_all_arguments_are_recorded(arguments: list[bytes], way: str) -> None:
    with traced(load.Options(direct=WAYS[way])) as one:
        pid = run(arguments)
        one.finish()
        event = exec_of(one, pid)
    assert event.args == tuple(arguments)
    assert (event.argc, event.args_cut) == (len(arguments), False)
    assert event.filename == os.fsencode(TRUE)
    assert event.comm == b"true"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [KEPT - 1, KEPT, KEPT + 1, 200_003])
def test_arguments_are_cut_at_a_bound_and_say_so(size: int, way: str) -> None:
    arguments = fill(size)
    with traced(load.Options(direct=WAYS[way])) as one:
        pid = run(arguments)
        one.finish()
        event = exec_of(one, pid)
    carried = b"".join(word + b"\0" for word in arguments)[:KEPT]
    assert event.args == tuple(carried.removesuffix(b"\0").split(b"\0"))
    assert event.args_cut == (size > KEPT)
    assert event.argc == len(arguments)
    assert event.filename == os.fsencode(TRUE)


def test_a_cut_between_two_arguments_leaves_whole_ones() -> None:
    whole, beyond = [b"true", b"z" * (KEPT - 6)], [b"more", b"and more"]
    with traced() as one:
        pid = run([*whole, *beyond])
        one.finish()
        event = exec_of(one, pid)
    assert event.args == tuple(whole)
    assert (event.args_cut, event.argc) == (True, 4)


def test_a_script_is_named_by_its_own_path(tmp_path: Path) -> None:
    script = tmp_path / "a script"
    script.write_text(f"#!{SHELL} -e\n:\n")
    script.chmod(0o755)
    with traced() as one:
        pid = run([b"called so", b"an argument"], executable=str(script))
        one.finish()
        event = exec_of(one, pid)
    path = os.fsencode(script)
    assert event.filename == path
    assert event.args == (os.fsencode(SHELL), b"-e", path, b"an argument")
    assert (event.argc, event.args_cut, event.comm) == (4, False, b"a script")


def test_the_path_is_the_one_that_exec_was_given(tmp_path: Path) -> None:
    """Not resolved: a link, a way around, a name of any bytes and of the greatest length."""
    deep = tmp_path.joinpath(*["d" * 250] * 15)
    names = [tmp_path / "link", deep / "link", tmp_path / os.fsdecode(b"\xff)\n (")]
    deep.mkdir(parents=True)
    paths = [str(name) for name in names] + [f"{tmp_path}/./../{tmp_path.name}/link"]
    for name in names:
        name.symlink_to(TRUE)
    with traced() as one:
        pids = [run([b"true"], executable=path) for path in paths]
        one.finish()
        found = [exec_of(one, pid).filename for pid in pids]
    assert found == [os.fsencode(path) for path in paths]


@pytest.mark.parametrize("way", WAYS)
def test_a_thread_that_execs_becomes_the_leader(way: str) -> None:
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as actor:
        tid = actor.do("thread")
        actor.do("thread")
        actor.begin("replace", 1, [SHELL, "-c", "echo 1; read line; exit 3", "replaced"])
        assert actor.answer() == 1
        actor.begin("now the new program ends")
        assert actor.process.wait() == 3
        one.finish()
        pid = actor.pid
        [fork], [gone] = forks_and_exits(one, pid)
        execs = [event for event in one.events() if isinstance(event, Exec) and event.pid == pid]
        [replaced] = [event for event in execs if event.args[-1:] == (b"replaced",)]
        others = [event for event in one.events() if getattr(event, "pid", None) == tid]
    assert (replaced.tid, replaced.start) == (pid, fork.start)
    assert (gone.start, gone.status) == (fork.start, 3 << 8)
    assert gone.sequence > replaced.sequence > fork.sequence
    assert others == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spawner", ["leader", "thread"])
def test_who_forked_is_named_with_its_thread(spawner: str, way: str) -> None:
    """fork and posix_spawn (a vfork), by the leader and by a worker."""
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as actor:
        tid = actor.do("thread")
        who = int(spawner == "thread")
        bare, bare_status = actor.do("fork", who, 5)
        spawned, spawned_status = actor.do("spawn", who, [TRUE, "x"])
        one.finish()
        for pid, status in ((bare, bare_status), (spawned, spawned_status)):
            [fork], [gone] = forks_and_exits(one, pid)
            assert fork.parent_tid == (tid if who else actor.pid)
            assert (fork.parent_pid, fork.real_parent_pid) == (actor.pid, actor.pid)
            assert fork.parent_start == fork.real_parent_start < fork.start
            assert fork.parent_start * os.sysconf("SC_CLK_TCK") // 10**9 == actor.start_ticks
            assert (fork.tid, fork.vpid) == (pid, pid)
            assert (gone.start, gone.status) == (fork.start, status)
        assert (bare_status, spawned_status) == (5 << 8, 0)
        assert exec_of(one, spawned).args == (os.fsencode(TRUE), b"x")
        assert not any(isinstance(event, Exec) and event.pid == bare for event in one.events())
        assert forks_and_exits(one, tid) == ([], [])  # a thread is no process


@pytest.mark.parametrize("way", WAYS)
def test_a_childs_parent_need_not_be_who_forked_it(way: str) -> None:
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as actor:
        pid = actor.do("sibling", 7)
        _, status = os.waitpid(pid, 0)  # it is ours, by CLONE_PARENT
        one.finish()
        [fork], [gone] = forks_and_exits(one, pid)
    assert (fork.parent_pid, fork.real_parent_pid) == (actor.pid, os.getpid())
    assert fork.real_parent_start < fork.parent_start < fork.start
    assert gone.status == status == 7 << 8


@pytest.mark.parametrize("way", WAYS)
def test_how_a_process_ended_is_what_wait_says(way: str) -> None:
    endings = [f"exit {code}" for code in (0, 1, 42, 127, 255)]
    endings += [f"kill -{number} $$" for number in (1, 2, 9, 15, 34, 64)]
    said = {}
    with traced(load.Options(direct=WAYS[way])) as one:
        for ending in endings:
            pid = os.posix_spawn(SHELL, ["sh", "-c", f"ulimit -c 0; {ending}"], {})
            said[ending] = os.waitpid(pid, 0)
        one.finish()
        for pid, status in said.values():
            [fork], [gone] = forks_and_exits(one, pid)
            assert (gone.start, gone.status) == (fork.start, status)
            assert gone.time >= fork.time
    assert os.waitstatus_to_exitcode(said["exit 42"][1]) == 42
    assert os.waitstatus_to_exitcode(said["kill -9 $$"][1]) == -signal.SIGKILL


@pytest.mark.parametrize("way", WAYS)
def test_threads_that_leave_at_once_are_one_death(way: str) -> None:
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as actor:
        pids = actor.do("race", 200, 8)
        counts = one.finish()
        births = Counter(
            (event.pid, event.start)
            for event in one.events()
            if isinstance(event, Fork) and event.parent_pid == actor.pid
        )
        deaths = Counter(
            (event.pid, event.start) for event in one.events() if isinstance(event, Exit)
        )
    assert not any(counts.table_lost.values())
    assert [pid for pid, _ in births] == pids
    assert {deaths[born] for born in births} == {1}


def test_records_of_lives_that_find_no_room_are_counted() -> None:
    """Nobody reads: what is in the ring and what was lost is all there was."""
    tracer = load.attach(load.Options(recorded=frozenset(), ring_size=64 << 10))
    try:
        with puppet() as actor:
            pids = actor.do("race", 601, 1)
        tracer.detach()
        kinds = Counter(payload[0] for _, payload in tracer.ring.read(1 << 30))
        lost = tracer.counts().table_lost
    finally:
        tracer.close()
    assert lost["fork"] > 0
    assert lost["exit"] > 0
    assert kinds[2] + lost["fork"] >= len(pids)
    assert kinds[4] + lost["exit"] >= len(pids)
    assert kinds[1] == 0


def test_a_command_line_is_the_one_that_proc_shows() -> None:
    words = [sys.executable, "-I", "-S", "-c", "print(1, flush=True); input()", "é\udcff\n"]
    pipe = subprocess.PIPE
    with traced() as one:
        with subprocess.Popen(words, stdin=pipe, stdout=pipe) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"  # so exec is over
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            process.communicate(b"\n")
        one.finish()
        assert b"".join(word + b"\0" for word in exec_of(one, process.pid).args) == line
