"""Kernels that have less than ours: the branches of what is missing are dead, the rest works."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
from doctored import doctored
from puppet import puppet
from real_processes import RARE_NAME
from running_agent import COMMAND, RunningAgent
from traced import Traced, traced

from otel_killsnoop.errors import KernelError
from otel_killsnoop.model import Exec, Exit, Fork, Signal
from otel_killsnoop.tracer import load

pytestmark = pytest.mark.kernel


def one_of_each(one: Traced, number: int) -> tuple[Signal, Fork, Exec, list[Exit]]:
    """A kill, and the life of a program."""
    with puppet() as source, puppet() as target:
        target.do("ignore", [number])
        assert source.do("send", 0, "kill", target.pid, 0, number, 1) == 1
        pid, _ = source.do("spawn", 0, ["/bin/true"])
    one.finish()
    events = one.events()
    [sent] = [e for e in events if isinstance(e, Signal) and e.facts.number == number]
    [fork] = [e for e in events if isinstance(e, Fork) and e.pid == pid]
    [run] = [e for e in events if isinstance(e, Exec) and e.pid == pid]
    return sent, fork, run, [e for e in events if isinstance(e, Exit) and e.pid == pid]


OLDER: dict[str, tuple[dict[str, int | None], str, str | None]] = {
    "all": ({}, "tp_btf", "kill"),
    "no task by helper": ({"helper_task": None}, "raw_tp", None),
    "no registers": ({"helper_registers": None}, "tp_btf", None),
    "no typedef": ({"at_fork": None}, "raw_tp", "kill"),
    "not attachable": ({"at_exec": 1}, "raw_tp", "kill"),
    "no group_dead": ({"exit_arguments": 1}, "tp_btf", "kill"),
    "no 32-bit calls": ({"task_status": None}, "tp_btf", "kill"),
    "no memory controller": ({"memory_id": None}, "tp_btf", "kill"),
}


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
@pytest.mark.parametrize("kernel", OLDER)
def test_a_kernel_that_has_less(kernel: str, direct: bool, tmp_path: Path, own_number: int) -> None:
    """The branches of what is missing are dead: the same program loads, and tells the rest."""
    lacks, mode, call = OLDER[kernel]
    if platform.machine() != "x86_64":
        lacks = {name: value for name, value in lacks.items() if name != "task_status"}
    doctored(tmp_path, **lacks)
    with traced(load.Options(cache=str(tmp_path), direct=direct)) as one:
        assert one.tracer.mode == (mode if direct else "raw_tp")
        assert one.tracer.features["call"] == (call is not None)
        sent, fork, run, gone = one_of_each(one, own_number)
    assert (sent.facts.number, sent.facts.cause, sent.facts.call) == (own_number, "user", call)
    assert fork.parent_pid == sent.source_pid
    assert run.args == (b"/bin/true",)
    assert {(one.start, one.status) for one in gone} == {(fork.start, 0)}


def test_a_kernel_that_lacks_what_is_needed_is_refused(tmp_path: Path) -> None:
    doctored(tmp_path, cred_uid=None)
    with pytest.raises(KernelError, match=r"cred\.euid"):
        load.attach(load.Options(cache=str(tmp_path)))


def test_a_program_that_the_verifier_refuses_brings_its_words(tmp_path: Path) -> None:
    doctored(tmp_path, regs_call=1 << 20)  # registers are read by plain loads in either way
    with pytest.raises(KernelError) as caught:
        load.attach(load.Options(cache=str(tmp_path)))
    assert "killsnoop_" in caught.value.what
    assert "without a reason" not in str(caught.value)


def test_that_it_fell_back_is_said_with_the_verifiers_words(
    agent: RunningAgent, tmp_path: Path
) -> None:
    """By `check`, and once by the agent."""
    doctored(tmp_path, at_exec=1)  # what is there is no tracepoint
    agent.environment["CACHE_DIRECTORY"] = str(tmp_path)
    told = subprocess.run(
        [*COMMAND, "check"], env=agent.environment, stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    [line] = [line for line in told.splitlines() if line.split()[1] == "tracer"]
    assert line.startswith("ok ")
    agent.start("-i", RARE_NAME)
    assert agent.stop() == 0
    [warned] = [line for line in agent.log().splitlines() if "raw tracepoints" in line]
    for words in (line, warned):
        assert "the kernel refuses the program killsnoop_exec" in words
        assert "without a reason" not in words
        assert "attach_btf_id" in words.lower()
    assert " WARNING " in warned


def test_a_kernel_that_never_had_it_is_told_so(tmp_path: Path) -> None:
    doctored(tmp_path, helper_task=None)
    with traced(load.Options(cache=str(tmp_path))) as one:
        assert "its BTF has not" in one.tracer.fell_back
    with traced(load.Options()) as one:
        assert one.tracer.fell_back == ""
