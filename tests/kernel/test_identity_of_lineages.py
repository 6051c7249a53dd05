"""Who started whom, through deaths and new programs; by names and numbers the workload knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from raised import NAME, one_to, run, to
from real_processes import RARE, Subject
from running_agent import Record, RunningAgent
from undisturbed import undisturbed

pytestmark = pytest.mark.kernel

NUMBER = 12
SOURCE, TARGET = "killsnoop.source.process", "killsnoop.target.process"


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent, older than the tests' processes."""
    with undisturbed(tmp_path_factory.mktemp("knowing")) as one:
        yield one


def ancestors(record: Record, side: str = TARGET) -> list[int]:
    pids: list[int] = record[f"{side}.ancestors.pids"]
    return pids


def test_all_between_are_dead_and_marked(
    knowing: RunningAgent, subject: Callable[..., Subject]
) -> None:
    """A chain of four, ended by SIGKILL; who began it lives, and takes the last one in."""
    first = subject(
        "r, w = os.pipe()\ndef generation(left):\n child = os.fork()\n"
        " if child:\n  while True: signal.pause()\n"
        " if left: os.write(w, b'%d ' % os.getpid()); generation(left - 1)\n"
        " os.write(w, b'%d\\n' % os.getpid())\n while True: signal.pause()\n"
        "first = os.fork()\nif not first: os.write(w, b'%d ' % os.getpid()); generation(3)\n"
        "pids = [int(word) for word in open(r, closefd=False).readline().split()]\n"
        "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\nfor one in pids[:-1]: os.kill(one, 9)\n"
        "for one in pids[:-1]: os.waitpid(one, 0)\n"
        "os.kill(pids[-1], RARE); say(*pids); wait()"
    )
    *chain, last = first.heard()
    record = one_to(knowing, last, RARE)
    nearest_first = list(reversed(chain))
    assert len(chain) == 4
    assert ancestors(record)[:5] == [*nearest_first, first.pid]
    assert record[f"{TARGET}.ancestors.ended"] == nearest_first
    assert record[f"{TARGET}.parent_pid"] == first.pid
    assert all(f"[{pid}]" in record[f"{TARGET}.tree"] for pid in nearest_first)


def test_a_daemon_is_told_as_a_source_as_well(knowing: RunningAgent) -> None:
    """Started by two programs that are both gone: a shell's background job and its setsid."""
    script = f"setsid sh -c 'sleep .3; kill -USR2 {os.getpid()}; :' begun-by-a-job & exit 0"
    held = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        process, (shell,) = run(
            f"import subprocess; one = subprocess.Popen(['sh', '-c', {script!r}]); one.wait(); "
            "say(one.pid)"
        )
        (record,) = knowing.wait_records(
            1,
            lambda one: one.get(f"{TARGET}.pid") == os.getpid() and shell in ancestors(one, SOURCE),
        )
    finally:
        signal.signal(signal.SIGUSR2, held)
    assert record[f"{SOURCE}.command_args"][-1] == "begun-by-a-job"
    ended = record[f"{SOURCE}.ancestors.ended"]
    assert {shell, process.pid} <= set(ended)
    assert os.getpid() in ancestors(record, SOURCE)
    assert os.getpid() not in ended
    assert record[f"{SOURCE}.parent_pid"] not in ended


def test_a_thread_that_runs_a_program_has_its_process_number(knowing: RunningAgent) -> None:
    """And the program is a sender like any other, whoever of its threads began it."""
    process, (child, thread) = run(
        "import threading\nr, w = os.pipe(); child = os.fork()\nif not child:\n"
        " def replace():\n  os.write(w, b'%d' % threading.get_native_id())\n"
        "  os.execv('/bin/sh', ['sh', '-c', 'kill -CONT $$', 'by-a-thread'])\n"
        " for _ in range(3): threading.Thread(target=signal.pause, daemon=True).start()\n"
        " threading.Thread(target=replace).start(); signal.pause()\n"
        "thread = int(os.read(r, 9)); os.waitpid(child, 0); say(child, thread)"
    )
    record = one_to(knowing, child, 18)
    assert thread != child
    assert (record[NAME], record["killsnoop.source.thread.id"]) == (child, child)
    for side in (SOURCE, TARGET):
        assert record[f"{side}.command_args"] == ["sh", "-c", "kill -CONT $$", "by-a-thread"]
        assert ancestors(record, side)[0] == process.pid
    others = knowing.records(lambda one: thread in (one.get(NAME), one.get(f"{TARGET}.pid")))
    assert not others  # its own number was never a process's


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the code is x86_64's")
def test_a_child_that_shares_memory_is_known_before_it_runs_anything(
    knowing: RunningAgent,
) -> None:
    """vfork(2) by machine code: the child sends itself a signal, and ends."""
    process, (child,) = run(
        "signal.signal(12, signal.SIG_IGN)\n"
        "say(machine('b83a000000 0f05 85c0 751e b827000000 0f05 89c7 be0c000000 b83e000000 0f05"
        " 31ff b83c000000 0f05 c3')(0, 0, 0, 0, 0))"
    )
    record = one_to(knowing, child, NUMBER)
    assert record[NAME] == child
    assert record[f"{TARGET}.command_args"] == process.args
    assert ancestors(record)[0] == process.pid
    assert record[f"{TARGET}.known_from"] == "fork"


