"""The agent run as config/otel-killsnoop.service asks, and on a read-only root file system."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from confinement import USER, Confinement
from real_collector import Collector, wait_until
from real_processes import RARE, RARE_NAME, Subject
from running_agent import COMMAND, RunningAgent
from thread_status import masks, threads
from unprivileged import public_copy

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

PACKAGES = Path(urllib3.__file__).resolve().parents[1]


@pytest.fixture
def confinement() -> Iterator[Confinement]:
    with public_copy() as top:
        made = Confinement(top, PACKAGES)
        yield made
        made.end()


@pytest.fixture
def confined(agent: RunningAgent, confinement: Confinement) -> RunningAgent:
    """The agent, to be started in there."""
    agent.command = confinement.command
    agent.spool = confinement.spool
    agent.environment |= confinement.environment
    return agent


def send(collector: Collector, agent: RunningAgent) -> None:
    """A signal between two processes, and wait until the Collector has it whole."""
    target = Subject("wait()")
    source = Subject(f"os.kill({target.pid}, RARE)\nsay(1)\nwait()")
    try:
        source.heard()
        wait_until(
            lambda: any(
                record.resource.get("killsnoop.target.process.pid") == target.pid
                and record.resource.get("killsnoop.source.process.pid") == source.pid
                and record.attributes.get("killsnoop.signal.number") == RARE
                and record.resource["killsnoop.target.process.args_count"] > 1
                for record in collector.records()
            ),
            20,
            "the signal",
            agent.log,
        )
    finally:
        source.end()
        target.end()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_it_ships_under_the_units_restrictions(
    confined: RunningAgent, collector: Callable[..., Collector], protocol: str
) -> None:
    there = collector()
    endpoint = there.grpc_url if protocol == "grpc" else there.http_url
    confined.start(
        *("-i", RARE_NAME, "--fold-burst", "4"),
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint.replace("127.0.0.1", "localhost"),
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
    )
    send(there, confined)
    for one in threads(confined.pid):
        assert set(one["Uid"].split()) == {str(USER)}
        assert (one["NoNewPrivs"], one["Seccomp"]) == ("1", "2")
    assert masks(confined.pid, "CapEff", "CapPrm", "CapInh", "CapAmb") == {0}
    live = subprocess.run(
        [*COMMAND, "check", "--live", "--spool-dir", str(confined.spool)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert {line.split()[0] for line in live.stdout.splitlines()} == {"ok"}
    assert "a filter is on" in live.stdout
    assert confined.stop() == 0, confined.log()
    assert " WARNING " not in confined.log()
    assert " ERROR " not in confined.log()


def test_what_confines_it_does_confine(confinement: Confinement) -> None:
    """Or the test before would show nothing."""

    def told(text: str) -> str:
        done = subprocess.run(
            [*confinement.inside, confinement.python, "-c", f"import os, socket, mmap\n{text}"],
            env={**os.environ, **confinement.environment},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.stderr.splitlines()[-1] if done.returncode else ""

    assert told("socket.socket(socket.AF_INET)") == ""
    refused = "PermissionError: [Errno 1] Operation not permitted"
    assert told("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)") == refused
    assert told("os.kill(1, 0)") == refused
    assert told("mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)") == refused
    assert told(f"open({str(confinement.spool / 'new')!r}, 'w')") == ""
    for path in ("/tmp/new", str(confinement.spool.parent / "new")):
        assert told(f"open({path!r}, 'w')").startswith("OSError: [Errno 30] Read-only file system")


def test_root_on_a_read_only_root_file_system(
    agent: RunningAgent, confinement: Confinement, collector: Callable[..., Collector]
) -> None:
    """As in a container that is run so: all that it writes is in the spool."""
    there = collector()
    os.chown(confinement.spool, 0, 0)
    place = confinement.spool.parent
    agent.command = [
        *("unshare", "--mount", "--propagation=private", confinement.python),
        *(str(place / "confinement.py"), str(place), str(PACKAGES), *COMMAND),
    ]
    agent.spool = confinement.spool
    agent.environment |= {**confinement.environment, "CACHE_DIRECTORY": "/nowhere/to/be/made"}
    agent.start("-i", RARE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT=there.http_url)
    send(there, agent)
    assert agent.stop() == 0, agent.log()
    assert " WARNING " not in agent.log()


def test_its_pins_outlive_a_kill_and_are_gone_after_a_stop(
    confined: RunningAgent, confinement: Confinement, collector: Callable[..., Collector]
) -> None:
    """With two capabilities, under the filter, on what the unit mounts before the start."""
    there = collector()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": there.http_url, "KILLSNOOP_PIN": "auto"}
    confined.start("-i", RARE_NAME, **variables)
    assert f"pins: {confinement.pins}/1" in confined.log()
    status = os.stat(confinement.pins / "1" / "map_ring")
    assert (status.st_uid, status.st_mode & 0o7777) == (USER, 0o600)
    confined.stop(signal.SIGKILL)
    target = Subject("wait()")
    try:
        os.kill(target.pid, RARE)
    finally:
        target.end()
    confined.start("-i", RARE_NAME, **variables)
    assert "the agent before this one was killed" in confined.log()
    send(there, confined)
    assert any(
        one.resource.get("killsnoop.target.process.pid") == target.pid
        and one.resource["killsnoop.target.process.args_count"] > 1
        for one in there.records()
    )
    assert confined.stop() == 0, confined.log()
    assert not list(confinement.pins.glob("[0-9]*"))  # the kernel's own files are there, too


# --- processes that it may not see --------------------------------------------------------------


def test_under_hidepid_what_is_known_comes_from_events(
    agent: RunningAgent, confinement: Confinement
) -> None:
    """Another user's processes are not in its /proc: it tells what the kernel program saw."""
    hidden = "mount -t proc -o hidepid=2 proc /proc"
    agent.command = [
        *("unshare", "--mount", "--propagation=private"),
        *("sh", "-c", f'{hidden} && exec "$@"', "sh"),
        *confinement.command,
    ]
    agent.spool = confinement.spool
    agent.environment |= confinement.environment
    older = Subject("wait()")
    try:
        agent.start("-i", RARE_NAME, "--print", "json", "--list-process-interval", "0.2")
        younger = Subject(f"os.kill({older.pid}, RARE)\nsay(1)\nwait()")
        try:
            younger.heard()
            os.kill(younger.pid, RARE)
            [first] = agent.wait_records(
                where=lambda one: one.get("killsnoop.target.process.pid") == older.pid
            )
            [second] = agent.wait_records(
                where=lambda one: (
                    one.get("killsnoop.target.process.pid") == younger.pid
                    and one["killsnoop.event"] == "signal"
                )
            )
        finally:
            younger.end()
    finally:
        older.end()
    # The one from before: what its signal itself tells. The one from after: everything.
    assert first["killsnoop.target.process.known_from"] == "partial"
    assert first["killsnoop.target.process.executable.name"]
    assert first["killsnoop.source.process.pid"] == younger.pid
    assert first["killsnoop.source.process.args_count"] > 1
    assert second["killsnoop.target.process.args_count"] > 1
    assert agent.stop() == 0, agent.log()
    assert "Traceback" not in agent.log()
