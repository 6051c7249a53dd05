"""What processes show as their arguments now, beside what they were started with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from otel_killsnoop.processes.node import TICK
from otel_killsnoop.processes.redact import redactor
from otel_killsnoop.processes.snapshot import Snapshot
from otel_killsnoop.processes.titles import LONGEST, MOST, PERIOD, Titles


class Shown:
    """A /proc with titles and a clock."""

    def __init__(self) -> None:
        self.now = 10 * PERIOD
        self.args: dict[int, tuple[bytes, ...]] = {}
        self.asked: list[int] = []

    def clock(self) -> int:
        return self.now

    def __call__(self, pid: int, ticks: int, comm: bytes) -> tuple[bytes, ...] | None:
        self.asked.append(pid)
        return self.args.get(pid)


@pytest.fixture
def shown(world) -> Shown:
    made = Shown()
    world.titles = Titles(made, redactor("redacted"), made.clock)
    world.table = world.make()
    world.seed(world.entry(1, 0, b"init"), world.entry(100, 1, b"sh", b"-i"))
    return made


def named(world, pid: int, comm: bytes = b"app"):
    (joined,) = world.joined(world.kill(100, pid, target_comm=comm))
    return joined.target


def test_a_title_is_what_differs_from_the_arguments_at_exec(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app", b"--token", b"abcdef"))
    shown.args[300] = (b"app", b"--token", b"abcdef")
    assert named(world, 300).process.title is None
    shown.args[300] = (b"app: worker --token abcdef",)
    shown.now += PERIOD
    target = named(world, 300)
    assert target.process.title == b"app: worker --token ***"
    assert target.process.args == (b"app", b"--token", b"***")
    assert world.table.counts().masked == 2
    shown.now += PERIOD
    assert named(world, 300) is target  # nothing new, so nothing is built
    assert world.table.counts().masked == 2


def test_a_child_that_runs_no_program_of_its_own_may_have_a_title_too(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app", b"-d"), world.fork(300, 301, b"app"))
    shown.args[301] = (b"app: worker", b"", b"")
    process = named(world, 301).process
    assert (process.args, process.title) == ((b"app", b"-d"), b"app: worker")


def test_a_title_is_read_at_most_once_in_a_period_and_not_with_each_event(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app"))
    for number in range(50):
        named(world, 300)
        world.joined(world.fork(300, 400 + number), world.exec(1, b"init", b"%d" % number))
        shown.now += 1000
    assert shown.asked == [300]
    shown.now += PERIOD
    named(world, 300)
    named(world, 300)
    assert shown.asked == [300, 300]


def test_a_new_program_has_no_title_until_one_is_read(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app"))
    shown.args[300] = (b"app: busy",)
    assert named(world, 300).process.title == b"app: busy"
    del shown.args[300]
    world.joined(world.exec(300, b"other"))
    assert named(world, 300, b"other").process.title is None


def test_who_is_gone_keeps_the_last_title_that_was_known(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app"))
    shown.args[300] = (b"app: last",)
    assert named(world, 300).process.title == b"app: last"
    world.joined(world.exit(300))
    shown.args[300] = (b"another",)
    shown.now += PERIOD
    assert named(world, 300).process.title == b"app: last"
    assert shown.asked == [300]


def test_ancestors_and_processes_known_from_proc_are_not_read(world, shown) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"app"), world.fork(300, 301))
    named(world, 301, b"sh")
    assert shown.asked == [301]


def test_a_title_is_bounded_and_so_are_the_readings_in_a_second(world, shown) -> None:
    count = 2 * MOST
    world.joined(*(world.fork(100, 300 + n, b"app") for n in range(count)))
    shown.args = {300 + n: (b"x" * 9000,) for n in range(count)}
    titles = [named(world, 300 + n).process.title for n in range(count)]
    assert len(shown.asked) == MOST
    assert titles[0] == b"x" * LONGEST
    assert titles[-1] is None
    shown.now += PERIOD
    assert named(world, 300 + count - 1).process.title is not None


WRITES = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
stat = open('/proc/self/stat', 'rb').read().rpartition(b')')[2].split()
begin, end = int(stat[45]), int(stat[46])
ctypes.memset(begin, 0, end - begin)
ctypes.memmove(begin, b'worker: busy', 12)
print(flush=True)
time.sleep(60)
"""


def test_a_real_process_that_writes_over_its_arguments(world) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITES], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            snapshot = Snapshot("/")
            entry = snapshot.look_up(process.pid)
            assert entry is not None
            shows = snapshot.shown(process.pid, entry.ticks, entry.comm)
            assert shows == (b"worker: busy",)
            assert snapshot.shown(process.pid, entry.ticks + 1, entry.comm) is None
            assert snapshot.shown(process.pid, entry.ticks, b"another") is None
            start = entry.ticks * TICK
            args = (sys.executable.encode(), b"-c", WRITES.encode())
            redact = redactor("redacted")
            world.titles = Titles(snapshot.shown, redact)
            world.table = world.make()
            world.seed(world.entry(1, 0, b"init"))
            (joined,) = world.joined(
                world.fork(1, process.pid, start=start),
                world.exec(process.pid, *args, start=start, comm=entry.comm),
                world.kill(1, process.pid, target_start=start, source_comm=b"init",
                           target_comm=entry.comm),
            )  # fmt: skip
            assert joined.target.process.title == b"worker: busy"
            assert joined.target.process.args == redact(args)[0]
        finally:
            process.kill()
    assert snapshot.shown(process.pid, entry.ticks, entry.comm) is None
