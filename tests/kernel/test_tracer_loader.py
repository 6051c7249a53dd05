"""Loading and letting go: who may, and what is left behind."""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from puppet import puppet
from unprivileged import CAP_BPF, CAP_PERFMON, public_copy, run_as_nobody

from otel_killsnoop.errors import HostError
from otel_killsnoop.tracer import bpf, load, program

pytestmark = pytest.mark.kernel

SEE_ONE = """
import json, os, signal
from otel_killsnoop.model import Signal
from otel_killsnoop.tracer import decode, load
status = open("/proc/self/status").read()
tracer = load.attach(load.Options(ring_size=1 << 20, direct={direct}))
signal.signal({number}, signal.SIG_IGN)
os.kill(os.getpid(), {number})
tracer.detach()
events = decode.Decoder(tracer.made_at).decode(tracer.ring.read(1 << 30))
print(json.dumps([
    tracer.mode,
    os.getresuid(),
    [line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapPrm"))],
    [event.facts.number for event in events
     if isinstance(event, Signal) and event.source_pid == event.target_pid == os.getpid()],
]))
tracer.close()
"""
BUILD = """
import json
from otel_killsnoop.tracer import compile
print(json.dumps(compile.build(), separators=(",", ":")), end="")
"""
REFUSED = """
from otel_killsnoop.errors import PrivilegeError
from otel_killsnoop.tracer import load
try:
    load.attach(load.Options({options}))
except PrivilegeError as error:
    print(error.exit_code, error)
"""


@pytest.fixture(scope="module")
def copy() -> Iterator[Path]:
    with public_copy() as top:
        yield top


# --- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize("direct", [True, False])
def test_two_capabilities_are_enough(copy: Path, direct: bool, own_number: int) -> None:
    text = SEE_ONE.format(direct=direct, number=own_number)
    done = run_as_nobody(copy, text, CAP_BPF, CAP_PERFMON)
    assert done.stderr == ""
    two = f"{1 << CAP_BPF | 1 << CAP_PERFMON:016x}"
    mode = "tp_btf" if direct else "raw_tp"
    assert json.loads(done.stdout) == [mode, [65534] * 3, [two] * 2, [own_number]]


@pytest.mark.parametrize("options", ["", "direct=False"])
@pytest.mark.parametrize(
    "capabilities", [(), (CAP_PERFMON,), (CAP_BPF,)], ids=["none", "perfmon", "bpf"]
)
def test_fewer_are_not_and_the_error_names_them(
    copy: Path, capabilities: tuple[int, ...], options: str
) -> None:
    done = run_as_nobody(copy, REFUSED.format(options=options), *capabilities)
    assert done.stderr == ""
    assert done.stdout.startswith("78 ")
    assert "CAP_BPF and CAP_PERFMON" in done.stdout
    assert "root" in done.stdout


def test_the_compile_step_needs_no_privilege_and_always_makes_the_same(copy: Path) -> None:
    done = run_as_nobody(copy, BUILD)
    assert done.returncode == 0, done.stderr
    assert done.stdout == program.PRODUCT.read_text()


# --- what is left behind ------------------------------------------------------------------------


def held() -> dict[str, int]:
    """Descriptor -> what of bpf it is, and mappings of bpf maps under their address."""
    found = {}
    for one in Path("/proc/self/fd").iterdir():
        try:
            where = os.readlink(one)
        except FileNotFoundError:  # the listing's own
            continue
        if "bpf" in where:
            found[f"{one.name} {where}"] = int(one.name)
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "bpf" in line.rpartition(" ")[2]:
            found[line] = -1
    return found


def ids(descriptors: dict[str, int]) -> set[tuple[str, int]]:
    """(prog_id, 7) and kin: the kernel's own numbers."""
    found = set()
    for descriptor in descriptors.values():
        if descriptor >= 0:
            for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("prog_id", "map_id", "link_id"):
                    found.add((name, int(value)))
    return found


def is_alive(kind: str, number: int) -> bool:
    """BPF_PROG_GET_FD_BY_ID and kin."""
    command = {"prog_id": 13, "map_id": 14, "link_id": 30}[kind]
    try:
        os.close(bpf.call(command, number.to_bytes(4, "little") + bytes(8)))
    except FileNotFoundError:
        return False
    return True


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_close_leaves_nothing_in_the_process_or_in_the_kernel(direct: bool) -> None:
    gc.collect()
    before = held()
    tracer = load.attach(load.Options(ring_size=1 << 20, direct=direct))
    ours = {name: held()[name] for name in held().keys() - before.keys()}
    numbers = ids(ours)
    kinds = [kind for kind, _ in numbers]
    assert [kinds.count(kind) for kind in ("map_id", "prog_id", "link_id")] == [8, 6, 6]
    assert all(is_alive(*one) for one in numbers)
    tracer.close()
    assert held() == before
    deadline = time.monotonic() + 30  # the kernel lets go after a grace period
    while any(is_alive(*one) for one in numbers):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_detach_ends_the_records_and_keeps_the_ring(own_number: int) -> None:
    tracer = load.attach(load.Options(recorded=frozenset({own_number}), ring_size=1 << 20))
    try:
        with puppet() as source, puppet() as target:
            target.do("ignore", [own_number])
            for count in (5, 7):
                assert source.do("send", 0, "kill", target.pid, 0, own_number, count) == count
                tracer.detach()
        counts = tracer.counts()
        assert counts.generated[own_number] == counts.submitted[own_number] == 5
        found = [one for _, one in tracer.ring.read(1 << 30) if one[0] == 1]
        assert len(found) == 5
    finally:
        tracer.close()


def attached(options: load.Options) -> str:
    """What came of attaching and closing; an error is gone, with all it held, on return."""
    try:
        load.attach(options).close()
    except HostError as error:
        return str(error)
    return "attached"


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_an_attachment_that_fails_half_way_leaves_nothing(direct: bool) -> None:
    """At each point where the process may have no descriptor left."""
    gc.collect()
    before = held()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)  # the lowest one that is free: those below it are taken
    os.close(free)
    came: list[str] = []
    while "attached" not in came:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + len(came) + 1, hard))
        try:
            came.append(attached(load.Options(ring_size=1 << 16, direct=direct)))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gc.collect()
        assert held() == before, f"after {came[-1]} with {len(came)} descriptors"
    words = " ".join(came)
    assert "cannot attach, Too many open files" in words
    assert "does not make the map" in words


def test_a_ring_that_does_not_fit_is_refused_with_a_cure() -> None:
    gc.collect()
    before = held()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (24 << 20), hard))
    try:
        came = attached(load.Options(ring_size=32 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert f"{32 << 20} bytes" in came
    assert "lower --ring-size" in came
    gc.collect()
    assert held() == before
