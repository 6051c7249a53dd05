"""How long the agent takes from exec: to the first signal that it sees, ready, and delivered."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flood import NUMBER, Sender, ignorer, sender
from live import Live
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from report import Row, table
from sigsnoop import SIGSNOOP, Sigsnoop
from sink import Sink

INTERVAL_US = 100  # between signals: what the time of being attached is known to
COMM = "ks-pace"

KEPT, FRESH = "kept", "read anew"
FIGURES = ("attached", "ready", "first record delivered")


def run(rounds: int) -> None:
    interpreter = Row("the interpreter alone, `python -c pass`", "ms")
    peer = Row("sigsnoop: attached", "ms")
    layouts = (KEPT, FRESH)
    rows = {
        (layout, figure): Row(f"kernel layout {layout}: {figure}", "ms")
        for layout in layouts
        for figure in FIGURES
    }
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(ignorer(NUMBER))
        source = opened.enter_context(sender(COMM, max(os.sched_getaffinity(0))))
        kept = opened.enter_context(tempfile.TemporaryDirectory())
        _agent(source, target, kept)  # fills it
        for _ in range(rounds):
            interpreter.values.append(_interpreter())
            for layout in layouts:
                fresh = opened.enter_context(tempfile.TemporaryDirectory())
                found = _agent(source, target, kept if layout == KEPT else fresh)
                for figure, value in zip(FIGURES, found, strict=True):
                    rows[layout, figure].values.append(value)
            if SIGSNOOP:
                peer.values.append(_peer(source, target))
    for (_, figure), row in rows.items():
        if figure == FIGURES[0]:
            row.over(interpreter, "over the interpreter").times(peer, "of sigsnoop")
    rows[KEPT, "attached"].note("budget 60")
    rows[KEPT, "ready"].note("budget 600")
    rows[KEPT, "first record delivered"].note("budget 1,000 after the event")
    notes = [
        f"From just before exec, with a signal every {INTERVAL_US} us from before it on: attached",
        "is when the first one was sent that was recorded. Delivered is when its request had come.",
    ]
    if not SIGSNOOP:
        notes.append("sigsnoop is not installed (Debian: libbpf-tools): not measured.")
    table("start: milliseconds from exec", [interpreter, peer, *rows.values()], notes)


def _interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1e3


def _agent(source: Sender, target: int, cache: str) -> tuple[float, float, float]:
    Path(cache).chmod(0o700)
    with Sink() as sink:
        source.begin_pace(target, NUMBER, INTERVAL_US)
        time.sleep(0.05)
        settings = {"XDG_CACHE_HOME": cache, "KILLSNOOP_INCLUDE_SIGNALS": str(NUMBER)}
        with Live(sink.url, None, **settings) as agent:
            agent.wait_ready()
            ends = time.monotonic() + 20
            while "came" not in (said := sink.ask()):
                assert time.monotonic() < ends, agent.log()
                time.sleep(0.02)
            # Unix time at its sending is made of boot time; so back by the same difference.
            first = _first(said["body"]) - (
                time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            )
            source.end_pace()
            agent.stop()
            instants = (first, agent.ready, said["came"])
            attached, ready, came = ((one - agent.began) / 1e6 for one in instants)
            return attached, ready, came


def _first(body: bytes) -> int:
    """The time of the earliest record in a request."""
    request = ExportLogsServiceRequest.FromString(body)
    return min(
        int(record.time_unix_nano)
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    )


def _peer(source: Sender, target: int) -> float:
    """It tells no time finer than a second: so by how many of the signals it has missed."""
    source.begin_pace(target, NUMBER, INTERVAL_US)
    time.sleep(0.05)
    with Sigsnoop(NUMBER, wait=False) as peer:
        time.sleep(0.5)
        sent = source.end_pace()
        lines = peer.finish(COMM)
        assert 0 < lines < len(sent)
        return (sent[-lines] - peer.began) / 1e6