TITLE = (
    "signal.signal(12, signal.SIG_IGN)\ntitle = b'a title much longer: ' + b'x' * 900 + b'\\0'\n"
    "class Map(ctypes.Structure): _fields_ = [(n, ctypes.c_ulong) for n in ('start_code end_code "
    "start_data end_data start_brk brk start_stack arg_start arg_end env_start env_end auxv'"
    ".split())] + [('size', ctypes.c_uint), ('fd', ctypes.c_int)]\n"
    "stat = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
    "place = libc.mmap; place.restype = ctypes.c_long; at = place(0, 4096, 3, 0x22, -1, 0)\n"
    "ctypes.memmove(at, title, len(title))\n"
    "n = [int(stat[i - 3]) for i in (26, 27, 45, 46, 47, 28, 48, 49, 50, 51)]\n"
    "brk = libc.sbrk; brk.restype = ctypes.c_long\n"
    "now = Map(n[0], n[1], n[2], n[3], n[4], brk(0), n[5], at, at + len(title), n[8], n[9], 0, 0,"
    " 0xffffffff)\n"
    "say(libc.prctl(35, 14, ctypes.byref(now), ctypes.sizeof(now), 0))\n"
)


def test_a_title_longer_than_the_arguments(knowing: RunningAgent) -> None:
    """By prctl(2), as some do it; and a new program has none of it."""
    process, (failed, child) = run(
        "child = os.fork()\nif child: os.waitpid(child, 0); say(child); os._exit(0)\n"
        + TITLE
        + "os.kill(os.getpid(), 12); time.sleep(.3)\n"
        "os.execv('/bin/sh', ['sh', '-c', 'kill -CONT $$; sleep .3; :', 'a-new-program'])"
    )
    assert failed == 0
    first, second = one_to(knowing, child, NUMBER), one_to(knowing, child, 18)
    assert first[f"{TARGET}.command_args"] == process.args
    assert first[f"{TARGET}.title"] == "a title much longer: " + "x" * 900
    assert first[f"{SOURCE}.title"] == first[f"{TARGET}.title"]
    assert second[f"{TARGET}.command_args"][-1] == "a-new-program"
    assert f"{TARGET}.title" not in second


def test_numbers_used_again_at_once_in_turns(knowing: RunningAgent) -> None:
    """Programs and mere forks, of two users, each sender and target: never another one's name."""
    code = (
        "import os, signal\nfor turn in range(24):\n"
        " open('/proc/sys/kernel/ns_last_pid', 'w').write('76'); child = os.fork()\n"
        " if not child:\n"
        "  open('/proc/self/comm', 'w').write(f'turn-{turn}')\n"
        "  if turn % 3: os.setresuid(turn, turn, turn)\n"
        "  if turn % 2: os.execv('/bin/sh', ['sh', '-c', 'kill -CONT $$; :', f'turn-{turn}'])\n"
        "  os.kill(os.getpid(), 18); os._exit(0)\n"
        " assert child == 77; os.waitpid(child, 0)"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code, "turns"]
    with subprocess.Popen(command) as process:
        assert process.wait(20) == 0
    records = knowing.wait_records(
        24,
        lambda one: one.get("killsnoop.signal.number") == 18
        and process.pid in one.get(f"{TARGET}.ancestors.pids", ()),
    )  # fmt: skip
    assert len({one[f"{TARGET}.pid"] for one in records}) == 24
    for turn, one in enumerate(records):
        assert one[NAME] == one[f"{TARGET}.pid"]
        assert (one[f"{SOURCE}.vpid"], one[f"{TARGET}.vpid"]) == (77, 77)
        assert one[f"{TARGET}.user.id"] == one[f"{SOURCE}.user.id"] == (turn if turn % 3 else 0)
        if turn % 2:
            assert one[f"{TARGET}.command_args"][-1] == f"turn-{turn}"
        else:
            assert one[f"{TARGET}.command_args"][-1] == "turns"
            assert one[f"{TARGET}.executable.name"] == f"turn-{turn}"


def test_a_zombie_keeps_its_name(knowing: RunningAgent) -> None:
    """What it is sent before anybody has waited for it raises nothing that is another's."""
    process, (zombie,) = run(
        "zombie = os.fork()\nif not zombie:\n"
        " os.execv('/bin/sh', ['sh', '-c', 'kill -KILL $$', 'undead'])\n"
        "os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT); os.kill(zombie, 12)\n"
        "os.kill(zombie, 15); os.waitpid(zombie, 0); say(zombie)"
    )
    (record,) = to(knowing, zombie, 9)
    assert record[f"{TARGET}.command_args"][-1] == "undead"
    for one in knowing.records(lambda one: one.get(f"{TARGET}.pid") == zombie):
        assert one[f"{TARGET}.command_args"][-1] == "undead"
        assert ancestors(one)[0] == process.pid
