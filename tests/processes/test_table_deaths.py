"""Who died of a signal, when, and which record is the one that killed."""

from __future__ import annotations

import dataclasses

import pytest

from otel_killsnoop.model import Facts
from otel_killsnoop.processes.deaths import DYING, WAITS
from otel_killsnoop.processes.node import EXITING, TICK

SECOND = 1_000_000_000


def facts(number: int, disposition: str | None = "default", result: str = "delivered") -> Facts:
    return Facts(
        number, f"SIG{number}", "SI_USER", "user", "kill", "process", result, True, disposition
    )


def pids(side) -> list[int]:
    found = []
    while side is not None:
        found.append(side.process.pid)
        side = side.parent
    return found


def test_a_death_names_its_killer_and_the_tree_at_the_end(world) -> None:
    kill = world.kill(100, 300, facts(15), target_comm=b"app")
    fork, exec_ = world.fork(200, 300), world.exec(300, b"app", b"x")
    end = world.exit(300, status=15)
    (death,) = world.deaths(fork, exec_, kill, end)
    assert (death.sequence, death.time, death.status) == (end.sequence, end.time, 15)
    assert death.killer == kill.sequence
    assert death.run_time == end.time - world.start(300)
    assert pids(death.target) == [300, 200, 100, 1]
    assert death.target.process.args == (b"app", b"x")


@pytest.mark.parametrize("status", [0, 1 << 8, 137 << 8])
def test_a_process_that_exits_by_itself_gives_none(world, status: int) -> None:
    assert world.deaths(
        world.fork(100, 300), world.kill(100, 300, facts(15, "handled")),
        world.exit(300, status=status),
    ) == []  # fmt: skip
    # Also where a signal that could have killed did not come to it.
    assert world.deaths(
        world.fork(100, 301), world.kill(100, 301, facts(15)), world.exit(301, status=status)
    ) == []  # fmt: skip


def test_a_core_dump_is_kept_in_the_status(world) -> None:
    fault = dataclasses.replace(facts(11), has_source=False, cause="fault")
    fault_record = world.kill(300, 300, fault)
    (death,) = world.deaths(world.fork(100, 300), fault_record, world.exit(300, status=0x8B))
    assert (death.status, death.killer) == (0x8B, fault_record.sequence)


def test_a_death_of_a_signal_that_was_not_recorded_has_no_killer(world) -> None:
    (death,) = world.deaths(
        world.fork(100, 300), world.kill(100, 300, facts(15)), world.exit(300, status=9)
    )
    assert death.killer is None


def test_the_start_of_a_process_from_proc_becomes_exact_with_its_end(world) -> None:
    end = world.exit(200, status=9)
    (death,) = world.deaths(end)
    assert death.target.process.start == world.start(200)
    assert death.run_time == end.time - world.start(200)


def killer_of(world, *signals: tuple[Facts, int], status: int, after: int = 1000) -> int | None:
    """Which of these signals to one process, each some ns after the last, is the killer."""
    events = [world.fork(100, 300)]
    for kind, wait in signals:
        world.now += wait
        events.append(world.kill(100, 300, kind))
    world.now += after
    (death,) = world.deaths(*events, world.exit(300, status=status))
    sequences = [event.sequence for event in events[1:]]
    return None if death.killer is None else sequences.index(death.killer)


@pytest.mark.parametrize(
    ("signals", "number", "killer"),
    [
        # Sent twice: of the first one it died.
        ([(facts(9), 0), (facts(9), 10)], 9, 0),
        ([(facts(9), 0), (facts(9), 60 * SECOND)], 9, 0),  # it took a while, in the disk's driver
        ([(facts(9), 0), (facts(9, result="already_pending"), 10)], 9, 0),
        ([(facts(9), 0), (facts(9, result="ignored"), 10)], 9, 0),
        ([(facts(15), 0), (facts(15), 10)], 15, 0),
        # A tracer swallowed the first, or it would not have lived on for so long.
        ([(facts(15), 0), (facts(15), DYING)], 15, 1),
        # What did not come, or was handled, did not kill.
        ([(facts(15, "ignored"), 0), (facts(15), 10)], 15, 1),
        ([(facts(15, "handled"), 0), (facts(15), 10)], 15, 1),
        ([(facts(15, result="ignored"), 0), (facts(15), 10)], 15, 1),
        ([(facts(15, "handled"), 0)], 15, None),
        ([(facts(15, result="already_pending"), 0)], 15, None),
        ([(facts(34, result="overflow_fail"), 0)], 34, None),
        ([(facts(34, result="lose_info"), 0)], 34, 0),
        # In a handler its own signal is blocked: there it sets the default and raises it again.
        ([(facts(15, "handled"), 0), (facts(15, "blocked"), 10)], 15, 1),
        ([(facts(15, "handled"), 0), (facts(15, "blocked"), 9), (facts(15, "blocked"), 9)], 15, 2),
        ([(facts(15, "blocked"), 0), (facts(15), 10)], 15, 1),
        ([(facts(15), 0), (facts(15, "blocked"), 10)], 15, 0),
        # Real-time signals queue up while they are blocked: it cannot be told which one it was.
        ([(facts(40, "blocked"), 0)], 40, 0),
        ([(facts(40, "blocked"), 0), (facts(40, "blocked"), 10)], 40, None),
        ([(facts(40, "blocked"), 0), (facts(40, "blocked"), 10), (facts(40), 10)], 40, 2),
        # Numbers are told apart, and one whose handling is unknown may kill.
        ([(facts(15), 0), (facts(9), 10)], 9, 1),
        ([(facts(15), 0), (facts(9), 10)], 15, 0),
        ([(facts(1, None), 0)], 1, 0),
    ],
)
def test_which_of_several_signals_killed(world, signals, number, killer) -> None:
    assert killer_of(world, *signals, status=number) == killer


