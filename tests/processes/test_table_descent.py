"""Who really started whom, however processes are made, left behind, and numbered anew."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

from otel_killsnoop.model import Side
from otel_killsnoop.processes.node import TICK
from otel_killsnoop.processes.snapshot import Snapshot


def tree(side: Side | None) -> list[tuple[int, bytes, bool]]:
    """(pid, first argument, whether it has ended), nearest first."""
    found = []
    while side is not None:
        process = side.process
        found.append((process.pid, process.args[0], process.ended))
        side = side.parent
    return found


def test_a_daemon_that_forked_twice_keeps_who_started_it(world) -> None:
    world.parents = {302: 1}
    (joined,) = world.joined(
        world.fork(100, 300, b"daemon"), world.exec(300, b"daemon"),
        world.fork(300, 301, b"daemon"), world.exit(300),
        world.fork(301, 302, b"daemon"), world.exit(301),
        world.kill(200, 302, target_comm=b"daemon"),
    )  # fmt: skip
    assert tree(joined.target) == [
        (302, b"daemon", False), (301, b"daemon", True), (300, b"daemon", True),
        (100, b"sh", False), (1, b"init", False),
    ]  # fmt: skip
    assert joined.target.process.parent_pid == 1
    assert joined.target.parent.process.parent_pid == 300
    assert joined.target.complete


def test_a_parent_that_dies_is_marked_in_trees_that_were_built_before(world) -> None:
    birth = [world.fork(100, 300), world.exec(300, b"parent"), world.fork(300, 301)]
    (before,) = world.joined(*birth, world.kill(200, 301))
    assert [ended for _, _, ended in tree(before.target)] == [False, False, False, False]
    world.parents = {301: 100}  # a subreaper
    (after,) = world.joined(world.exit(300, status=9), world.kill(200, 301))
    assert tree(after.target) == [
        (301, b"parent", False), (300, b"parent", True), (100, b"sh", False), (1, b"init", False),
    ]  # fmt: skip
    assert before.target.process.parent_pid == 300
    assert after.target.process.parent_pid == 100
    (again,) = world.joined(world.kill(200, 301))
    assert again.target is after.target


def test_an_orphan_of_an_orphans_subreaper_is_followed(world) -> None:
    world.joined(
        world.fork(100, 300, b"reaper"), world.fork(300, 301), world.fork(301, 302),
        world.exit(301),
    )  # fmt: skip
    world.parents = {302: 300}
    (first,) = world.joined(world.kill(200, 302))
    assert first.target.process.parent_pid == 300
    world.parents = {302: 1}
    (second,) = world.joined(world.exit(300), world.kill(200, 302))
    assert second.target.process.parent_pid == 1
    assert [pid for pid, _, _ in tree(second.target)] == [302, 301, 300, 100, 1]


def test_an_orphan_that_is_gone_keeps_the_parent_that_was_known(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300), world.fork(300, 301), world.exit(300), world.exit(301),
        world.kill(200, 301),
    )  # fmt: skip
    assert (joined.target.process.parent_pid, joined.target.process.ended) == (300, True)


def test_an_exec_by_another_thread_keeps_the_identity(world) -> None:
    """The thread takes the first one's number; the first one's end looks like an exit."""
    (before, after) = world.joined(
        world.fork(100, 300, b"app"), world.exec(300, b"app", b"old"),
        world.kill(300, 200, source_tid=307, source_comm=b"app"),
        world.exit(300, status=9),
        world.exec(300, b"new", b"x"),
        world.kill(300, 200, source_comm=b"new"),
    )  # fmt: skip
    assert before.source.process.comm == b"app"
    assert (after.source.process.pid, after.source.process.args) == (300, (b"new", b"x"))
    assert not after.source.process.ended
    assert [pid for pid, _, _ in tree(after.source)] == [300, 100, 1]


def test_vfork_and_exec_show_the_parents_program_only_before_the_exec(world) -> None:
    """posix_spawn is the same to the kernel."""
    early, late, parents = world.joined(
        world.fork(200, 300, b"sh"), world.kill(100, 300), world.exec(300, b"ls", b"-l"),
        world.kill(100, 300, target_comm=b"ls"), world.kill(100, 200),
    )  # fmt: skip
    assert early.target.process.args == (b"sh",)
    assert late.target.process.args == (b"ls", b"-l")
    assert parents.target.process.args == (b"sh",)
    assert late.target.parent.process is parents.target.process


def test_clone_parent_makes_a_sibling_for_the_kernel_and_a_child_in_the_tree(world) -> None:
    world.joined(world.fork(100, 300, b"maker"), world.fork(300, 301, real_parent=100))
    (joined,) = world.joined(world.exit(300), world.kill(200, 301))
    assert joined.target.process.parent_pid == 100
    assert [pid for pid, _, _ in tree(joined.target)] == [301, 300, 100, 1]
    assert world.asked == []


def test_a_number_that_is_used_again_at_once_by_another_lineage(world) -> None:
    """Between two starts of one tick, and with the first one's children alive."""
    first, second = world.start(300), world.start(300) + 1000
    old, young, child = world.joined(
        world.fork(100, 300, start=first), world.exec(300, b"old", start=first),
        world.fork(300, 310, b"old", parent_start=first),
        world.kill(200, 300, target_start=first, target_comm=b"old"),
        world.exit(300, start=first),
        world.fork(200, 300, start=second), world.exec(300, b"young", start=second),
        world.kill(100, 300, target_start=second, target_comm=b"young"),
        world.kill(100, 310, target_comm=b"old"),
    )  # fmt: skip
    assert tree(old.target)[0] == (300, b"old", False)
    assert [pid for pid, _, _ in tree(young.target)] == [300, 200, 100, 1]
    assert tree(young.target)[0] == (300, b"young", False)
    assert tree(child.target)[:2] == [(310, b"old", False), (300, b"old", True)]


def test_a_real_orphan_is_the_subreapers_by_proc() -> None:
    code = (
        "import ctypes, os, time\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"  # PR_SET_CHILD_SUBREAPER
        "first = os.fork()\n"
        "if first == 0:\n"
        "    second = os.fork()\n"
        "    if second == 0: time.sleep(60)\n"
        "    print(second, flush=True); os._exit(0)\n"
        "os.waitpid(first, 0); print(first, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        orphan = 0
        try:
            assert process.stdout is not None
            orphan, first = int(process.stdout.readline()), int(process.stdout.readline())
            snapshot = Snapshot("/")
            entry = snapshot.look_up(orphan)
            assert entry is not None
            assert snapshot.parent(orphan, entry.ticks) == process.pid == entry.ppid
            assert snapshot.parent(orphan, entry.ticks + 1) is None
            assert snapshot.parent(first, entry.ticks) is None
            assert 0 <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) // TICK - entry.ticks < 6000
            assert pathlib.Path(f"/proc/{orphan}").exists()
        finally:
            process.kill()
            if orphan:
                os.kill(orphan, 9)
