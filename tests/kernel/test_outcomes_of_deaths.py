"""Which of the signals that a process got it died of, whoever sent them; truth by wait(2)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from raised import NAME, run, to
from real_processes import settle
from running_agent import Record, RunningAgent
from undisturbed import undisturbed

pytestmark = pytest.mark.kernel

TARGET = "killsnoop.target.process.pid"
# The child does these lines once it was heard; it is waited for, and its status is said.
CHILD = (
    "r, w = os.pipe(); ready, go = os.pipe(); child = os.fork()\nif not child:\n {inside}\n"
    " os._exit(99)\nos.read(r, 1)\n{outside}\n_, status = os.waitpid(child, 0)\n"
    "say(child, status)"
)


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent, older than the tests' processes."""
    with undisturbed(tmp_path_factory.mktemp("telling")) as one:
        yield one


def died(agent: RunningAgent, inside: str, outside: str = "") -> tuple[Record, int]:
    """The one exit record of such a child, held against wait(2); and its pid."""
    process, (child, status) = run(
        CHILD.format(inside=inside.replace("\n", "\n "), outside=outside)
    )
    assert os.WIFSIGNALED(status), status
    death = death_of(agent, child)
    number = os.WTERMSIG(status)
    assert death["killsnoop.exit.signal.number"] == number
    assert death["killsnoop.exit.code"] == 128 + number
    assert death["killsnoop.exit.core_dumped"] is os.WCOREDUMP(status)
    assert death["killsnoop.target.process.ancestors.pids"][0] == process.pid
    return death, child


def death_of(agent: RunningAgent, pid: int) -> Record:
    """A mark behind it says that there is no second one."""

    def its(one: Record) -> bool:
        return one["killsnoop.event"] == "exit" and one[TARGET] == pid

    agent.wait_records(1, its)
    mark, _ = run("signal.signal(12, signal.SIG_IGN); os.kill(os.getpid(), 12)")
    to(agent, mark.pid, 12)
    (record,) = agent.records(its)
    return record