def test_one_that_was_blocked_long_ago_was_taken_otherwise(world) -> None:
    blocked = facts(15, "blocked")
    assert killer_of(world, (blocked, 0), status=15, after=WAITS // 2) == 0


def test_one_that_was_blocked_too_long_ago_is_no_killer(world) -> None:
    blocked = facts(15, "blocked")
    assert killer_of(world, (blocked, 0), status=15, after=WAITS + 1) is None


def test_a_death_is_told_once_and_a_later_life_of_the_number_is_another(world) -> None:
    first = world.deaths(world.fork(100, 300), world.exit(300, status=9), world.exit(300, status=9))
    assert len(first) == 1
    young = world.start(300) + 5_000_000
    kill = world.kill(100, 300, facts(9), target_start=young)
    (second,) = world.deaths(
        world.fork(200, 300, start=young), kill, world.exit(300, start=young, status=9)
    )
    assert second.killer == kill.sequence
    assert pids(second.target) == [300, 200, 100, 1]


def test_an_exec_by_another_thread_ends_the_first_one_and_not_the_process(world) -> None:
    assert world.deaths(
        world.fork(100, 300), world.exit(300, status=9), world.exec(300, b"goes-on")
    ) == []  # fmt: skip
    kill = world.kill(100, 300, facts(9), target_comm=b"goes-on")
    (death,) = world.deaths(kill, world.exit(300, status=9))
    assert death.killer == kill.sequence
    assert death.target.process.args == (b"goes-on",)


def test_the_same_where_the_exec_record_comes_in_a_later_batch(world) -> None:
    world.proc[300] = world.entry(300, 100, b"goes-on")
    assert world.deaths(world.fork(100, 300), world.exit(300, status=9)) == []
    world.proc[300] = world.proc[300]._replace(flags=EXITING)
    assert len(world.deaths(world.exit(300, status=9))) == 1


def test_an_end_that_proc_told_first_is_still_told(world) -> None:
    world.joined(world.fork(100, 300))
    kill = world.kill(100, 300, facts(9))
    world.joined(kill)
    end = world.exit(300, status=9)
    world.table.seed(
        [world.entry(1, 0, b"init")], began=world.start(300) + 2 * TICK, pids={1, 100, 200}
    )
    (death,) = world.deaths(end)
    assert death.killer == kill.sequence


def test_a_stranger_is_sought_in_proc_and_else_there_is_no_record(world) -> None:
    assert world.deaths(world.exit(300, status=9)) == []
    zombie = world.entry(301, 200, comm=b"app")._replace(flags=EXITING)
    world.proc[301] = zombie
    (death,) = world.deaths(world.exit(301, status=9))
    assert death.target.process.comm == b"app"
    assert pids(death.target) == [301, 200, 100, 1]
    world.proc[302] = world.entry(302, 200, b"other", start=world.start(302) + 2 * TICK)
    assert world.deaths(world.exit(302, status=9)) == []


def test_deaths_before_a_signal_that_waits_are_told_and_those_after_it_later(world) -> None:
    events = [world.fork(100, 300), world.exit(300, status=9), world.kill(100, 777),
              world.exit(200, status=15)]  # fmt: skip
    first = world.table.apply(events)
    assert [death.target.process.pid for death in first.deaths] == [300]
    second = world.table.apply(first.rest, waited=len(first.rest))
    assert [death.target.process.pid for death in second.deaths] == [200]


def test_the_out_of_memory_record_is_no_business_of_the_table(world) -> None:
    from otel_killsnoop.model import Oom

    sequence, time = world.tick()
    oom = Oom(sequence, time, 300, world.start(300), 200, None)
    kill = world.kill(200, 300, dataclasses.replace(facts(9), has_source=False, cause="oom"))
    applied = world.table.apply([world.fork(100, 300), kill, oom, world.exit(300, status=9)])
    assert [joined.source for joined in applied.joined] == [None]
    assert [death.killer for death in applied.deaths] == [kill.sequence]
