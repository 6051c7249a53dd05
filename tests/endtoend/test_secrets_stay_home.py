"""A planted secret is in no byte that leaves the agent: spool, wire, terminal, log."""

from __future__ import annotations

import gzip
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_processes import settle
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

TOKEN = "Zq7rT2xW9kLmB4vN8pQs"  # nothing else on this host has it
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.{TOKEN}{TOKEN}"
PLANTED = (
    ["sleep", "--password", TOKEN],
    ["sleep", f"--token={TOKEN}"],
    ["sleep", f"https://user:{TOKEN}@example.org/"],
    ["sleep", f"PGPASSWORD={TOKEN}", "psql"],
    ["sleep", "-H", f"Authorization: Bearer {TOKEN}"],
    ["sleep", "-H", f"X-Auth: {JWT}"],
    ["mysql", "-uroot", f"-p{TOKEN}"],
    ["sleep", "--aws-secret-access-key", TOKEN * 2],
)


class _Sink(http.server.BaseHTTPRequestHandler):
    bodies: list[bytes] = []  # noqa: RUF012  # one sink a test run

    def do_POST(self) -> None:  # the base class's name for it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(gzip.decompress(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def sink() -> Iterator[str]:
    """Where a Collector would be; it keeps what it got, decompressed."""
    _Sink.bodies.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def signal_all() -> list[int]:
    """Kill a process of each command line, by one whose own has the secret too."""
    pids = []
    for arguments in PLANTED:
        code = f"import os, sys; os.kill(int(sys.argv[1]), 15)  # --token={TOKEN}"
        command = ["sh", "-c", "read line", *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as victim:
            settle(victim.pid, "sh")
            subprocess.run([sys.executable, "-c", code, str(victim.pid)], check=True)
            pids.append(victim.pid)
    return pids


def kept(directory: Path) -> bytes:
    """All bytes below a directory, those of compressed files decompressed."""
    found = []
    for path in directory.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            found.append(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    return b"\n".join(found)


@pytest.mark.parametrize("form", ["tree", "logfmt", "json"])
def test_nothing_of_it_is_sent_printed_or_logged(agent: RunningAgent, sink: str, form: str) -> None:
    agent.start("--print", form, "-i", "TERM", "-l", "debug", OTEL_EXPORTER_OTLP_ENDPOINT=sink)
    pids = signal_all()
    assert agent.stop() == 0
    sent = b"".join(_Sink.bodies)
    for pid in pids:
        assert b"[%d]" % pid in sent
    everything = sent + kept(agent.directory)
    assert TOKEN.encode() not in everything
    assert b"***" in sent
    assert "***" in agent.output()


def test_nothing_of_it_waits_on_disk(agent: RunningAgent) -> None:
    agent.start("-i", "TERM", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    pids = signal_all()
    assert agent.stop() == 0
    spool = kept(agent.spool)
    for pid in pids:
        assert b"[%d]" % pid in spool
    assert TOKEN.encode() not in spool + kept(agent.directory)


def test_without_arguments_there_is_the_command_alone(agent: RunningAgent) -> None:
    agent.start("--print", "json", "-i", "TERM", "--args", "none")
    pids = signal_all()
    agent.wait_records(1, lambda one: one.get("killsnoop.target.process.pid") == pids[-1])
    assert agent.stop() == 0
    for one in agent.records(lambda one: one.get("killsnoop.target.process.pid") in pids):
        assert "killsnoop.target.process.command_args" not in one
        assert one["killsnoop.target.process.command"] == "sh"
        assert one["killsnoop.target.process.args_count"] > 3


def test_patterns_of_ones_own(agent: RunningAgent, tmp_path: Path) -> None:
    patterns = tmp_path / "patterns"
    patterns.write_text("# ours\nticket-[0-9]+\n")
    agent.start("--print", "json", "-i", "TERM", "--redact-patterns", str(patterns))
    with subprocess.Popen(["sh", "-c", "read line", "x ticket-4711"], stdin=subprocess.PIPE) as one:
        settle(one.pid, "sh")
        os.kill(one.pid, 15)
    (record,) = agent.wait_records(
        1,
        lambda it: (
            it.get("killsnoop.target.process.pid") == one.pid and it["killsnoop.event"] == "signal"
        ),
    )
    assert record["killsnoop.target.process.command_args"][-1] == "x ***"
