"""Where sender and target ran: containers, pods, units, namespaces, logins; also of the gone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_cgroups import made_cgroup
from raised import NAME, one_to, run, to
from real_processes import PYTHON
from running_agent import Record, RunningAgent
from undisturbed import undisturbed

pytestmark = pytest.mark.kernel

NUMBER = 12
SIDES = ("killsnoop.source", "killsnoop.target")
TARGET = "killsnoop.target.process"
POD = "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"
POD_ = POD.replace("-", "_")
IDS = ["".join(f"{(n * 7 + place * 5) % 16:x}" for place in range(64)) for n in range(1, 9)]
MARK = "killsnoop-tests"  # so that nobody else's are removed

# The cgroup's path; container, pod, unit.
PLACES: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "docker, cgroupfs": (f"/{MARK}/docker/{IDS[0]}", IDS[0], None, None),
    "docker, systemd": (
        f"/{MARK}.slice/docker-{IDS[1]}.scope", IDS[1], None, f"docker-{IDS[1]}.scope"
    ),
    "podman": (
        f"/{MARK}.slice/libpod-{IDS[2]}.scope/container", IDS[2], None, f"libpod-{IDS[2]}.scope"
    ),
    "containerd, systemd": (
        f"/{MARK}.slice/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_}.slice/"
        f"cri-containerd-{IDS[3]}.scope",
        IDS[3], POD, f"cri-containerd-{IDS[3]}.scope",
    ),
    "containerd, cgroupfs": (
        f"/{MARK}/kubepods/besteffort/pod{POD}/{IDS[4]}", IDS[4], POD, None
    ),
    "CRI-O": (
        f"/{MARK}.slice/kubepods.slice/kubepods-pod{POD_}.slice/crio-{IDS[5]}.scope",
        IDS[5], POD, f"crio-{IDS[5]}.scope",
    ),
    "podman's monitor": (
        f"/{MARK}.slice/libpod-conmon-{IDS[6]}.scope", None, None, f"libpod-conmon-{IDS[6]}.scope"
    ),
    "a unit": (f"/{MARK}.slice/killsnoop-tests-app@3.service", None, None,
               "killsnoop-tests-app@3.service"),
    "no place": (f"/{MARK}/anything", None, None, None),
}  # fmt: skip


# Of those that are pods: their class.
CLASSES = {
    "containerd, systemd": "Burstable",
    "containerd, cgroupfs": "BestEffort",
    "CRI-O": "Guaranteed",
}


@pytest.fixture(scope="module")
def locating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent, older than the tests' processes and their cgroups."""
    with undisturbed(tmp_path_factory.mktemp("locating")) as one:
        yield one


def where(record: Record, side: str) -> tuple[str | None, str | None, str | None]:
    """Container, pod, unit."""
    return (
        record.get(f"{side}.container.id"),
        record.get(f"{side}.k8s.pod.uid"),
        record.get(f"{side}.systemd.unit"),
    )


# Moves itself, then a new child kills another one that is elsewhere; none of them stays.
BETWEEN = (
    "r, w = os.pipe(); home, away = sys.argv[1:]\ndef enter(path):\n"
    " open(path + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
    "target = os.fork()\nif not target:\n enter(away); inner = os.fork()\n"
    " if inner: os.waitpid(inner, 0); os._exit(0)\n"
    " os.write(w, b'%d' % os.getpid())\n while True: signal.pause()\n"
    "target, middle = int(os.read(r, 9)), target\nsender = os.fork()\n"
    "if not sender: enter(home); os.execv('/bin/sh', ['sh', '-c', f'kill -KILL {target}; exit'])\n"
    "os.waitpid(sender, 0); os.waitpid(middle, 0)\nos.rmdir(home); os.rmdir(away)\n"
    "say(sender, target)"
)


