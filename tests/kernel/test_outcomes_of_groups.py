"""Sends to many, many at a time: each call is one group of those who got it, and no one else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator

import pytest
from raised import NAME, run, told
from running_agent import Record, RunningAgent
from undisturbed import undisturbed

pytestmark = pytest.mark.kernel

NUMBER = 12
TARGET = "killsnoop.target.process.pid"
IGNORING = (
    "def member(group, uid=0):\n r, w = os.pipe(); pid = os.fork()\n if pid:\n"
    "  os.read(r, 1); return pid\n signal.signal(12, signal.SIG_IGN); os.setpgid(0, group)\n"
    " os.setresuid(uid, uid, uid); os.write(w, b'.')\n while True: signal.pause()\n"
)


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent, older than the tests' processes."""
    with undisturbed(tmp_path_factory.mktemp("telling")) as one:
        yield one


def groups(agent: RunningAgent, senders: set[int], count: int) -> dict[str, list[Record]]:
    """What these sent to groups, by the group's id, as soon as there are so many records."""
    records = agent.wait_records(
        count,
        lambda one: (
            one["killsnoop.event"] == "signal"
            and one["killsnoop.signal.number"] == NUMBER
            and one.get(NAME) in senders
        ),
    )
    assert len(records) == count
    found: dict[str, list[Record]] = defaultdict(list)
    for one in records:
        found[one["killsnoop.signal.group.id"]].append(one)
    return found


def test_threads_that_send_to_one_group_at_the_same_time(telling: RunningAgent) -> None:
    """And two processes of them: no call's members are taken for another's."""
    process, (other, *members) = run(
        IGNORING + "members = [member(0)]\n"
        "members += [member(members[0]) for _ in range(3)]\nimport threading\n"
        "other = os.fork(); gate = threading.Barrier(3)\n"
        "def send():\n gate.wait()\n for _ in range(25): os.killpg(members[0], 12)\n"
        "threads = [threading.Thread(target=send) for _ in range(3)]\n"
        "for one in threads: one.start()\nfor one in threads: one.join()\n"
        "if not other: os._exit(0)\n"
        "os.waitpid(other, 0); say(other, *members); os.killpg(members[0], 9)"
    )
    found = groups(telling, {process.pid, other}, 2 * 3 * 25 * 4)
    assert len(found) == 2 * 3 * 25
    for records in found.values():
        assert sorted(one[TARGET] for one in records) == sorted(members)
        assert len({one["killsnoop.source.thread.id"] for one in records}) == 1
        assert {one["killsnoop.signal.group.size"] for one in records} == {4}
        assert {one["killsnoop.signal.argument"] for one in records} == {-members[0]}


def test_a_group_of_very_many(telling: RunningAgent) -> None:
    process, members = run(
        IGNORING + "members = [member(0)]\n"
        "members += [member(members[0]) for _ in range(299)]\n"
        "os.killpg(members[0], 12); say(*members); os.killpg(members[0], 9)"
    )
    ((name, records),) = groups(telling, {process.pid}, 300).items()
    assert {one[TARGET] for one in records} == set(members)
    assert {one["killsnoop.signal.group.size"] for one in records} == {300}
    assert name == min(one["log.record.uid"] for one in records)


def test_one_alone_is_a_group_of_its_own(telling: RunningAgent) -> None:
    """Told from a signal to the process by the call's argument."""
    process, (alone,) = run(
        IGNORING + "alone = member(0); os.killpg(alone, 12); os.kill(alone, 12)\n"
        "say(alone); os.kill(alone, 9)"
    )
    records = telling.wait_records(
        2, lambda one: one.get(TARGET) == alone and one.get("killsnoop.signal.number") == NUMBER
    )
    told = [
        (one["killsnoop.signal.scope"], one.get("killsnoop.signal.argument"),
         one.get("killsnoop.signal.group.size"), one[NAME])
        for one in records
    ]  # fmt: skip
    assert told == [("group", -alone, 1, process.pid), ("process", None, None, process.pid)]


def test_only_who_is_in_it_and_may_be_signalled_counts(telling: RunningAgent) -> None:
    """Who has left the group is none; neither is who belongs to another user."""
    process, (first, mine, roots, left) = run(
        IGNORING + "first = member(0, 65534); mine = member(first, 65534)\n"
        "roots = member(first); left = member(first); os.setpgid(left, 0)\n"
        "os.setresuid(65534, 65534, 0); os.killpg(first, 12); os.setresuid(0, 0, 0)\n"
        "say(first, mine, roots, left)\nfor one in (first, mine, roots, left): os.kill(one, 9)"
    )
    ((_, records),) = groups(telling, {process.pid}, 2).items()
    assert {one[TARGET] for one in records} == {first, mine}
    assert {one["killsnoop.signal.group.size"] for one in records} == {2}
    for one in (roots, left):  # the last that was sent to them is here: so is all before it
        kills = telling.wait_records(1, lambda record, one=one: record.get(TARGET) == one)
        assert [record["killsnoop.signal.number"] for record in kills if record.get(NAME)] == [9]


