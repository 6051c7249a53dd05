"""The real agent under a steady rate of signals: memory, CPU, losses; and when nothing happens."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

from flood import NUMBER
from live import Live, cpu_of
from memory_group import MemoryGroup, NoGroupError
from pairs import Pairs
from report import Row, table
from sigsnoop import SIGSNOOP, Sigsnoop
from sink import Sink

COUNT, RATE, PAIRS = 1_000_003, 20_000, 200
PEER_COUNT = 100_003
SETTLE, IDLE, LOOK = 2.0, 10.0, 5.0  # seconds


class State(NamedTuple):
    """MiB. resident: without the maps.  charged, files: 0 where there is no cgroup of ours."""

    resident: float
    maps: float
    charged: float = 0.0
    files: float = 0.0


def run(rounds: int) -> None:
    """One round: a million signals are as many as fit in a minute."""
    notes = []
    with contextlib.ExitStack() as opened:
        sink = opened.enter_context(Sink())
        try:
            group = opened.enter_context(MemoryGroup())
        except NoGroupError as error:
            group = None
            notes.append(f"The charge of a cgroup was not measured: {error}.")
        settings = {"KILLSNOOP_INCLUDE_SIGNALS": str(NUMBER), "KILLSNOOP_FOLD_BURST": "0"}
        agent = opened.enter_context(Live(sink.url, group.procs if group else None, **settings))
        agent.wait_ready()
        time.sleep(SETTLE)
        before, born = agent.cpu(), _born()
        time.sleep(IDLE)
        idle_share, born = 100 * (agent.cpu() - before) / IDLE, _born() - born
        idle = _state(agent, group)

        pairs = opened.enter_context(Pairs(NUMBER, PAIRS))
        before, began = agent.cpu(), time.monotonic()
        highest = _send(pairs, agent, group)
        took = time.monotonic() - began
        records = _arrived(sink)
        spent = agent.cpu() - before
        after = _state(agent, group)
        said = sink.ask()
        last_line = agent.stop()

        peer = _peer(pairs) if SIGSNOOP else None

    per_record = Row("CPU a record delivered", "us", [spent / records * 1e6]).note("budget 20")
    rows = [
        Row("CPU when idle", "% of a core", [idle_share]).note(
            f"budget 0.5; {born / IDLE:,.0f} processes and threads a second were born on the host"
        ),
        per_record,
        Row("records delivered", "records", [float(records)]).note(f"of {COUNT:,} sent"),
        Row("rate", "1/s", [COUNT / took]),
        Row("bytes a record as sent", "bytes", [said["bytes"] / records]),
        *_memory("idle", idle),
        *_memory("while sending, highest", highest),
        *_memory("after", after),
    ]
    if peer is not None:
        lines, seconds = peer
        of_peer = Row("sigsnoop: CPU a line", "us", [seconds / lines * 1e6])
        of_peer.note(f"{PEER_COUNT - lines:,} of {PEER_COUNT:,} lost; pids alone")
        per_record.times(of_peer, "of sigsnoop")
        rows.insert(2, of_peer)
    else:
        notes.append("sigsnoop is not installed (Debian: libbpf-tools): not measured.")
    notes += [
        f"{PAIRS} live pairs, a record for each signal, OTLP/HTTP with gzip to a local sink, "
        f"metrics ({said['metrics']} times).",
        f"The agent's last line: {last_line.partition('INFO ')[2]}",
    ]
    table(f"memory: the agent, idle and after {COUNT:,} signals", rows, notes)


def _send(pairs: Pairs, agent: Live, group: MemoryGroup | None) -> State:
    """Have all signals sent; the highest of each figure meanwhile."""
    ends = time.monotonic() + pairs.begin(RATE, COUNT)
    seen = [_state(agent, group)]
    while time.monotonic() + LOOK < ends:
        time.sleep(LOOK)
        seen.append(_state(agent, group))
    pairs.end()
    return State(*(max(of) for of in zip(*seen, strict=True)))


def _state(agent: Live, group: MemoryGroup | None) -> State:
    maps, resident = agent.resident()
    return State(resident, maps, *(group.charged() if group else ()))


def _arrived(sink: Sink) -> int:
    """The records at the sink, once there are all, or no more come."""
    records, ends = -1, time.monotonic() + 60
    while time.monotonic() < ends:
        now = sink.ask()["records"]
        if now in (COUNT, records):
            break
        records = now
        time.sleep(1.0)
    return int(now)


def _born() -> int:
    """Processes and threads since boot, whose coming and going the agent follows."""
    lines = Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("processes "))


def _memory(when: str, state: State) -> list[Row]:
    rows = [
        Row(f"resident, {when}", "MiB", [state.resident]).note(
            f"budget 48; beside it the maps: {state.maps:.1f}"
        )
    ]
    if state.charged:
        charged = Row(f"charged to its cgroup, {when}", "MiB", [state.charged])
        rows.append(charged.note(f"budget 64; {state.files:.1f} of it pages of files"))
    return rows


def _peer(pairs: Pairs) -> tuple[int, float]:
    """Lines that sigsnoop prints at the same rate, and the seconds of CPU that took."""
    with Sigsnoop(NUMBER) as peer:
        before = cpu_of(peer.process.pid)
        pairs.begin(RATE, PEER_COUNT)
        pairs.end()
        time.sleep(0.5)
        spent = cpu_of(peer.process.pid) - before
        return peer.finish("python"), spent