@pytest.mark.parametrize("name", PLACES)
def test_both_sides_of_who_is_gone_with_the_cgroup(locating: RunningAgent, name: str) -> None:
    """Sender here and target elsewhere, then the other way round."""
    elsewhere = (f"/{MARK}.slice/killsnoop-tests-other.service", "killsnoop-tests-other.service")
    path, *told = PLACES[name]
    for swapped in (False, True):
        with made_cgroup(path) as one, made_cgroup(elsewhere[0]) as other:
            pair = [str(other), str(one)] if swapped else [str(one), str(other)]
            _, (sender, target) = run(BETWEEN, *pair)
        record = one_to(locating, target, 9)
        assert record[NAME] == sender
        here, there = reversed(SIDES) if swapped else SIDES
        assert where(record, here) == tuple(told)
        assert record.get(f"{here}.k8s.pod.qos_class") == CLASSES.get(name)
        assert f"{there}.k8s.pod.qos_class" not in record
        assert where(record, there) == (None, None, elsewhere[1])
        if told[0] is None:
            assert record[f"{here}.process.linux.cgroup"] == path
        (death,) = locating.wait_records(
            1,
            lambda one, target=target: one["killsnoop.event"] == "exit"
            and one[f"{TARGET}.pid"] == target,
        )  # fmt: skip
        assert where(death, SIDES[1]) == where(record, SIDES[1])


def test_who_was_there_before_the_agent(agent: RunningAgent) -> None:
    """Container, namespace number and login of a process that only /proc tells of."""
    code = (
        f"import os, signal; signal.signal({NUMBER}, signal.SIG_IGN)\n"
        "with open('/proc/self/loginuid', 'w') as file: file.write('65534')\n"
        "print(flush=True)\nwhile True: signal.pause()"
    )
    path, container, pod, unit = PLACES["containerd, systemd"]
    with made_cgroup(path) as group, contextlib.ExitStack() as opened:
        command = ["unshare", "--pid", "--fork", "--kill-child", *PYTHON, "-c", code, "older"]
        outer = opened.enter_context(subprocess.Popen(
            ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command],
            stdout=subprocess.PIPE,
        ))  # fmt: skip
        opened.callback(outer.kill)
        assert outer.stdout is not None
        outer.stdout.readline()
        older = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
        agent.start("--print", "json", "-i", "USR2")
        os.kill(older, NUMBER)
        record = one_to(agent, older, NUMBER)
    assert where(record, SIDES[1]) == (container, pod, unit)
    assert record[f"{TARGET}.command_args"][-1] == "older"
    assert record[f"{TARGET}.known_from"] == "procfs"
    assert record[f"{TARGET}.vpid"] == 1
    assert record["killsnoop.target.user.login"] == "nobody"
    assert outer.pid in record[f"{TARGET}.ancestors.pids"]


def test_the_sender_is_further_out_than_the_target(locating: RunningAgent) -> None:
    """From the host into a namespace in a namespace, and from the outer one into the inner one."""
    inner = (
        "import os, signal, sys; signal.signal(12, signal.SIG_IGN)\n"
        "for _ in range(4):\n pid = os.fork()\n if not pid: os._exit(0)\n os.waitpid(pid, 0)\n"
        "pid = os.fork()\nif pid: os.waitpid(pid, 0); sys.exit()\n"
        "print(os.getpid(), flush=True)\nwhile True: signal.pause()"
    )
    outer = (
        "import os, re, subprocess, sys\nargs = ['unshare', '--pid', '--fork', sys.executable, "
        f"'-c', {inner!r}, 'innermost']\n"
        "one = subprocess.Popen(args, stdout=subprocess.PIPE); one.stdout.readline()\n"
        "target = max(int(p) for p in os.listdir('/proc') if p.isdigit() and b'innermost' in "
        "open(f'/proc/{p}/cmdline', 'rb').read().split(b'\\0')[-2:])\n"
        "os.kill(target, 12); print(os.getpid(), target, flush=True); sys.stdin.readline()\n"
        "os.kill(target, 9); one.wait()"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", outer, "outer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        sender, target = map(int, process.stdout.readline().split())
        (first,) = locating.wait_records(
            1,
            lambda one: (
                one.get("killsnoop.signal.number") == NUMBER
                and process.pid in one.get(f"{TARGET}.ancestors.pids", ())
            ),
        )
        host = first[f"{TARGET}.pid"]
        assert str(target) in Path(f"/proc/{host}/status").read_text().partition("NSpid:")[2]
        os.kill(host, NUMBER)
        _, second = to(locating, host, NUMBER, 2)
        process.communicate(b"\n")
    assert (first["killsnoop.source.process.vpid"], first[f"{TARGET}.vpid"]) == (sender, 6)
    assert first[NAME] not in (sender, host)
    assert (second[NAME], second.get("killsnoop.source.process.vpid")) == (os.getpid(), None)
    assert second[f"{TARGET}.vpid"] == 6 not in (target, host)
