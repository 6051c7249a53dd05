"""Whom a refused call meant: a number, in the caller's PID namespace, at that time."""

from __future__ import annotations

import dataclasses

import pytest

from otel_killsnoop.model import Details
from otel_killsnoop.processes.node import EXITING, TICK

INNER, DEEPER = 0xF0000001, 0xF0000002


def chain(side) -> list[int]:
    found = []
    while side is not None:
        found.append(side.process.pid)
        side = side.parent
    return found


def test_an_attempt_is_joined_as_a_signal_with_both_its_sides(world) -> None:
    birth, run = world.fork(100, 300, b"app"), world.exec(300, b"app", uid=1000)
    attempt = world.attempt(200, 300, argument=300)
    (joined,) = world.joined(birth, run, attempt)
    signal = joined.signal
    assert signal[:12] == attempt[:12]
    assert (signal.facts.result, signal.facts.error) == ("refused", "EPERM")
    assert (signal.target_pid, signal.target_tid, signal.target_start) == (
        300, 300, world.start(300),
    )  # fmt: skip
    assert (signal.target_uid, signal.target_comm) == (1000, b"app")
    assert signal.details == Details(argument=300)
    assert chain(joined.source) == [200, 100, 1]
    assert chain(joined.target) == [300, 100, 1]


@pytest.mark.parametrize("target", [None, 0, -300])
def test_a_call_that_names_no_process_has_no_target(world, target) -> None:
    (joined,) = world.joined(world.attempt(100, target, argument=-300))
    assert joined.target is None
    assert joined.signal[12:21] == (0, 0, 0, 0, 0, 0, 0, 0, b"")
    assert joined.signal.details == Details(argument=-300)


def test_a_number_that_is_nobodys_has_no_target_whoever_had_it_before(world) -> None:
    gone = dataclasses.replace(world.denied, error="ESRCH")
    world.joined(world.fork(100, 300), world.exit(300))
    for number in (300, 4000):
        (joined,) = world.joined(world.attempt(100, number, gone))
        assert joined.target is None


def test_signal_0_that_was_not_refused_has_its_target(world) -> None:
    tested = dataclasses.replace(world.denied, number=0, name="SIG0", result="tested", error=None)
    (joined,) = world.joined(world.attempt(100, 200, tested))
    assert chain(joined.target) == [200, 100, 1]


def test_a_dead_process_is_meant_only_while_it_is_a_zombie(world) -> None:
    world.joined(world.fork(100, 300, b"old"), world.exit(300))
    attempt = world.attempt(100, 300)
    assert list(world.table.apply([attempt]).rest) == [attempt]
    world.proc[300] = world.entry(300, 100, comm=b"old")._replace(flags=EXITING)
    (joined,) = world.forced([attempt])
    assert joined.target.process.known_from == "fork"
    assert joined.target.process.pid == 300
    world.proc[300] = world.entry(300, 100, b"young", start=world.now + 2 * TICK)
    (joined,) = world.forced([world.attempt(100, 300)])
    assert joined.target is None  # the number is another's who did not live then


def test_a_process_that_died_after_the_attempt_was_meant(world) -> None:
    attempt = world.attempt(100, 300)
    (joined,) = world.joined(
        world.fork(100, 300), world.exit(300), attempt._replace(time=world.now - 3500)
    )
    assert joined.target is not None


def test_a_target_whose_fork_record_follows_in_the_batch_or_in_the_next(world) -> None:
    attempt = world.attempt(100, 300)
    (joined,) = world.joined(attempt, world.fork(200, 300), world.exec(300, b"late"))
    assert chain(joined.target) == [300, 200, 100, 1]
    assert joined.target.process.args == (b"sh",)
    waits = world.attempt(100, 301)
    first = world.table.apply([waits])
    assert list(first.rest) == [waits]
    second = world.table.apply([waits, world.fork(200, 301)], waited=1)
    assert chain(second.joined[0].target) == [301, 200, 100, 1]


def test_a_process_that_was_born_after_the_attempt_was_not_meant(world) -> None:
    attempt = world.attempt(100, 300)
    (joined,) = world.forced([attempt, world.fork(200, 300, start=attempt.time + 1)])
    assert joined.target is None


def test_whom_no_record_announced_is_sought_in_proc(world) -> None:
    world.proc[300] = world.entry(300, 200, b"app")
    attempt = world.attempt(100, 300)
    assert world.table.apply([attempt]).rest
    (joined,) = world.forced([attempt])
    assert chain(joined.target) == [300, 200, 100, 1]
    assert joined.target.process.known_from == "procfs"
    assert world.table.counts().partial == 0


def test_an_unknown_source_waits_and_is_then_known_by_the_event(world) -> None:
    attempt = world.attempt(300, 200)
    assert list(world.table.apply([attempt]).rest) == [attempt]
    (joined,) = world.forced([attempt])
    assert (joined.source.process.pid, joined.source.process.known_from) == (300, "partial")
    assert chain(joined.target) == [200, 100, 1]


