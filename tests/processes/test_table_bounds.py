"""What is held, for how long, and how deep: bounds that must hold on any host for any time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.processes.graves import RECENT
from otel_killsnoop.processes.lineage import DEEPEST
from otel_killsnoop.processes.sides import LONGEST, REACH


def length(side):
    count = 0
    while side is not None:
        count, side = count + 1, side.parent
    return count


def pids(side, count):
    found = []
    while side is not None and len(found) < count:
        found.append(side.process.pid)
        side = side.parent
    return found


def churn(world, deaths):
    for number in range(deaths):
        pid = 20_000 + number
        world.now += 5_000_000
        world.joined(world.fork(1, pid), world.exec(pid, b"short"), world.exit(pid))


def test_the_dead_are_let_go_after_a_grace(world) -> None:
    churn(world, 3 * RECENT)
    held = world.table.counts()
    assert RECENT <= held.entries <= RECENT + 500  # 2 s of them at 5 ms each are 400
    churn(world, 2 * RECENT)
    assert abs(world.table.counts().entries - held.entries) <= 5
    assert world.table.counts().evicted == 0


def test_bytes_come_back_to_what_they_were(world) -> None:
    churn(world, 2 * RECENT)
    before = world.table.counts()
    churn(world, 2 * RECENT)
    after = world.table.counts()
    assert (after.entries, after.bytes) == (before.entries, before.bytes)


def test_a_dead_ancestor_is_held_as_long_as_a_descendant_lives_and_no_longer(world) -> None:
    world.joined(
        world.fork(100, 300), world.exec(300, b"old"), world.fork(300, 301), world.fork(301, 302),
        world.exit(300), world.exit(301),
    )  # fmt: skip
    churn(world, 2 * RECENT)
    (joined,) = world.joined(world.kill(1, 302, source_comm=b"init", target_comm=b"sh"))
    assert pids(joined.target, 9) == [302, 301, 300, 100, 1]
    before = world.table.counts().entries
    world.joined(world.exit(302))
    churn(world, 2 * RECENT)
    assert world.table.counts().entries == before - 3


def test_a_service_that_hands_over_to_its_child_for_ever_is_held_to_the_depth(world) -> None:
    churn(world, 2 * RECENT)
    before = world.table.counts()
    parent = 100
    for number in range(20 * DEEPEST):
        child = 5000 + number
        world.joined(world.fork(parent, child), world.kill(1, child, source_comm=b"init"))
        if parent != 100:
            world.joined(world.exit(parent))
        parent = child
    churn(world, 2 * RECENT)
    after = world.table.counts()
    assert after.entries - before.entries <= 2 * DEEPEST + 2
    assert after.evicted == 0
    (joined,) = world.joined(world.kill(1, parent, source_comm=b"init"))
    assert pids(joined.target, REACH + 1) == list(range(parent, parent - REACH - 1, -1))
    assert length(joined.target) <= LONGEST + 1


def test_chains_thousands_deep_are_neither_walked_nor_built_whole(world) -> None:
    depth = 5000
    world.joined(*(world.fork(200 if n == 0 else 999 + n, 1000 + n) for n in range(depth)))
    last = 999 + depth
    (joined,) = world.joined(world.kill(100, last))
    assert pids(joined.target, REACH + 1) == list(range(last, last - REACH - 1, -1))
    assert length(joined.target) <= LONGEST + 1
    assert not joined.target.complete


def test_a_chain_that_grows_while_it_is_named_keeps_its_depth_and_its_bound(world) -> None:
    parent, before = 200, None
    shared = 0
    for pid in range(1000, 2000):
        (joined,) = world.joined(world.fork(parent, pid), world.kill(100, pid))
        wanted = [*range(pid, 999, -1), 200, 100, 1][: REACH + 1]
        assert pids(joined.target, REACH + 1) == wanted
        assert length(joined.target) <= LONGEST + 1
        shared += joined.target.parent is before
        parent, before = pid, joined.target
    assert shared >= 990  # the list is begun anew a few times, and else shared


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 299), st.booleans()), min_size=1, max_size=60))
def test_every_tree_of_a_deep_chain_is_right_to_the_depth(new_world, steps) -> None:
    """Whoever is named in whatever order, with changes between: the first REACH are as they are."""
    world = new_world()
    world.seed(world.entry(1, 0, b"init"))
    world.joined(*(world.fork(1 if n == 0 else 1999 + n, 2000 + n) for n in range(300)))
    names = {2000 + n: b"sh" for n in range(300)}
    for at, change in steps:
        pid = 2000 + at
        if change:
            names[pid] = b"n%d" % (world.now % 1000)
            world.joined(world.exec(pid, names[pid]))
        (joined,) = world.joined(world.kill(1, pid, source_comm=b"init", target_comm=names[pid]))
        side = joined.target
        for back in range(min(at, REACH) + 1):
            assert side.process.pid == pid - back
            assert side.process.comm == names[pid - back]
            side = side.parent
            if side is None:
                break
        assert length(joined.target) <= LONGEST + 1
        assert length(joined.target) >= min(at + 2, REACH + 1)


def test_beyond_its_bounds_the_longest_dead_go_first_then_old_leaves(world) -> None:
    world.table = world.make(max_entries=10)
    world.seed(world.entry(1, 0, b"init"), world.entry(100, 1, b"sh"))
    world.joined(*(world.fork(100, 300 + n) for n in range(8)))
    assert world.table.counts().entries == 10
    world.joined(world.exit(304), world.exit(302))
    world.joined(world.fork(100, 400), world.fork(100, 401), world.fork(100, 402))
    assert world.table.counts().entries == 10
    assert world.table.counts().evicted == 3
    for gone in (304, 302, 300):
        assert world.table.apply([world.kill(1, gone, source_comm=b"init")]).rest
    for kept in (301, 303, 400):
        (joined,) = world.joined(world.kill(1, kept, source_comm=b"init"))
        assert pids(joined.target, 5) == [kept, 100, 1]


def test_an_evicted_ancestor_cuts_the_tree_and_the_tree_says_so(world) -> None:
    world.table = world.make(max_entries=4)
    world.seed(world.entry(1, 0, b"init"), world.entry(100, 1, b"sh"))
    world.joined(world.fork(100, 300), world.fork(300, 301), world.exit(300))
    (before,) = world.joined(world.kill(1, 301, source_comm=b"init"))
    assert before.target.complete
    world.joined(world.fork(301, 302))
    (after,) = world.joined(world.kill(1, 301, source_comm=b"init"))
    assert pids(after.target, 5) == [301]
    assert not after.target.complete


def test_bytes_are_bounded_within_one_batch_too(world) -> None:
    world.table = world.make(max_bytes=200_000)
    world.seed(world.entry(1, 0, b"init"))
    big = b"x" * 16_000
    events = []
    for n in range(100):
        events += [world.fork(1, 300 + n), world.exec(300 + n, b"app", big)]
    world.joined(*events)
    counts = world.table.counts()
    assert counts.bytes <= 200_000
    assert counts.evicted >= 80


def test_an_image_is_counted_once_however_many_share_it(world) -> None:
    world.joined(world.fork(1, 300), world.exec(300, b"app", b"y" * 10_000))
    one = world.table.counts().bytes
    world.joined(*(world.fork(300, 301 + n) for n in range(10)))
    assert world.table.counts().bytes - one < 10_000
