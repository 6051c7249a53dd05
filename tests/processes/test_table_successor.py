"""An agent that takes over: /proc is of now, and the ring has older records to come.

Each test seeds the table with what /proc shows at the start and then applies what waited.
"""

from __future__ import annotations

from otel_killsnoop.processes.node import TICK


def named(side) -> list[tuple[int, bytes]]:
    """(pid, name) of a side and its ancestry."""
    found = []
    while side is not None:
        found.append((side.process.pid, side.process.comm))
        side = side.parent
    return found


def seed(world, *entries, later=()) -> None:
    began = world.start(900)
    world.table.seed(entries, began, {entry.pid for entry in entries}, later)


def test_a_process_born_and_gone_meanwhile_has_its_whole_tree(world) -> None:
    [joined] = world.joined(
        world.fork(100, 300),
        world.exec(300, b"pkill", b"-9", b"nginx"),
        world.kill(300, 200, source_comm=b"pkill"),
        world.exit(300),
    )
    assert joined.source.process.args == (b"pkill", b"-9", b"nginx")
    assert [pid for pid, _ in named(joined.source)] == [300, 100, 1]


def test_a_number_used_again_is_two_processes_each_with_its_own_name(world) -> None:
    first, second = world.start(300), world.start(300) + 5 * TICK
    seed(world, world.entry(300, 1, b"younger", start=second))
    before, after = world.joined(
        world.fork(200, 300, start=first),
        world.exec(300, b"older", start=first),
        world.kill(300, 100, source_start=first, source_comm=b"older"),
        world.exit(300, start=first),
        world.kill(300, 100, source_start=second, source_comm=b"younger"),
    )
    assert before.source.process.args == (b"older",)
    assert named(before.source)[1][0] == 200
    assert not before.source.process.ended
    assert after.source.process.args == (b"younger",)
    assert [pid for pid, _ in named(after.source)] == [300, 1]
    assert not after.source.process.ended


def test_the_older_one_known_by_its_signals_alone_takes_nothing_from_the_younger(world) -> None:
    first, second = world.start(300), world.start(300) + 5 * TICK
    seed(world, world.entry(300, 1, b"younger", b"--its", b"args", start=second))
    world.proc[300] = world.entry(300, 1, b"younger", start=second)
    [joined] = world.forced([world.kill(300, 100, source_start=first, source_comm=b"older")])
    assert joined.source.process.comm == b"older"
    assert joined.source.process.args == ()
    assert joined.source.process.known_from == "partial"


def test_an_older_one_whose_end_was_lost_is_not_kept_for_good(world) -> None:
    first, second = world.start(300), world.start(300) + 5 * TICK
    seed(world, world.entry(300, 1, b"younger", start=second))
    held = world.table.counts().entries
    world.joined(world.fork(200, 300, start=first))
    assert world.table.counts().entries == held + 1
    world.now = second + 10**10
    events = []
    for pid in range(2000, 3100):  # the longest dead go when there are enough younger ones
        events += [world.fork(100, pid), world.exit(pid)]
    world.joined(*events)
    world.now += 10**10
    world.joined(world.kill(100, 200))
    [joined] = world.forced([world.kill(300, 100, source_start=first, source_comm=b"older")])
    assert joined.source.process.known_from == "partial"  # it was let go, and came anew


def test_what_ran_before_its_exec_record_is_not_what_proc_shows_now(world) -> None:
    """bash, in which somebody said exec nginx after it had sent a signal."""
    seed(world, world.entry(300, 200, b"nginx", b"-g"), later={(300, world.start(300))})
    before, after = world.joined(
        world.kill(300, 100, source_comm=b"bash"),
        world.exec(300, b"nginx", b"-g"),
        world.kill(300, 100, source_comm=b"nginx"),
    )
    assert before.source.process.comm == b"bash"
    assert before.source.process.args == ()
    assert named(before.source)[1][0] == 200
    assert after.source.process.args == (b"nginx", b"-g")


def test_with_its_fork_record_it_is_what_its_parent_was(world) -> None:
    seed(world, world.entry(300, 100, b"nginx", b"-g"), later={(300, world.start(300))})
    before, after = world.joined(
        world.fork(100, 300),
        world.kill(300, 200),
        world.exec(300, b"nginx", b"-g"),
        world.kill(300, 200, source_comm=b"nginx"),
    )
    assert before.source.process.args == (b"sh", b"-i")
    assert after.source.process.args == (b"nginx", b"-g")


def test_an_ancestor_of_which_only_the_later_name_is_known_has_none_yet(world) -> None:
    seed(
        world,
        world.entry(300, 200, b"nginx"),
        world.entry(400, 300, b"worker"),
        later={(300, world.start(300))},
    )
    before, after = world.joined(
        world.kill(400, 100, source_comm=b"worker"),
        world.exec(300, b"nginx"),
        world.kill(400, 100, source_comm=b"worker"),
    )
    assert named(before.source)[1] == (300, b"")
    assert named(after.source)[1] == (300, b"nginx")