READY = "os.write(w, b'.')\n"
FOREVER = READY + "while True: signal.pause()"
WAYS = {
    # What the child does, what its parent does, and of which of its records (by number) it dies.
    "default": (FOREVER, "os.kill(child, 15)", 15),
    "real-time": (FOREVER, "os.kill(child, 45)", 45),
    "signals that did nothing": (
        "for n in (1, 10): signal.signal(n, signal.SIG_IGN)\nsignal.signal(15, lambda *_: 0)\n"
        + FOREVER,
        "for n in (1, 10, 15, 18, 9): os.kill(child, n)",
        9,
    ),
    "one that was blocked": (
        f"signal.pthread_sigmask(0, [15])\n{READY}os.read(ready, 1)\n"
        "signal.pthread_sigmask(1, [15])",
        "os.kill(child, 15); os.kill(child, 15); os.write(go, b'.')",
        15,
    ),
    "one while another is blocked": (
        f"signal.pthread_sigmask(0, [15])\n{FOREVER}",
        "os.kill(child, 15); os.kill(child, 9)",
        9,
    ),
    "after a stop": (
        FOREVER,
        "os.kill(child, 19); os.waitpid(child, os.WUNTRACED); os.kill(child, 15); "
        "os.kill(child, 18)",
        15,
    ),
    "a thread's signal": (
        "import threading\none = threading.Thread(target=signal.pause, daemon=True); one.start()\n"
        "os.write(w, b'%d' % one.native_id)\nwhile True: signal.pause()",
        None,
        15,
    ),
    "without its first thread": (
        "import threading\nthreading.Thread(target=lambda: (time.sleep(.1), os.write(w, b'.'), "
        "signal.pause())).start()\nlibc.syscall(60, 0)",
        "os.kill(child, 9)",
        9,
    ),
    "its own alarm": (f"{READY}signal.setitimer(0, .05)\nwhile True: signal.pause()", "", 14),
    "its own abort": (f"{READY}os.abort()", "", 6),
    "a fault": (f"{READY}ctypes.string_at(8)", "", 11),
    "a closed pipe": (
        "signal.signal(13, signal.SIG_DFL); a, b = os.pipe(); os.close(a)\n"
        f"{READY}os.write(b, b'x')",
        "",
        13,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_died_of_that_one(telling: RunningAgent, way: str) -> None:
    inside, outside, number = WAYS[way]
    if outside is None:
        process, (child, status, tid) = run(
            CHILD.format(inside=inside.replace("\n", "\n "), outside="")
            .replace("os.read(r, 1)\n", "tid = int(os.read(r, 9)); time.sleep(.05)\n"
                     "libc.syscall(234, child, tid, 15)\n")
            .replace("say(child, status)", "say(child, status, tid)")
        )  # fmt: skip
        assert (os.WTERMSIG(status), tid != child) == (15, True)
        death = death_of(telling, child)
        assert process.pid in death["killsnoop.target.process.ancestors.pids"]
    else:
        death, child = died(telling, inside, outside)
    records = sorted(to(telling, child, number), key=lambda one: str(one["log.record.uid"]))
    assert death["killsnoop.exit.signal.number"] == number
    assert death["killsnoop.exit.killed_by"] == records[0]["log.record.uid"]


def test_it_ends_itself_by_the_signal_that_it_handled(telling: RunningAgent) -> None:
    """As well-behaved programs do: the handler sends it once more, with the default handling."""
    death, child = died(
        telling,
        "def again(*_): signal.signal(15, signal.SIG_DFL); os.kill(os.getpid(), 15)\n"
        f"signal.signal(15, again)\n{FOREVER}",
        "os.kill(child, 15)",
    )
    by = {one[NAME]: one for one in to(telling, child, 15, 2)}
    assert by[child]["killsnoop.target.signal.disposition"] == "default"
    assert death["killsnoop.exit.killed_by"] == by[child]["log.record.uid"]
    del by[child]
    (asked,) = by.values()
    assert asked["killsnoop.target.signal.disposition"] == "handled"


def test_a_core_dump_is_told(telling: RunningAgent, tmp_path: Path) -> None:
    """Where the host writes none, wait(2) says so, and the record with it."""
    for limit in (0, 1 << 24):
        death, _ = died(
            telling,
            f"os.chdir({str(tmp_path)!r}); resource.setrlimit(4, ({limit}, {limit}))\n{FOREVER}",
            "os.kill(child, 3)",
        )
        if limit == 0 and not Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"):
            assert death["killsnoop.exit.core_dumped"] is False


def test_the_older_than_the_agent_die_like_others(agent: RunningAgent) -> None:
    """Their run time is since their start, which the agent has not seen."""
    with subprocess.Popen(["sleep", "600"]) as one:
        before = time.monotonic()
        settle(one.pid, "sleep")
        agent.start("--print", "json", "-i", "TERM")
        least = time.monotonic() - before
        one.terminate()
    death = agent.wait_records(1, lambda it: it["killsnoop.event"] == "exit")[0]
    (signalled,) = to(agent, one.pid, 15)
    assert death[TARGET] == one.pid
    assert death["killsnoop.exit.killed_by"] == signalled["log.record.uid"]
    assert death["killsnoop.exit.run_time"] >= least
    assert death["killsnoop.target.process.known_from"] == "procfs"


def test_many_who_die_at_once_die_of_their_own(telling: RunningAgent) -> None:
    process, children = run(
        "children = []\nfor _ in range(60):\n pid = os.fork()\n"
        " if not pid:\n  while True: signal.pause()\n children.append(pid)\n"
        "for i, pid in enumerate(children): os.kill(pid, (9, 15, 10)[i % 3])\n"
        "for i, pid in enumerate(children):\n"
        " assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == (9, 15, 10)[i % 3]\nsay(*children)"
    )
    deaths = telling.wait_records(
        60, lambda one: one["killsnoop.event"] == "exit" and one[TARGET] in children
    )
    assert len(deaths) == 60
    sent = telling.records(lambda one: one.get(NAME) == process.pid and one.get(TARGET) in children)
    assert {one[TARGET]: one["killsnoop.exit.killed_by"] for one in deaths} == {
        one[TARGET]: one["log.record.uid"] for one in sent
    }
