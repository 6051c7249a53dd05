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
from real_collector import wait_until
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
    ["curl", "-u", f"user:{TOKEN}", "https://example.org/"],
    ["sleep", "AKIA" + TOKEN[:16].upper(), f"ghp_{TOKEN}{TOKEN[:16]}"],
    ["sleep", f"-----BEGIN PRIVATE KEY-----\n{TOKEN * 3}\n-----END PRIVATE KEY-----"],
    ["sh", "-c", f"PGPASSWORD='{TOKEN}' psql --host db"],
    ["sleep", f'{{"user": "a", "apiKey": "{TOKEN}"}}', f"postgres://a:{TOKEN}@db/x?token={TOKEN}"],
)
WEAK = "hunter2XyZ"  # does not look random: only where it stands tells what it is
FORBIDDEN = (TOKEN.encode(), TOKEN[:16].upper().encode(), WEAK.encode())


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


def leaked(content: bytes) -> list[bytes]:
    """What is around a secret that is in there after all."""
    return [
        content[max(0, place - 60) : place + 60]
        for secret in FORBIDDEN
        if (place := content.find(secret)) >= 0
    ]


@pytest.mark.parametrize("form", ["tree", "logfmt", "json"])
def test_nothing_of_it_is_sent_printed_or_logged(agent: RunningAgent, sink: str, form: str) -> None:
    agent.start("--print", form, "-i", "TERM", "-l", "debug", OTEL_EXPORTER_OTLP_ENDPOINT=sink)
    pids = signal_all()
    assert agent.stop() == 0
    sent = b"".join(_Sink.bodies)
    for pid in pids:
        assert b"[%d]" % pid in sent
    everything = sent + kept(agent.directory)
    assert not leaked(everything)
    assert b"***" in sent
    assert "***" in agent.output()


def test_nothing_of_it_waits_on_disk(agent: RunningAgent) -> None:
    agent.start("-i", "TERM", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    pids = signal_all()
    assert agent.stop() == 0
    spool = kept(agent.spool)
    for pid in pids:
        assert b"[%d]" % pid in spool
    assert not leaked(spool + kept(agent.directory))


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


# A title with a secret, written over the arguments; then a child whose tree it is in.
TITLED = (
    "import os, sys\nstat = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
    "start, end = map(int, stat[45:47])\n"
    "with open('/proc/self/mem', 'r+b', 0) as memory:\n memory.seek(start)\n"
    " memory.write(b'worker --password %s of db'.ljust(end - start, b'\\0') % os.environb[b'X'])\n"
    "sys.stdin.readline(); os.kill(os.getppid(), 18)\n"
    "os.spawnv(os.P_WAIT, '/bin/sh', ['sh', '-c', 'kill -CONT $PPID; :'])\n"
    "print(flush=True); sys.stdin.readline()"
)


@pytest.mark.parametrize("form", ["tree", "json"])
def test_nothing_of_titles_and_ancestors(agent: RunningAgent, sink: str, form: str) -> None:
    """Of a tree: whose arguments have one, whose title has one, who is started by both."""
    agent.start("--print", form, "-i", "CONT", "-l", "debug", OTEL_EXPORTER_OTLP_ENDPOINT=sink)
    inner = ["sh", "-c", '"$@"; :', "sh", sys.executable, "-c", TITLED, "--padding", "x" * 99]
    outer = ["sh", "-c", f'PGPASSWORD={TOKEN}; "$@"; :', f"--token={TOKEN}", *inner]
    environment = {**os.environ, "X": TOKEN}
    with subprocess.Popen(
        outer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        # A title is read while its process lives.
        wait_until(lambda: f"[{process.pid}]" in agent.output(), 20, "it to be seen", agent.log)
        process.communicate(b"\n")
    assert agent.stop() == 0
    sent = b"".join(_Sink.bodies)
    assert b"worker --password *** of db" in sent
    assert b"[%d]" % process.pid in sent
    assert not leaked(sent + kept(agent.directory))


@pytest.mark.parametrize("words", [
    [f"https://user:{WEAK * 9}@example.org/"],
    [f"https://{TOKEN * 5}@example.org/"],
    [f"--password={WEAK * 9}"],
    ["--url", f"postgres://u:{WEAK * 9}@db:5432/x"],
    ["-H", f"X-Auth: {JWT}{TOKEN * 3}"],
    [f"github_pat_{TOKEN * 5}"],
    [f"-----BEGIN PRIVATE KEY-----\n{WEAK * 9}\n-----END PRIVATE KEY-----"],
    ["sh", "-c", f"curl http://user:{WEAK * 9}@example.org/"],
], ids=lambda words: words[0][:10])  # fmt: skip
def test_nothing_of_what_is_cut_in_its_middle(agent: RunningAgent, words: list[str]) -> None:
    """The kernel hands over 16 KiB of arguments: what follows a secret may be missing."""
    command = ["sh", "-c", "read line"]
    before = sum(len(one) + 1 for one in command) + sum(len(one) + 1 for one in words[:-1])
    secret = WEAK if WEAK in words[-1] else TOKEN
    within = words[-1].index(secret) + len(secret)
    agent.start("--print", "json", "-i", "TERM")
    pids = []
    for more in (41, 50, 73):  # what is shown is some 30 bytes shorter
        filler = 16384 - before - within - more - 1
        victim = subprocess.Popen([*command, "x y" + "z" * (filler - 3), *words],
                                  stdin=subprocess.PIPE)  # fmt: skip
        settle(victim.pid, "sh")
        victim.terminate()
        victim.communicate()
        pids.append(victim.pid)
    assert agent.stop() == 0  # which says all that it knows
    seen = {one["killsnoop.target.process.pid"]: one for one in agent.records()}
    assert set(pids) <= set(seen)
    assert "killsnoop.target.process.command_args" in seen[pids[0]]["killsnoop.truncated"]
    assert not leaked(kept(agent.directory))
