"""What people and programs read from the agent's standard output, of real signals."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from termios import tcsetwinsize
from typing import Any

import pytest
from fields_document import AGENT, DEATH, LOG, SOURCE, TARGET, documented
from otlp_json import LogRecord
from real_collector import Collector, wait_until
from real_processes import RARE, RARE_NAME, above, comm_of, line_of, settle, short_lives
from running_agent import COMMAND, Record, RunningAgent, unconfigured

pytestmark = pytest.mark.kernel

DEPTH = 8
WIDTH = 80
NO_READER = 141
HEAD = re.compile(r"\d\d:\d\d:\d\d\.\d{3}  SIG")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
PAIR = re.compile(r'([a-z.]+)=("(?:[^"\\]|\\.)*"|[^" ]*)(?: |$)')


class Killed:
    """A sleep and who killed it: both gone, and all that is true of them."""

    def __init__(self) -> None:
        self.target_args = ["sleep", "600"]
        with subprocess.Popen(self.target_args) as target:
            settle(target.pid, "sleep")
            self.target = target.pid
            self.killer_args = ["dash", "-c", 'kill -9 "$1"', "killer", str(target.pid)]
            with subprocess.Popen(self.killer_args) as killer:
                self.killer = killer.pid
        assert target.returncode == -signal.SIGKILL
        self.above = [os.getpid(), *above(os.getpid())]


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Callable[..., Callable[[], str]]]:
    """on_terminal(VARIABLE=value): an agent on an 80-column terminal; its screen so far."""
    running: list[subprocess.Popen[bytes]] = []
    masters: list[int] = []

    def start(**variables: str) -> Callable[[], str]:
        kept = unconfigured()
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            kept.pop(name, None)
        master, slave = os.openpty()
        masters.append(master)
        tcsetwinsize(slave, (24, WIDTH))
        log = tmp_path / "log"
        with log.open("wb") as stderr:
            agent = subprocess.Popen(
                [*COMMAND, "-i", "KILL"],
                env={**kept, "TERM": "xterm-256color", **variables},
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=stderr,
            )
        running.append(agent)
        os.close(slave)
        wait_until(lambda: b" attached by " in log.read_bytes(), 20, "the agent", log.read_text)
        screen = bytearray()

        def shown() -> str:
            while select.select([master], [], [], 0)[0]:
                screen.extend(os.read(master, 65536))
            return screen.decode().replace("\r\n", "\n")

        return shown

    yield start
    for one in running:
        one.terminate()
        assert one.wait(20) == 0
    for master in masters:
        os.close(master)


def block(screen: str, target: int) -> list[str]:
    """The lines of the one signal to that process, without colours."""
    lines = ESCAPE.sub("", screen).split("\n")
    heads = [at for at, line in enumerate(lines) if HEAD.match(line)]
    ends = [*heads[1:], len(lines) - 1]
    blocks = [lines[begin:end] for begin, end in zip(heads, ends, strict=False)]
    found = [one for one in blocks if any(f"to    sleep[{target}]" in line for line in one)]
    assert len(found) < 2
    return found[0] if found else []


@pytest.mark.parametrize("colourless", [True, False], ids=["NO_COLOR", "coloured"])
def test_a_person_sees_who_killed_whom(
    on_terminal: Callable[..., Callable[[], str]], colourless: bool
) -> None:
    shown = on_terminal(**({"NO_COLOR": "1"} if colourless else {}))
    killed = Killed()
    # The next signal's head says that this one is printed whole.
    after = Killed()
    wait_until(lambda: bool(block(shown(), after.target)), 20, "the signals to be shown", shown)
    screen = shown()
    assert ("\x1b" in screen) is not colourless
    if not colourless:
        assert re.search(r"\x1b\[[0-9;]+mSIGKILL\x1b\[0m", screen)
    lines = block(screen, killed.target)
    assert len(lines) >= 4
    assert max(map(len, lines)) <= WIDTH
    ancestry = "".join([f" < {comm_of(pid)}[{pid}]" for pid in killed.above])
    told = " ".join(" ".join(lines).split())
    head, _, sides = told.partition(" from ")
    assert head.split(None, 1)[1] == "SIGKILL dash > sleep delivered by kill"
    source, _, target = sides.partition(" to ")
    assert _until_cut(
        source, f"dash[{killed.killer}] root {shlex.join(killed.killer_args)}{ancestry}"
    )
    assert _until_cut(target, f"sleep[{killed.target}] root sleep 600{ancestry}")


def _until_cut(told: str, whole: str) -> bool:
    """Whether it is all that is to be told, or the first ancestors of it; places may follow."""
    if len(re.findall(" < ", whole)) > DEPTH:
        whole = " < ".join([*whole.split(" < ")[: DEPTH + 1], "..."])
    return told == whole or told.startswith(f"{whole} ")


def test_the_seed_tools_keys(agent: RunningAgent) -> None:
    agent.start("--print", "logfmt", "-i", "KILL")
    killed = Killed()
    wanted = f" target.pid={killed.target} "
    wait_until(lambda: wanted in agent.output(), 20, "the line", agent.output)
    assert agent.stop() == 0
    signals = [one for one in agent.output().split("\n") if 'msg="snooped signal"' in one]
    [line] = [one for one in signals if wanted in one]
    pairs = {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in PAIR.findall(line)
    }
    assert PAIR.sub("", line) == ""
    expected = {
        "level": "INFO",
        "msg": "snooped signal",
        "signal": "9",
        "signal.string": "killed",
        **_lineage("source", killed.killer, killed.killer_args, killed.above),
        **_lineage("target", killed.target, killed.target_args, killed.above),
        "signal.name": "SIGKILL",
        "signal.code": "SI_USER",
        "cause": "user",
        "call": "kill",
        "result": "delivered",
        "source.uid": "0",
        "target.uid": "0",
        "disposition": "default",
    }
    when = datetime.fromisoformat(pairs.pop("time"))
    assert abs((datetime.now(UTC) - when).total_seconds()) < 3600
    assert pairs == expected
    assert list(pairs) == list(expected)


def _lineage(key: str, pid: int, args: list[str], above: list[int]) -> dict[str, str]:
    made = {f"{key}.pid": str(pid), f"{key}.cmdline": f"[{' '.join(args)}]", f"{key}.comm": args[0]}
    for one in above[:DEPTH]:
        key += ".parent"
        made[f"{key}.pid"] = str(one)
        if line := line_of(one):
            made[f"{key}.cmdline"] = f"[{line}]" if len(line) <= 1024 else f"[{line[:1024]}...]"
        made[f"{key}.comm"] = comm_of(one)
    return made


@pytest.mark.collector
@pytest.mark.parametrize("how", ["redacted", "none"])
def test_a_json_line_is_the_record_that_is_shipped(
    agent: RunningAgent, collector: Callable[..., Collector], how: str
) -> None:
    real = collector()
    agent.start(
        *("--print", "json", "--args", how, "-i", f"{RARE_NAME},KILL,SEGV,CONT"),
        OTEL_EXPORTER_OTLP_ENDPOINT=real.http_url,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=tests",
    )
    short_lives(2, 19)
    kill_itself = f"kill -{RARE:d} $$"
    for args in (
        [b"\xff\x00"[:1], b"", "日本\u2028\x85\x7f".encode(), b"--password=of-a-test"],
        [b"x" * 1000] * 40,
        [b"\xf0" * 9000],
    ):
        subprocess.run([b"sh", b"-c", kill_itself.encode(), b"name", *args], check=False)
    fault = "import ctypes; ctypes.string_at(0)"
    subprocess.run([sys.executable, "-I", "-S", "-c", fault], check=False)
    os.kill(2, signal.SIGCONT)
    Killed()
    last = Killed().target
    agent.wait_records(1, lambda one: one["killsnoop.target.process.pid"] == last)
    assert agent.stop() == 0
    printed = {record["log.record.uid"]: record for record in agent.records()}
    wait_until(lambda: len(printable(real)) >= len(printed), 20, "all that was printed")
    shipped = {one.attributes["log.record.uid"]: one for one in printable(real)}
    assert set(printed) == set(shipped)
    assert len(agent.records()) == len(printable(real)) == len(printed) > 2 * 19 + 6
    for uid, record in printed.items():
        assert record == flat(shipped[uid])
    names = set().union(*printed.values())
    allowed = {"time", "body", "severity", "deployment.environment.name"}
    for section in (LOG, DEATH, SOURCE, TARGET, AGENT):
        allowed |= set(documented(section))
    assert names <= allowed
    assert {
        "killsnoop.truncated",
        "killsnoop.source.process.command_line",
    } <= names or how == "none"
    assert any("killsnoop.source.process.pid" not in record for record in printed.values())
    assert all(tells_no_secret(record) for record in printed.values())


def printable(real: Collector) -> list[LogRecord]:
    """All that arrived but the accounts, which nobody prints."""
    return [one for one in real.records() if one.event_name != "killsnoop.accounting"]


def flat(record: LogRecord) -> Record:
    """What the Collector delivered, as a JSON line has it."""
    attributes = dict(record.attributes)
    attributes.pop("event.name")  # the Collector's
    seconds, ns = divmod(record.time, 1_000_000_000)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        **record.resource,
        **attributes,
        "time": f"{when}.{ns:09d}Z",
        "body": record.body,
        "severity": record.severity_text,
    }


def tells_no_secret(record: dict[str, Any]) -> bool:
    """No secret of the workload is in a record."""
    return "of-a-test" not in json.dumps(record)


def test_a_reader_that_goes_ends_the_agent_quietly(tmp_path: Path) -> None:
    kept = unconfigured()
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        agent = subprocess.Popen(
            [*COMMAND, "--print", "json", "-i", "KILL"],
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        wait_until(lambda: b" attached by " in log.read_bytes(), 20, "the agent", log.read_text)
        assert agent.stdout is not None
        Killed()
        assert json.loads(agent.stdout.readline())["killsnoop.signal.number"] == signal.SIGKILL
        agent.stdout.close()
        Killed()
        assert agent.wait(20) == NO_READER
        assert [line.split()[1] for line in log.read_text().splitlines()] == ["INFO"]
    finally:
        agent.kill()
        agent.wait()
