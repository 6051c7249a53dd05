"""config/otel-killsnoop.service under a real systemd, installed as the documentation says.

systemd is process 1 of a host of its own (real_systemd.py). The one thing that a usual host has
not: the processes to look at are in /host/proc, since process numbers there are its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest
from confinement import unit
from real_collector import REPOSITORY, Collector, LogRecord, wait_until
from real_processes import RARE, RARE_NAME, Subject
from real_systemd import Host
from running_agent import COMMAND
from thread_status import masks, threads

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

SERVICE = "otel-killsnoop"
SPOOL = "/var/lib/otel-killsnoop"
USAGE, HOST_CANNOT = 2, 78
MARK = f"target-of-{os.getpid()}"  # among the target's arguments
PROBE = REPOSITORY / "tests" / "helpers" / "confined_probe.py"


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The host with the agent installed on it."""
    subprocess.run([REPOSITORY / "tools" / "packages", "systemd"], check=True)
    host = Host(tmp_path_factory.mktemp("host"))
    try:
        host.start()
        host.run("make", "-C", REPOSITORY, "install")
        host.run("systemctl", "enable", SERVICE)
        yield host
    finally:
        host.stop()


@pytest.fixture
def host(booted: Host) -> Iterator[Host]:
    """And with no trace of an earlier test's service."""
    yield booted
    booted.run("systemctl", "stop", SERVICE)
    booted.run("systemctl", "reset-failed")
    booted.run("sh", "-c", f"rm -rf {SPOOL}/* /etc/systemd/system/{SERVICE}.service.d")
    booted.run("systemctl", "daemon-reload")
    booted.run("journalctl", "--rotate", "--vacuum-size=1")


def configure(host: Host, **variables: str) -> None:
    """Write the unit's environment file."""
    # Nothing else that happens on this host is recorded, and each signal by itself.
    always = {"KILLSNOOP_ROOT": "/host", "KILLSNOOP_INCLUDE_SIGNALS": RARE_NAME}
    always["KILLSNOOP_FOLD_BURST"] = "0"
    lines = [f"{name}={value}\n" for name, value in (always | variables).items()]
    host.write("/etc/otel-killsnoop/environment", "".join(lines))


@pytest.fixture
def target() -> Iterator[Subject]:
    one = Subject("wait()", MARK)
    yield one
    one.end()


def is_kept(host: Host, text: str) -> bool:
    """Whether a request in the spool has it: other suites beside this one send signals too."""
    files = host.run("sh", "-c", f"cat {SPOOL}/*.otlp.gz | zcat | grep -ac {text}", check=False)
    return files.splitlines()[-1] != "0"


