"""Real signals by every system call that sends one -> records that match, and sums that add up."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from puppet import Puppet, puppet
from traced import Traced, traced

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer import load

pytestmark = pytest.mark.kernel

WAYS = {"tp_btf": True, "raw_tp": False}
PRIMES = {
    "kill": 101,
    "tkill": 103,
    "tgkill": 107,
    "rt_sigqueueinfo": 109,
    "rt_tgsigqueueinfo": 113,
    "pidfd_send_signal": 127,
}
SCOPES = {"tkill": "thread", "tgkill": "thread", "rt_tgsigqueueinfo": "thread"}
CODES = {
    "tkill": "SI_TKILL",
    "tgkill": "SI_TKILL",
    "rt_sigqueueinfo": "SI_QUEUE",
    "rt_tgsigqueueinfo": "SI_QUEUE",
}
USR2 = 12
SOURCE_COMM, SOURCE_WORKER, TARGET_COMM, TARGET_WORKER = (
    b"se)nd er\n",
    b"\xff\x01 worker",
    b"fifteen-bytes-t",
    b"(",
)


def between(one: Traced, source: Puppet, target: Puppet) -> list[Signal]:
    """The signals from one to the other, after the tracer was detached."""
    return [
        event
        for event in one.events()
        if isinstance(event, Signal)
        and (event.source_pid, event.target_pid) == (source.pid, target.pid)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_sending_is_recorded_exactly(way: str, own_number: int) -> None:
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as source, puppet() as target:
        assert one.tracer.mode == way
        target.do("block")
        tids = []
        for actor, comm, worker, uid, gid in (
            (source, SOURCE_COMM, SOURCE_WORKER, 23_456, 34_567),
            (target, TARGET_COMM, TARGET_WORKER, 45_678, 56_789),
        ):
            tids.append(actor.do("thread"))
            actor.do("rename", comm.decode("latin-1"))
            actor.do("rename", worker.decode("latin-1"), 1)
            actor.do("act_as", uid, gid)
        source_tid, target_tid = tids

        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for how, count in PRIMES.items():
            source.begin("send", 1, how, target.pid, target_tid, own_number, count)
            one.counts()
            assert source.answer() == count
        # The same from the leader, to a number that has nothing queued and stays pending once.
        assert source.do("send", 0, "kill", target.pid, 0, USR2, 11) == 11
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        counts = one.finish()

        seen = between(one, source, target)
        queued = [event for event in seen if event.facts.number == own_number]
        assert Counter(event.facts.call for event in queued) == PRIMES
        assert counts.generated[own_number] == counts.submitted[own_number] == sum(PRIMES.values())
        assert counts.lost[own_number] == counts.filtered[own_number] == 0
        for event in queued:
            call = event.facts.call or ""
            assert event.facts.scope == SCOPES.get(call, "process")
            assert event.facts.code == CODES.get(call, "SI_USER")
            assert (event.facts.result, event.facts.cause) == ("delivered", "user")
            assert event.facts.has_source
            assert event.source_tid == source_tid
            assert event.source_comm == SOURCE_COMM  # the process's, whatever the thread's is
            to_thread = call in SCOPES
            assert event.target_tid == (target_tid if to_thread else target.pid)
            assert event.target_comm == TARGET_COMM

        rest = [event for event in seen if event.facts.number != own_number]
        assert [event.facts.number for event in rest] == [USR2] * 11
        assert [event.facts.result for event in rest] == ["delivered"] + ["already_pending"] * 10
        assert {event.source_tid for event in rest} == {source.pid}
        assert {event.source_comm for event in rest} == {SOURCE_COMM}

        ticks = os.sysconf("SC_CLK_TCK")
        for event in seen:
            assert before <= event.time <= after
            assert (event.source_uid, event.source_gid) == (23_456, 34_567)
            assert (event.target_uid, event.target_gid) == (45_678, 56_789)
            assert (event.source_vpid, event.target_vpid) == (source.pid, target.pid)
            assert event.source_start * ticks // 10**9 == source.start_ticks
            assert event.target_start * ticks // 10**9 == target.start_ticks


@pytest.mark.parametrize("way", WAYS)
def test_what_came_of_a_signal(way: str, own_number: int) -> None:
    with traced(load.Options(direct=WAYS[way])) as one, puppet() as source, puppet() as target:
        target.do("ignore", [own_number])
        assert source.do("send", 0, "kill", target.pid, 0, own_number, 13) == 13
        target.do("block")  # what is blocked is kept, though it will be ignored
        assert source.do("send", 0, "kill", target.pid, 0, own_number, 7) == 7
        nobody_else = 3_000_000 + target.pid  # a user without anything queued yet
        target.do("become", nobody_else, nobody_else)
        target.do("queue_at_most", 5)
        # kill goes through without its siginfo, a queued one is refused when the queue is full.
        assert source.do("send", 0, "rt_sigqueueinfo", target.pid, 0, own_number, 5) == 5
        assert source.do("send", 0, "kill", target.pid, 0, own_number, 3) == 3
        assert source.do("send", 0, "rt_sigqueueinfo", target.pid, 0, own_number, 2) == 0
        counts = one.finish()
        results = Counter(event.facts.result for event in between(one, source, target))
        assert results == {"ignored": 13, "delivered": 12, "lose_info": 3, "overflow_fail": 2}
        assert counts.submitted[own_number] == 30


def test_a_signal_to_a_process_group_is_one_record_a_member(own_number: int) -> None:
    with traced() as one, puppet() as source, puppet() as leader:
        leader.do("ignore", [own_number])
        members = leader.do("children", 4)
        assert source.do("send", 0, "kill", -leader.pid, 0, own_number, 3) == 3
        counts = one.finish()
        seen = [
            event
            for event in one.events()
            if isinstance(event, Signal) and event.facts.number == own_number
        ]
        assert Counter(event.target_pid for event in seen) == dict.fromkeys(
            [*members, leader.pid], 3
        )
        assert {(event.facts.scope, event.source_pid) for event in seen} == {("group", source.pid)}
        assert counts.submitted[own_number] == 15


def test_a_forged_siginfo_is_recorded_as_it_was_sent(own_number: int) -> None:
    """A sender may claim to be a timer: the call in progress tells who it was."""
    with traced() as one, puppet() as source, puppet() as target:
        target.do("ignore", [own_number])
        for code in (-2, -60, -1000):
            assert source.do("send", 0, "rt_sigqueueinfo", target.pid, 0, own_number, 5, code) == 5
        one.finish()
        seen = between(one, source, target)
        codes = Counter(event.facts.code for event in seen)
        assert codes == {"SI_TIMER": 5, "SI_ASYNCNL": 5, "-1000": 5}
        assert {(event.facts.cause, event.facts.call) for event in seen} == {
            ("user", "rt_sigqueueinfo")
        }


def test_the_cgroup_is_the_directory_of_the_hierarchy_that_tells_most(own_number: int) -> None:
    with traced() as one, puppet() as source, puppet() as target:
        target.do("ignore", [own_number])
        assert source.do("send", 0, "kill", target.pid, 0, own_number, 2) == 2
        own = Path(f"/proc/{source.pid}/cgroup").read_text().splitlines()
        one.finish()
        seen = between(one, source, target)
        assert len(seen) == 2
        assert {event.source_cgroup for event in seen} == {_cgroup_id(own)}
        assert {event.target_cgroup for event in seen} == {_cgroup_id(own)}


def _cgroup_id(own: list[str]) -> int:
    """From /proc/PID/cgroup: a directory's inode, bit 63 set where it is of a v1 hierarchy."""
    paths = {names: path for _, names, path in (line.split(":", 2) for line in own)}
    mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    controller = load.v1_controller("/")
    for names, path in paths.items():
        if controller in names.split(",") and path != "/":
            where = next(one[1] for one in mounts if controller in one[3].split(","))
            return Path(where + path).stat().st_ino | 1 << 63
    where = next(one[1] for one in mounts if one[2] == "cgroup2")
    return Path(where + paths[""]).stat().st_ino