def test_who_kills_his_own_group_dies_in_it(telling: RunningAgent) -> None:
    """Each member by its own record of one call, the sender too."""
    process, members = run(
        "os.setpgid(0, 0)\nmembers = []\nfor _ in range(3):\n pid = os.fork()\n"
        " if not pid:\n  while True: signal.pause()\n members.append(pid)\n"
        "say(*members); os.kill(0, 9)"
    )
    assert process.returncode == -signal.SIGKILL
    all_of_them = {process.pid, *members}
    deaths = telling.wait_records(
        4, lambda one: one["killsnoop.event"] == "exit" and one[TARGET] in all_of_them
    )
    kills = telling.records(
        lambda one: one["killsnoop.event"] == "signal" and one.get(TARGET) in all_of_them
        and one["killsnoop.signal.number"] == 9
    )  # fmt: skip
    assert {one["killsnoop.signal.group.size"] for one in kills} == {4}
    assert len({one["killsnoop.signal.group.id"] for one in kills}) == 1
    assert {one[TARGET]: one["killsnoop.exit.killed_by"] for one in deaths} == {
        one[TARGET]: one["log.record.uid"] for one in kills
    }


def test_a_namespaces_group_has_the_callers_number_in_the_argument(
    telling: RunningAgent,
) -> None:
    code = (
        "import os, signal\nr, w = os.pipe(); pid = os.fork()\n"
        "if not pid:\n signal.signal(12, signal.SIG_IGN); os.setpgid(0, 0); os.write(w, b'.')\n"
        " while True: signal.pause()\n"
        "os.read(r, 1); assert pid == 2; os.killpg(2, 12)"
    )
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", code, "of-a-namespace"]
    with subprocess.Popen(command) as process:
        assert process.wait(20) == 0
    (record,) = telling.wait_records(
        1,
        lambda one: (
            one.get("killsnoop.source.process.command_args", [""])[-1] == "of-a-namespace"
            and one["killsnoop.signal.number"] == NUMBER
        ),
    )
    assert record["killsnoop.signal.argument"] == -2
    assert record["killsnoop.signal.group.size"] == 1
    assert (record["killsnoop.target.process.vpid"], record[TARGET]) != (2, 2)
    assert process.pid in record["killsnoop.target.process.ancestors.pids"]


# From Linux 6.9 on: 1 means the thread, 2 the process, 4 the process group.
BY_PIDFD = {
    "the group": ("pidfd", 4, "group", "SI_USER"),
    "the process": ("pidfd", 2, "process", "SI_USER"),
    "the thread": ("pidfd", 1, "thread", "SI_TKILL"),
    "what the descriptor means": ("pidfd", 0, "process", "SI_USER"),
    "the thread of a descriptor": ("os.pidfd_open(members[0], os.O_EXCL)", 0, "thread", "SI_TKILL"),
    "the group of a thread": ("os.pidfd_open(members[0], os.O_EXCL)", 4, "group", "SI_USER"),
}


@pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 9), reason="the flags are of 6.9"
)
@pytest.mark.parametrize("case", BY_PIDFD)
def test_by_a_pidfd_and_its_flags(telling: RunningAgent, case: str) -> None:
    descriptor, flags, scope, code = BY_PIDFD[case]
    process, (used, *members) = run(
        IGNORING + "members = [member(0)]\nmembers += [member(members[0]) for _ in range(2)]\n"
        f"pidfd = os.pidfd_open(members[0]); used = {descriptor}\n"
        f"assert not libc.syscall(424, used, 12, 0, {flags}), ctypes.get_errno()\n"
        "say(used, *members); os.killpg(members[0], 9)"
    )
    got = members if scope == "group" else members[:1]
    records = telling.wait_records(len(got), lambda one: one.get(NAME) == process.pid and
                                   one["killsnoop.signal.number"] == NUMBER)  # fmt: skip
    assert sorted(one[TARGET] for one in records) == sorted(got)
    for one in records:
        assert told(one) == ("user", process.pid, "pidfd_send_signal")
        assert (one["killsnoop.signal.scope"], one["killsnoop.signal.code"]) == (scope, code)
        assert one.get("killsnoop.signal.group.size") == (len(got) if scope == "group" else None)
        assert one.get("killsnoop.signal.argument") == (used if scope == "group" else None)
    assert len({one.get("killsnoop.signal.group.id") for one in records}) == 1


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is x86's")
def test_by_a_pidfd_of_a_32_bit_program(telling: RunningAgent) -> None:
    process, members = run(
        IGNORING + "members = [member(0)]\nmembers += [member(members[0]) for _ in range(2)]\n"
        "assert not int80(424, os.pidfd_open(members[0]), 12, 0, 4)\n"
        "say(*members); os.killpg(members[0], 9)"
    )
    [(_, records)] = groups(telling, {process.pid}, 3).items()
    assert sorted(one[TARGET] for one in records) == sorted(members)
    assert {one["killsnoop.signal.scope"] for one in records} == {"group"}
