"""Users and results that the kernel program leaves out: exactly these, and counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from puppet import puppet
from traced import traced

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer.options import Options

pytestmark = pytest.mark.kernel

WAYS = pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])


@WAYS
@pytest.mark.parametrize("how_many", [1, 2, 4])
def test_users_that_send(how_many: int, direct: bool, own_number: int) -> None:
    users = (54_321, 33_333, 44_444, 12_345)[:how_many]
    options = Options(recorded=frozenset({own_number}), source_uids=users, direct=direct)
    with traced(options) as one, puppet() as target, puppet() as source:
        target.do("ignore", [own_number])
        for user in (*users, 55_555):
            source.do("act_as", user, 0)
            assert source.do("send", 0, "kill", target.pid, 0, own_number, 7) == 7
            source.do("act_as", 0, 0)
        counts = one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    assert counts.filtered[own_number] == 7 * how_many
    assert [event.source_uid for event in seen] == [55_555] * 7


@WAYS
def test_users_that_are_sent_to(direct: bool, own_number: int) -> None:
    """Whoever sends; the kernel itself too."""
    options = Options(recorded=frozenset({own_number, 14}), target_uids=(54_321,), direct=direct)
    with traced(options) as one, puppet() as mine, puppet() as other, puppet() as source:
        for target in (mine, other):
            target.do("ignore", [own_number])
        mine.do("act_as", 54_321, 0)
        for target in (mine, other):
            assert source.do("send", 0, "kill", target.pid, 0, own_number, 5) == 5
        code = "import os, signal, time; os.seteuid(54321); signal.setitimer(0, .01); time.sleep(9)"
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as timed:
            assert timed.wait(20) == -signal.SIGALRM
        counts = one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    assert (counts.filtered[own_number], counts.submitted[own_number]) == (5, 5)
    assert counts.filtered[14] >= 1
    assert timed.pid not in {event.target_pid for event in seen}


@WAYS
def test_a_bystander_of_that_user_hides_nothing(direct: bool) -> None:
    """Its user is no reason to leave out what the kernel raised, not even its own fault."""
    with traced(Options(source_uids=(0, 54_321), direct=direct)) as one:
        code = "import ctypes, os; os.seteuid(54321); ctypes.string_at(8)"
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", code]) as process:
            assert process.wait(20) == -signal.SIGSEGV
        one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    (fault,) = [one for one in seen if one.target_pid == process.pid and one.facts.number == 11]
    assert fault.facts.cause == "fault"


@WAYS
def test_results(direct: bool, own_number: int) -> None:
    options = Options(recorded=frozenset({own_number}), results=frozenset({1}), direct=direct)
    with traced(options) as one, puppet() as deaf, puppet() as waiting, puppet() as source:
        deaf.do("ignore", [own_number])
        waiting.do("block")
        for target, count in ((deaf, 11), (waiting, 3)):
            assert source.do("send", 0, "kill", target.pid, 0, own_number, count) == count
        counts = one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    assert (counts.filtered[own_number], counts.submitted[own_number]) == (11, 3)
    assert {event.facts.result for event in seen} == {"delivered"}
    assert os.getpid() not in {event.target_pid for event in seen}


@WAYS
@pytest.mark.parametrize("how_many", [1, 2, 4])
def test_names_of_targets(how_many: int, direct: bool, own_number: int) -> None:
    names = (b"fifteen-bytes-t", b"a", b") \n", b"eightbyt")[:how_many]
    options = Options(recorded=frozenset({own_number}), target_comms=names, direct=direct)
    with traced(options) as one, puppet() as target, puppet() as source:
        target.do("ignore", [own_number])
        for name in (*names, b"another", b"fifteen-bytes-"):
            target.do("rename", name.decode("latin-1"))
            assert source.do("send", 0, "kill", target.pid, 0, own_number, 3) == 3
        counts = one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    assert counts.filtered[own_number] == 3 * how_many
    assert [event.target_comm for event in seen] == [b"another"] * 3 + [b"fifteen-bytes-"] * 3
