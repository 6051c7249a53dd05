"""The container image, run for real beside a real Collector, with two capabilities.

`make image-test` builds the image first. The container sees the host's processes through
/host/proc alone: it has a PID namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_collector import REPOSITORY, Collector, LogRecord, wait_until
from thread_status import masks, threads

pytestmark = [pytest.mark.image, pytest.mark.collector, pytest.mark.kernel]

IMAGE = "localhost/otel-killsnoop:test"
ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(REPOSITORY / "tests/image/containers.conf")}


def podman(*arguments: str, check: bool = True) -> str:
    """What podman wrote on stdout and stderr; with `check`, an error when it failed."""
    done = subprocess.run(
        ["podman", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, f"podman {arguments[0]}: {done.stdout}"
    return done.stdout.strip()


class Container:
    """The agent in a container, started at once, with as little as the Dockerfile says."""

    def __init__(self, endpoint: str) -> None:
        self.name = f"killsnoop-test-{uuid.uuid4().hex[:12]}"
        podman(
            *("run", "--detach", "--name", self.name, "--network=host"),
            *("--cap-drop=all", "--cap-add=BPF", "--cap-add=PERFMON"),
            *("--read-only", "--read-only-tmpfs=false"),
            *("--security-opt", "no-new-privileges"),
            *("--security-opt", f"seccomp={REPOSITORY / 'config' / 'seccomp.json'}"),
            *("--volume", "/proc:/host/proc:ro"),
            *("--env", f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}"),
            IMAGE,
        )

    def inspect(self, what: str) -> str:
        return podman("inspect", "--format", f"{{{{{what}}}}}", self.name)

    @property
    def pid(self) -> int:
        """The agent's process id on the host."""
        return int(self.inspect(".State.Pid"))

    def log(self) -> str:
        return podman("logs", self.name, check=False)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        podman("stop", "--time=30", self.name)
        return int(self.inspect(".State.ExitCode"))

    def remove(self) -> None:
        podman("rm", "--force", "--volumes", "--time=5", self.name, check=False)


@pytest.fixture
def container(
    collector: Callable[..., Collector],
) -> Iterator[tuple[Container, Collector]]:
    """The container and its Collector."""
    running = collector()
    one = Container(running.http_url)
    yield one, running
    one.remove()


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this host with a name of its own, older than the container."""
    program = tmp_path / "the-victim"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "1234"]) as process:
        yield process
        process.kill()


def test_carries_no_compiler() -> None:
    """What the kernel program was compiled with stays in the first stage."""
    found = podman(
        *("run", "--rm", "--network=none", "--entrypoint=find", IMAGE),
        *("/", "-xdev", "-iname", "*bcc*", "-o", "-xdev", "-iname", "*llvm*"),
        *("-o", "-xdev", "-iname", "*clang*", "-o", "-xdev", "-name", "pip"),
    )
    assert found == ""


def test_a_signal_arrives_with_both_names(
    victim: subprocess.Popen[bytes],  # first: it is there before the container is
    container: tuple[Container, Collector],
    tmp_path: Path,
) -> None:
    agent, collector = container
    early, killer = tmp_path / "early-killer", tmp_path / "the-killer"
    shutil.copy("/bin/sh", early)
    shutil.copy("/bin/sh", killer)

    def send(by: Path) -> None:
        subprocess.run([by, "-c", f"kill -CONT {victim.pid}"], check=True)

    def sent(by: Path) -> Callable[[LogRecord], bool]:
        return lambda record: (
            record.attributes.get("killsnoop.signal.name") == "SIGCONT"
            and record.resource.get("killsnoop.target.process.pid") == victim.pid
            and record.resource.get("killsnoop.source.process.executable.name") == by.name
        )

    def arrived() -> bool:
        """Send until the agent is attached: it need not say when that is."""
        assert agent.inspect(".State.Status") == "running", agent.log()
        send(early)
        return any(map(sent(early), collector.records()))

    wait_until(arrived, 30, "a signal through the container", agent.log)
    # An early killer may be older than the agent, and gone before it looked at /proc.
    send(killer)
    (record,) = collector.wait_records(where=sent(killer))
    resource = record.resource
    assert resource["killsnoop.source.process.executable.name"] == "the-killer"
    assert resource["killsnoop.source.process.command_args"] == [
        str(killer),
        "-c",
        f"kill -CONT {victim.pid}",
    ]
    assert resource["killsnoop.target.process.executable.name"] == "the-victim"
    assert resource["killsnoop.target.process.command_args"] == [victim.args[0].as_posix(), "1234"]
    assert resource["killsnoop.target.process.known_from"] == "procfs"
    assert resource["killsnoop.source.process.ancestors.pids"][0] == os.getpid()
    assert record.event_name == "killsnoop.signal"

    for one in threads(agent.pid):
        assert (one["NoNewPrivs"], one["Seccomp"]) == ("1", "2")
    assert masks(agent.pid, "CapEff", "CapPrm", "CapInh") == {0}
    told = podman("exec", agent.name, "otel-killsnoop", "check", "--live")
    assert {line.split()[0] for line in told.splitlines()} == {"ok"}, told
    assert f"process {agent.pid} " in told

    pid = agent.pid
    assert agent.stop() == 0, agent.log()
    # The signal that stopped it is itself recorded, and sent before the end.
    ours = collector.wait_records(
        where=lambda one: (
            one.resource.get("killsnoop.target.process.pid") == pid
            and one.attributes["killsnoop.signal.number"] == signal.SIGTERM
        )
    )
    assert len(ours) == 1
