"""Events in, sides out: who is named, with which ancestry, and which objects stay the same."""

from __future__ import annotations

import pytest

from otel_killsnoop.model import Joined, Side


def pids(side: Side | None) -> list[int]:
    found = []
    while side is not None:
        found.append(side.process.pid)
        side = side.parent
    return found


def test_a_child_shows_its_parents_image_until_it_runs_its_own(world) -> None:
    first, second = world.joined(
        world.fork(100, 300, b"sh"),
        world.kill(200, 300),
        world.exec(300, b"sleep", b"10"),
        world.kill(200, 300, target_comm=b"sleep"),
    )
    assert first.target.process.args == (b"sh", b"-i")
    assert first.target.process.known_from == "fork"
    assert second.target.process.args == (b"sleep", b"10")
    assert second.target.process.path == b"/bin/sleep"
    assert second.target.process.known_from == "exec"
    assert pids(second.target) == [300, 100, 1]
    assert pids(second.source) == [200, 100, 1]
    assert second.target.complete


def test_siblings_share_their_parents_side_object(world) -> None:
    (joined,) = world.joined(world.fork(100, 300), world.fork(100, 301), world.kill(300, 301))
    assert joined.source is not None
    assert joined.source.parent is joined.target.parent
    assert joined.source.parent is not None


def test_nothing_is_built_anew_while_nothing_changes(world) -> None:
    world.joined(world.kill(100, 200))
    (before,) = world.joined(world.kill(100, 200))
    world.joined(world.fork(100, 300), world.exec(300, b"ls"), world.exit(300))
    (after,) = world.joined(world.kill(100, 200))
    assert after.target is before.target
    assert after.source is before.source


def test_a_change_far_up_changes_the_sides_below_and_no_other_process(world) -> None:
    (before,) = world.joined(world.kill(100, 200))
    world.joined(world.exec(1, b"systemd"))
    (after,) = world.joined(world.kill(100, 200))
    assert after.target is not before.target
    assert after.target.process is before.target.process
    assert after.target.parent is not None
    assert after.target.parent.parent is not None
    assert after.target.parent.parent.process.args == (b"systemd",)


def test_an_ancestor_stays_in_the_tree_after_its_death(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300), world.exec(300, b"bash"), world.fork(300, 301), world.exit(300),
        world.kill(200, 301),
    )  # fmt: skip
    assert pids(joined.target) == [301, 300, 100, 1]
    assert joined.target.parent is not None
    assert joined.target.parent.process.args == (b"bash",)


def test_clone_parent_is_told_by_parent_pid_and_the_lineage_by_who_forked(world) -> None:
    (joined,) = world.joined(world.fork(200, 300, real_parent=100), world.kill(1, 300))
    assert joined.target.process.parent_pid == 100
    assert pids(joined.target) == [300, 200, 100, 1]


def test_a_thread_that_is_not_the_leader_forks_for_its_process(world) -> None:
    (joined,) = world.joined(
        world.fork(200, 300, b"worker", parent_tid=207),
        world.kill(200, 300, source_tid=207, source_comm=b"sh", target_comm=b"worker"),
    )
    assert pids(joined.target) == [300, 200, 100, 1]
    assert joined.target.process.comm == b"worker"
    assert joined.source is not None
    assert joined.source.process.comm == b"sh"


def test_a_leaders_new_name_and_user_make_a_new_process_object(world) -> None:
    first, same, renamed, moved = world.joined(
        world.kill(100, 200),
        world.kill(100, 200),
        world.kill(100, 200, target_comm=b"new) name\n"),
        world.kill(100, 200, target_comm=b"new) name\n", target_uid=1000),
    )
    assert same.target.process is first.target.process
    assert renamed.target.process.comm == b"new) name\n"
    assert (moved.target.process.uid, moved.target.process.user) == (1000, "bob")
    assert first.target.process.comm == b"sh"


def test_a_kernel_cause_has_no_source(world) -> None:
    (joined,) = world.joined(world.kill(200, 200, world.fault))
    assert joined.source is None


def test_a_signal_after_the_exit_record_still_names_the_dead(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300), world.exec(300, b"true", b"x"), world.exit(300),
        world.kill(300, 100, target_comm=b"sh", source_comm=b"true"),
    )  # fmt: skip
    assert joined.source is not None
    assert joined.source.process.args == (b"true", b"x")


def test_a_reused_pid_is_another_process_and_the_old_one_is_still_known(world) -> None:
    old, young = world.start(300), world.start(300) + 5_000_000
    first, second, late = world.joined(
        world.fork(100, 300), world.exec(300, b"old"),
        world.kill(100, 300, target_start=old, target_comm=b"old"),
        world.exit(300),
        world.fork(200, 300, start=young), world.exec(300, b"young", start=young),
        world.kill(100, 300, target_start=young, target_comm=b"young"),
        world.kill(100, 300, target_start=old, target_comm=b"old"),
    )  # fmt: skip
    assert first.target.process.args == (b"old",)
    assert second.target.process.args == (b"young",)
    assert pids(second.target) == [300, 200, 100, 1]
    assert late.target.process.start == old
    assert late.target.process.args == (b"old",)
    assert (first.target.process.ended, late.target.process.ended) == (False, True)


def test_an_exit_record_of_a_process_that_goes_on_is_taken_back(world) -> None:
    world.joined(world.fork(100, 300), world.exit(300), world.exec(300, b"goes-on"))
    for number in range(5000):
        pid = 10_000 + number
        world.joined(world.fork(200, pid), world.exit(pid))
        world.now += 10_000_000
    (joined,) = world.joined(world.kill(100, 300, target_comm=b"goes-on"))
    assert joined.target.process.args == (b"goes-on",)