def test_a_threads_number_leads_to_its_process(world) -> None:
    to_thread = dataclasses.replace(world.denied, call="tkill", scope="thread")
    world.proc[200] = world.entry(200, 100, b"sh")
    world.threads[207] = (200, world.start(207) // TICK)
    (joined,) = world.joined(world.attempt(100, 207, to_thread, is_thread=True))
    assert chain(joined.target) == [200, 100, 1]
    assert (joined.signal.target_pid, joined.signal.target_tid) == (200, 207)
    # kill(2) takes a thread's number as well.
    (joined,) = world.joined(world.attempt(100, 207))
    assert chain(joined.target) == [200, 100, 1]
    # A thread that was made after the attempt is not the one that was meant.
    world.threads[208] = (200, world.now // TICK + 2)
    (joined,) = world.forced([world.attempt(100, 208, to_thread, is_thread=True)])
    assert joined.target is None


def test_tgkill_names_the_process_itself(world) -> None:
    to_thread = dataclasses.replace(world.denied, call="tgkill", scope="thread")
    (joined,) = world.joined(world.attempt(100, 207, to_thread, argument=200, is_thread=True))
    assert (joined.signal.target_pid, joined.signal.target_tid) == (200, 207)


def test_a_number_of_a_nested_namespace_is_translated(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300, b"init", levels=((INNER, 1),)),
        world.fork(300, 301, b"app", levels=((INNER, 2),)),
        world.fork(300, 302, b"far", levels=((INNER, 3), (DEEPER, 1))),
        world.attempt(301, 3, namespace=INNER, source_vpid=2),
    )
    assert chain(joined.target) == [302, 300, 100, 1]
    (joined,) = world.joined(world.attempt(302, 1, namespace=DEEPER, source_vpid=1))
    assert joined.target.process.pid == 302
    (joined,) = world.joined(world.attempt(301, 1, namespace=INNER, source_vpid=2))
    assert joined.target.process.pid == 300
    # The host's number 2 is not meant by a 2 there, nor the other way round.
    (joined,) = world.joined(world.attempt(100, 302))
    assert joined.target.process.pid == 302
    (joined,) = world.forced([world.attempt(302, 3, namespace=DEEPER, source_vpid=1)])
    assert joined.target is None
    (joined,) = world.forced([world.attempt(302, 200, namespace=DEEPER, source_vpid=1)])
    assert joined.target is None


def test_a_nested_number_that_is_used_again_means_the_one_who_has_it(world) -> None:
    world.joined(
        world.fork(100, 300, levels=((INNER, 1),)), world.fork(300, 301, levels=((INNER, 2),)),
        world.exit(301), world.fork(300, 302, b"young", levels=((INNER, 2),)),
    )  # fmt: skip
    (joined,) = world.joined(world.attempt(300, 2, namespace=INNER, source_vpid=1))
    assert joined.target.process.pid == 302
    world.joined(world.exit(302))
    (joined,) = world.forced([world.attempt(300, 2, namespace=INNER, source_vpid=1)])
    assert joined.target is None


def test_a_nested_process_that_is_born_ahead_is_found_by_its_number_there(world) -> None:
    world.joined(world.fork(100, 300, levels=((INNER, 1),)))
    attempt = world.attempt(300, 2, namespace=INNER, source_vpid=1)
    (joined,) = world.joined(
        attempt, world.fork(300, 2), world.fork(300, 301, levels=((INNER, 2),))
    )
    assert joined.target.process.pid == 301


def test_a_process_from_proc_has_its_nested_numbers_from_there(world) -> None:
    world.seed(world.entry(300, 100, b"init")._replace(vpid=1, levels=((INNER, 1),)))
    (joined,) = world.joined(world.attempt(300, 1, namespace=INNER, source_vpid=1))
    assert joined.target.process.pid == 300


def test_without_a_namespace_the_number_is_the_hosts_only_for_a_caller_of_the_host(world) -> None:
    (joined,) = world.joined(world.attempt(100, 200, namespace=0))
    assert joined.target.process.pid == 200
    (joined,) = world.forced([world.attempt(100, 200, namespace=0, source_vpid=5)])
    assert joined.target is None


def test_nested_numbers_are_forgotten_with_their_processes(world) -> None:
    before = world.table.counts()
    world.table = world.make(max_entries=8)
    world.seed(world.entry(1, 0, b"init"))
    for number in range(200):
        world.joined(
            world.fork(1, 300 + number, levels=((INNER, number + 1),)), world.exit(300 + number)
        )
    registry = world.table._registry
    assert len(registry.nested) == sum(len(node.levels) for node in registry.latest.values()) <= 8
    assert world.table.counts().bytes < before.bytes + 8 * 2000