def about(target: Subject) -> Callable[[LogRecord], bool]:
    return lambda record: (
        record.resource.get("killsnoop.target.process.pid") == target.pid
        and record.attributes.get("killsnoop.signal.number") == RARE
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_started_it_ships_what_happens_from_then_on(
    host: Host, collector: Callable[..., Collector], target: Subject, protocol: str
) -> None:
    there = collector()
    url = there.grpc_url if protocol == "grpc" else there.http_url
    configure(host, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    host.run("systemctl", "start", SERVICE)
    os.kill(target.pid, RARE)  # at once: that it is up means that it sees
    [record] = there.wait_records(where=about(target))
    assert record.resource["killsnoop.source.process.pid"] == os.getpid()
    assert record.resource["killsnoop.target.process.command_args"] == target.args

    pid = host.pid(SERVICE)
    uid = host.run("id", "-u", SERVICE)
    for one in threads(pid):
        assert set(one["Uid"].split()) == {uid} != {"0"}
        assert (one["NoNewPrivs"], one["Seccomp"]) == ("1", "2")
    assert masks(pid, "CapEff", "CapPrm", "CapInh", "CapAmb") == {0}
    live = host.run(SERVICE, "check", "--live", "--root", "/host", "--spool-dir", SPOOL)
    lines = dict(line.split(None, 2)[1:] for line in live.splitlines())
    assert {line.split()[0] for line in live.splitlines()} == {"ok"}, live
    assert f"process {pid} " in lines["agent"]
    assert "no capability" in lines["capabilities"]
    assert lines["no_new_privs"].startswith("set")
    assert lines["seccomp"] == "a filter is on"
    assert host.run("stat", "-c", "%a %U", SPOOL, f"{SPOOL}/lock").splitlines() == [
        f"700 {SERVICE}",
        f"600 {SERVICE}",
    ]

    host.run("systemctl", "stop", SERVICE)
    assert host.property(SERVICE, "Result") == "success"
    assert host.property(SERVICE, "ExecMainStatus") == "0"
    told = host.journal(SERVICE)
    assert " 0 lost" in told
    assert " WARNING " not in told
    assert " ERROR " not in told


def test_killed_it_is_up_again_and_what_it_held_is_sent(
    host: Host, collector: Callable[..., Collector], target: Subject
) -> None:
    there = collector()
    there.stop()
    configure(host, OTEL_EXPORTER_OTLP_ENDPOINT=there.http_url)
    host.run("systemctl", "start", SERVICE)
    first = host.pid(SERVICE)
    os.kill(target.pid, RARE)
    wait_until(lambda: is_kept(host, MARK), 20, "the record to be in the spool")
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: (
            host.property(SERVICE, "NRestarts") == "1"
            and host.property(SERVICE, "ActiveState") == "active"
        ),
        20,
        "the next one to be up",
        lambda: host.journal(SERVICE),
    )
    assert host.pid(SERVICE) != first
    there.start()
    os.kill(target.pid, RARE)
    before, after = there.wait_records(2, where=about(target), timeout=60)
    assert before.attributes["log.record.uid"] != after.attributes["log.record.uid"]
    assert masks(host.pid(SERVICE), "CapEff", "CapPrm") == {0}


def test_it_is_confined_as_the_unit_says(host: Host) -> None:
    """By a program that runs in the agent's place, under each other line of the unit."""
    host.write("/opt/otel-killsnoop/probe.py", PROBE.read_text())
    host.write("/tmp/somebody's", "")
    host.write("/dev/somebody's", "")
    host.run("mkdir", "-p", "--mode=0777", "/srv/open")
    host.write("/home/somebody/letter", "")
    python = "/opt/otel-killsnoop/bin/python -I /opt/otel-killsnoop/probe.py"
    host.write(
        f"/etc/systemd/system/{SERVICE}.service.d/probe.conf",
        f"[Service]\nType=oneshot\nExecStart=\nExecStart={python}\nRestart=no\n"
        "StandardOutput=truncate:/run/probed\nStandardError=journal\n",
    )
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", SERVICE, check=False)
    assert host.property(SERVICE, "Result") == "success", host.journal(SERVICE)
    found = json.loads(host.read("/run/probed"))
    both = 1 << 39 | 1 << 38
    assert (found["bounding"], found["effective"], found["no_new_privs"]) == (both, both, "1")
    assert str(found["uid"]) == host.run("id", "-u", SERVICE)
    assert found["core"] == ["0", "0"]
    assert set(found["read-only"]) == set(
        "/ /etc /usr /var /opt/otel-killsnoop /boot /proc/irq /proc/sys /sys/fs/cgroup".split()
    )
    assert found["open to all"] == "Read-only file system"
    assert (found["state"], found["cache"], found["mode"]) == ("done", "done", "0o700")
    assert (found["root's home"], found["homes"]) == ("Permission denied", "Permission denied")
    assert found["tmp"] == []
    assert "null" in found["devices"]
    assert "somebody's" not in found["devices"]
    assert (found["inet"], found["unix"]) == ("done", "done")
    no_family = "Address family not supported by protocol"
    assert (found["netlink"], found["packet"]) == (no_family, no_family)
    refused = ("kill", "ptrace", "unshare", "kernel's log", "written code")
    assert {found[one] for one in refused} == {"Operation not permitted"}
    assert found["others"] is True


def test_a_mistake_in_its_configuration_is_told_at_the_start_and_not_repeated(host: Host) -> None:
    configure(host, KILLSNOOP_INCLUDE_SIGNALS="NONSENSE")
    assert "failed" in host.run("systemctl", "start", SERVICE, check=False)
    assert host.property(SERVICE, "ActiveState") == "failed"
    assert int(host.property(SERVICE, "ExecMainStatus")) == USAGE
    assert host.property(SERVICE, "NRestarts") == "0"
    assert "NONSENSE" in host.journal(SERVICE)


def test_without_its_capabilities_it_says_so_and_stays_down(host: Host) -> None:
    configure(host)
    host.write(
        f"/etc/systemd/system/{SERVICE}.service.d/less.conf",
        "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n",
    )
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", SERVICE, check=False)
    assert host.property(SERVICE, "ActiveState") == "failed"
    assert int(host.property(SERVICE, "ExecMainStatus")) == HOST_CANNOT
    assert "CAP_BPF and CAP_PERFMON" in host.journal(SERVICE)


def test_the_whole_unit_was_understood(host: Host) -> None:
    """What systemd made of it: a line that it ignores protects nothing."""
    assert host.run("systemd-analyze", "verify", "--man=no", f"{SERVICE}.service") == ""
    for (
        name
    ) in "ProtectSystem ProtectHome PrivateTmp PrivateDevices MemoryDenyWriteExecute".split():
        assert host.property(SERVICE, name) == unit()[name]
    # The rest is what systemd always allows: to read the clock, to wait, to end.
    allowed = set(host.property(SERVICE, "SystemCallFilter").split())
    assert set(unit()["SystemCallFilter"].split()) <= allowed
    assert not {"ptrace", "mount", "unshare", "kill", "setuid", "fork"} & allowed
    assert host.run("systemctl", "is-enabled", SERVICE) == "enabled"


def test_an_upgrade_is_the_same_once_more(host: Host) -> None:
    """And a command of that name that is somebody else's is left alone."""
    host.run("make", "-C", REPOSITORY, "install")
    assert (
        host.run(SERVICE, "--version")
        == subprocess.check_output([*COMMAND, "--version"], text=True).strip()
    )
    host.run("mv", "/usr/bin/otel-killsnoop", "/usr/bin/otel-killsnoop.ours")
    try:
        host.write("/usr/bin/otel-killsnoop", "somebody else's")
        said = host.run(REPOSITORY / "tools" / "install", check=False)
        assert said.endswith("is there already and is not ours: remove what it belongs to")
        assert host.read("/usr/bin/otel-killsnoop") == "somebody else's"
    finally:
        host.run("mv", "/usr/bin/otel-killsnoop.ours", "/usr/bin/otel-killsnoop")
