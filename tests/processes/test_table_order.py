"""The edges of the ring's order, what /proc may add, and what is known by nothing but the event."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.processes.node import TICK


def chain(side):
    found = []
    while side is not None:
        found.append(side.process.pid)
        side = side.parent
    return found


def test_a_target_whose_fork_record_comes_later_in_the_batch(world) -> None:
    kill = world.kill(100, 300)
    (joined,) = world.joined(kill, world.fork(200, 300), world.exec(300, b"late"))
    assert chain(joined.target) == [300, 200, 100, 1]
    assert joined.target.process.args == (b"sh",)  # before its exec: as it was then
    assert world.asked == []


def test_an_unknown_parent_is_sought_later_in_the_batch_too_with_what_it_ran(world) -> None:
    kill = world.kill(100, 400)
    others = world.kill(100, 200)
    joined = world.joined(
        kill, others,
        world.fork(200, 300), world.exec(300, b"parent"), world.exec(200, b"changed"),
        world.fork(300, 400), world.exec(300, b"afterwards"),
        world.kill(100, 400), world.kill(100, 300, target_comm=b"afterwards"),
    )  # fmt: skip
    assert chain(joined[0].target) == [400, 300, 200, 100, 1]
    assert joined[0].target.process.args == (b"parent",)
    assert joined[1].target.process.args == (b"sh",)  # what came after is not seen early
    assert joined[2].target.process is joined[0].target.process
    assert joined[3].target.process.args == (b"afterwards",)


def test_an_unknown_target_waits_and_no_event_is_applied_twice(world) -> None:
    before, early, after = world.kill(100, 200), world.kill(100, 300), world.exit(200)
    first = world.table.apply([before, early, after])
    assert [joined.signal for joined in first.joined] == [before]
    assert list(first.rest) == [early, after]
    second = world.table.apply([*first.rest, world.fork(100, 300)], waited=len(first.rest))
    assert [joined.signal for joined in second.joined] == [early]
    assert chain(second.joined[0].target) == [300, 100, 1]
    assert not second.rest
    assert world.table.counts().partial == 0


def test_an_unknown_source_waits_as_well(world) -> None:
    kill = world.kill(300, 200)
    assert list(world.table.apply([kill]).rest) == [kill]


def test_only_what_has_waited_is_joined_without_knowledge(world) -> None:
    known_late, unknown = world.kill(100, 300), world.kill(100, 400)
    applied = world.table.apply([known_late, unknown], waited=1)
    assert [joined.signal for joined in applied.joined] == [known_late]
    assert list(applied.rest) == [unknown]
    assert applied.joined[0].target.process.known_from == "partial"


def test_an_unknown_process_is_looked_up_in_proc_if_the_start_agrees(world) -> None:
    world.proc[300] = world.entry(300, 250, b"app", b"x")
    world.proc[250] = world.entry(250, 100, b"its-parent")
    (joined,) = world.forced([world.kill(100, 300, target_comm=b"app")])
    assert joined.target.process.args == (b"app", b"x")
    assert joined.target.process.known_from == "procfs"
    assert joined.target.process.start == world.start(300)
    assert chain(joined.target) == [300, 250, 100, 1]
    assert world.table.counts().partial == 0


def test_an_entry_of_another_start_is_not_taken(world) -> None:
    world.proc[300] = world.entry(300, 100, b"later", start=world.start(300) + 2 * TICK)
    (joined,) = world.forced([world.kill(100, 300, target_comm=b"gone", target_uid=1000)])
    process = joined.target.process
    assert (process.known_from, process.comm, process.user) == ("partial", b"gone", "bob")
    assert (process.args, process.args_count, process.path) == ((), 0, b"")
    assert joined.target.parent is None
    assert not joined.target.complete
    assert world.table.counts().partial == 1


def test_a_fork_record_after_all_completes_a_partial_process(world) -> None:
    world.forced([world.kill(100, 300)])
    (joined,) = world.joined(world.fork(200, 300), world.kill(100, 300))
    assert joined.target.process.known_from == "fork"
    assert joined.target.process.args == (b"sh",)
    assert chain(joined.target) == [300, 200, 100, 1]


def test_the_exact_start_comes_from_the_first_event(world) -> None:
    (joined,) = world.joined(world.fork(200, 300), world.kill(100, 300))
    parent = joined.target.parent
    assert parent is not None
    assert parent.process.start == world.start(200)
    grandparent = parent.parent.parent
    assert grandparent.process.start == world.start(1) // TICK * TICK  # /proc's, to the tick


def test_an_identity_of_the_same_tick_is_the_one_from_proc_and_of_another_is_not(world) -> None:
    same = world.start(200) // TICK * TICK + TICK - 1
    assert world.table.apply([world.kill(100, 200, target_start=same)]).joined
    other = same + 1
    assert not world.table.apply([world.kill(100, 200, target_start=other)]).joined


def test_a_snapshot_does_not_overwrite_what_events_know(world) -> None:
    world.joined(world.fork(100, 300), world.exec(300, b"true-name", b"a"))
    world.seed(world.entry(300, 1, b"from-proc"), world.entry(200, 1, b"from-proc"))
    (joined,) = world.joined(world.kill(200, 300, source_comm=b"sh", target_comm=b"true-name"))
    assert joined.target.process.args == (b"true-name", b"a")
    assert chain(joined.target) == [300, 100, 1]
    assert joined.source.process.args == (b"sh",)


def test_an_entry_older_than_the_process_that_events_know_is_not_taken(world) -> None:
    young = world.start(300) + 3 * TICK
    world.joined(world.fork(100, 300, start=young))
    world.seed(world.entry(300, 1, b"former"))
    (joined,) = world.joined(world.kill(100, 300, target_start=young))
    assert chain(joined.target) == [300, 100, 1]


def test_events_older_than_the_snapshot_keep_what_it_read_and_give_the_lineage(world) -> None:
    world.seed(world.entry(300, 1, b"app", b"--flag"))  # its parent 200 had died already
    (joined,) = world.joined(world.fork(200, 300), world.kill(100, 300, target_comm=b"app"))
    assert joined.target.process.args == (b"app", b"--flag")
    assert chain(joined.target) == [300, 200, 100, 1]


def test_a_later_listing_ends_the_life_of_what_it_lacks_and_adds_what_was_missed(world) -> None:
    world.joined(world.fork(100, 300), world.kill(100, 200))
    world.table.seed(
        [world.entry(1, 0, b"init"), world.entry(100, 1, b"sh"), world.entry(500, 1, b"missed")],
        began=world.start(600),
        pids={1, 100, 500, 501},
    )
    bound = world.table.counts().entries
    assert bound == 5  # the dead are still held for a grace
    (joined,) = world.joined(world.kill(100, 500, target_comm=b"missed"))
    assert joined.target.process.args == (b"missed",)
    busy(world, 3000)
    assert world.table.apply([world.kill(100, 200)]).rest  # its exit record had been lost
    assert not world.table.apply([world.kill(100, 100)]).rest


def busy(world, deaths: int) -> None:
    for number in range(deaths):
        pid = 20_000 + number
        world.now += 5_000_000
        world.joined(world.fork(1, pid), world.exit(pid))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_split_of_the_events_joins_the_same(new_world, data) -> None:
    """However the ring's content is cut into batches, each signal has the same two sides."""

    def script(world):
        live = [1, 100, 200]
        numbers = itertools.count(300)
        events = []
        for choice in choices:
            one, other = live[choice[1] % len(live)], live[choice[2] % len(live)]
            if choice[0] == 0:
                pid = next(numbers)
                events.append(world.fork(one, pid))
                live.append(pid)
            elif choice[0] == 1:
                events.append(world.exec(one, b"p%d" % choice[2]))
            elif choice[0] == 2 and one not in (1, 100):
                events.append(world.exit(one))
                live.remove(one)
            else:
                events.append(world.kill(one, other))
        return events

    choices = data.draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)), max_size=60)
    )
    views = []
    for cut in (0, data.draw(st.integers(1, 7))):
        world = new_world()
        world.seed(
            world.entry(1, 0, b"init"), world.entry(100, 1, b"sh"), world.entry(200, 1, b"x")
        )
        events = script(world)
        size = cut or len(events) or 1
        joined = []
        for at in range(0, len(events), size):
            joined += world.joined(*events[at : at + size])
        views.append([(view(j.source), view(j.target)) for j in joined])
    assert views[0] == views[1]


def view(side):
    found = []
    while side is not None:
        found.append((side.process.pid, side.process.args, side.process.comm, side.complete))
        side = side.parent
    return found