def test_exit_told_twice_is_one_death_and_of_a_stranger_none(world) -> None:
    before = world.table.counts().entries
    world.joined(world.fork(100, 300), world.exit(300), world.exit(300), world.exit(999))
    assert world.table.counts().entries == before + 1


def test_kernel_threads_have_no_arguments(world) -> None:
    world.seed(world.entry(2, 0, comm=b"kthreadd"))
    (joined,) = world.joined(
        world.fork(2, 50, b"kworker/0:1"),
        world.kill(2, 50, target_comm=b"kworker/0:1", source_comm=b"kthreadd",
                   target_flags=0x00200000),
    )  # fmt: skip
    assert joined.target.process.args == ()
    assert joined.target.process.args_count == 0
    assert pids(joined.target) == [50, 2]
    assert joined.target.complete


def test_the_cgroup_that_an_event_names_is_where_the_process_runs(world) -> None:
    container = "/system.slice/docker-" + "ab" * 32 + ".scope"
    world.cgroups = {7: container, 8: "/user.slice/user-0.slice/session-3.scope"}
    first, second = world.joined(
        world.fork(100, 300, cgroup=7),
        world.kill(100, 300, target_cgroup=7),
        world.kill(100, 300, target_cgroup=8),
    )
    assert first.target.process.container_id == "ab" * 32
    assert second.target.process.container_id is None
    assert second.target.process.systemd_unit == "session-3.scope"


def test_the_place_from_proc_is_kept_when_the_id_cannot_be_resolved(world) -> None:
    (joined,) = world.joined(world.kill(100, 200, target_cgroup=99))
    assert joined.target.process.cgroup == "/a"


def test_cut_arguments_say_so_with_the_true_count(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300), world.exec(300, b"x", b"y", cut=True, argc=9000),
        world.kill(100, 300, target_comm=b"x"),
    )  # fmt: skip
    assert joined.target.process.args_cut
    assert joined.target.process.args_count == 9000


def test_arguments_that_the_kernel_could_not_read_are_read_from_proc(world) -> None:
    world.proc[300] = world.entry(300, 100, b"late", b"args")
    (joined,) = world.joined(
        world.fork(100, 300), world.exec(300, argc=2, cut=True, comm=b"late"),
        world.kill(100, 300, target_comm=b"late"),
    )  # fmt: skip
    assert joined.target.process.args == (b"late", b"args")
    assert not joined.target.process.args_cut


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("redacted", (b"app", b"--token", b"***")),
        ("full", (b"app", b"--token", b"abcdef")),
        ("none", (b"app",)),
    ],
)
def test_arguments_are_shown_as_the_option_says(world, mode, shown) -> None:
    world.table = world.make(mode)
    world.seed(world.entry(1, 0, b"init"), world.entry(5, 1, b"app", b"--token", b"abcdef"))
    world.joined(world.kill(1, 5, source_comm=b"init", target_comm=b"app"))
    world.joined(world.fork(5, 6, b"app"))
    (joined,) = world.joined(world.kill(1, 6, source_comm=b"init", target_comm=b"app"))
    assert joined.target.process.args == shown
    assert joined.target.process.args_count == 3
    # One image, redacted once, however many processes have it.
    assert world.table.counts().masked == (1 if mode == "redacted" else 0)


# --- who was born before there was a fork record, and is gone before /proc was read ------------


def waited(world, *events) -> list[Joined]:
    """What was joined of events that have waited for more already."""
    return list(world.table.apply(events, waited=len(events)).joined)


def test_an_exit_record_tells_a_strangers_parent(world) -> None:
    (joined,) = waited(world, world.kill(250, 200), world.exit(250, parent=100))
    assert pids(joined.source) == [250, 100, 1]
    assert joined.source.process.known_from == "partial"
    assert joined.source.process.parent_pid == 100
    assert joined.source.complete


def test_an_exec_record_does_too(world) -> None:
    (joined,) = world.joined(world.exec(250, b"new", parent=100), world.kill(250, 200))
    assert pids(joined.source) == [250, 100, 1]
    assert joined.source.process.known_from == "exec"


def test_strangers_that_are_strangers_children(world) -> None:
    """A shell and what it started, of which the one has an end and the other a birth."""
    (joined,) = world.joined(
        world.fork(240, 250), world.kill(250, 200), world.exit(250, parent=240),
        world.exit(240, parent=100),
    )  # fmt: skip
    assert pids(joined.source) == [250, 240, 100, 1]


def test_of_a_parent_that_is_gone_too_the_number_is_told(world) -> None:
    (joined,) = waited(world, world.kill(250, 200), world.exit(250, parent=77))
    assert pids(joined.source) == [250]
    assert joined.source.process.parent_pid == 77
    assert not joined.source.complete


def test_a_younger_parent_is_none(world) -> None:
    """Its number was given again before the record was read."""
    (joined,) = waited(world, world.fork(1, 300), world.kill(250, 200), world.exit(250, parent=300))
    assert pids(joined.source) == [250]


def test_an_end_in_a_later_batch_says_it_to_who_waits(world) -> None:
    kill = world.kill(250, 200)
    assert world.table.apply([kill]).joined == []
    (joined,) = world.table.apply([kill, world.exit(250, parent=100)], waited=1).joined
    assert pids(joined.source) == [250, 100, 1]
