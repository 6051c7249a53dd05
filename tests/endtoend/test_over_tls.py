"""The agent and a real Collector over TLS, each with a certificate, and what plain text is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificates import Person
from real_collector import Collector, wait_until
from real_processes import RARE, RARE_NAME, Subject
from running_agent import RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

NOBODY = 65534
HERE = {
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "trust.pem",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "me.pem",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": "me.key",
}


@pytest.fixture
def target() -> Iterator[Subject]:
    one = Subject("wait()")
    yield one
    one.end()


def put(directory: Path, trusted: Person, me: Person) -> None:
    """The agent's files, which only another user may read: it must keep what that takes."""
    files = (trusted.certificate, me.certificate, me.key)
    for name, source in zip(HERE.values(), files, strict=True):
        fresh = directory / f"{name}.fresh"
        fresh.write_bytes(source.read_bytes())
        fresh.chmod(0o600)
        os.chown(fresh, NOBODY, NOBODY)
        fresh.rename(directory / name)


class Ends:
    """A Collector and an agent's files; `variables` are for the agent's start."""

    def __init__(self, there: Collector, directory: Path, protocol: str) -> None:
        self.there = there
        self.protocol = protocol
        self.files = directory / "files"
        self.files.mkdir()
        url = there.grpc_url if protocol == "grpc" else there.http_url
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url.replace("http:", "https:"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        } | {variable: str(self.files / name) for variable, name in HERE.items()}

    def serve(self, me: Person, known: Person) -> None:
        """Start the Collector: it shows this certificate, and takes who has the other one."""
        facts = {"cert_file": me.certificate, "key_file": me.key}
        facts["client_ca_file"] = known.certificate
        protocol = self.protocol.split("/")[0]
        self.there.more = [
            f"yaml:receivers::otlp::protocols::{protocol}::tls::{key}: {path}"
            for key, path in facts.items()
        ]
        self.there.start()

    def count(self, target: Subject) -> int:
        """Its signals that arrived."""
        pids = [one.resource.get("killsnoop.target.process.pid") for one in self.there.records()]
        return pids.count(target.pid)


@pytest.fixture(params=["http/protobuf", "grpc"])
def ends(
    request: pytest.FixtureRequest, collector: Callable[..., Collector], tmp_path: Path
) -> Ends:
    there = collector()
    there.stop()
    return Ends(there, tmp_path, request.param)


def test_new_files_are_taken_without_a_restart(
    agent: RunningAgent, ends: Ends, target: Subject, tmp_path: Path
) -> None:
    server, us, new_server, new_us = (Person(tmp_path, one) for one in "abcd")
    ends.serve(server, us)
    put(ends.files, server, us)
    agent.start("-i", RARE_NAME, **ends.variables)
    os.kill(target.pid, RARE)
    wait_until(lambda: ends.count(target) == 1, 20, "the first", agent.log)
    ends.there.stop()
    put(ends.files, new_server, new_us)
    os.kill(target.pid, RARE)
    wait_until(lambda: " takes no records now" in agent.log(), 20, "the outage", agent.log)
    ends.serve(new_server, new_us)
    wait_until(lambda: ends.count(target) == 2, 60, "the second", agent.log)
    assert agent.stop() == 0, agent.log()
    assert " plain text" not in agent.log()


def test_who_cannot_show_who_it_is_gets_nothing(
    agent: RunningAgent, ends: Ends, target: Subject, tmp_path: Path
) -> None:
    server, us, other = (Person(tmp_path, one) for one in "abc")
    ends.serve(server, us)
    put(ends.files, other, us)
    agent.start("-i", RARE_NAME, **ends.variables)
    os.kill(target.pid, RARE)
    wait_until(lambda: "verif" in agent.log().lower(), 20, "the refusal", agent.log)
    assert agent.stop() == 0, agent.log()
    assert ends.count(target) == 0
    assert list(agent.spool.glob("*.otlp.gz"))


def test_plain_text_to_another_host_is_said_once(agent: RunningAgent) -> None:
    agent.start("-i", RARE_NAME, OTEL_EXPORTER_OTLP_ENDPOINT="http://192.0.2.1:4318")
    assert agent.log().count(" is plain text") == 1
    assert " WARNING http://192.0.2.1:4318 is plain text" in agent.log()
    agent.end()
