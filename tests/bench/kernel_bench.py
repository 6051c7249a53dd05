"""What a signal costs who sends it: ns per kill(2) to a process that ignores it."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import floor
from flood import NUMBER, OTHER, Sender, ignorer, sender
from report import Row, table
from sigsnoop import SIGSNOOP, Sigsnoop

from otel_killsnoop.errors import KernelError
from otel_killsnoop.tracer import load

COUNT = 300_007
WARM = 10_007
SLOW = 50_021  # for sigsnoop, whose flood takes twenty times as long
COMM = "ks-flood"
COUNTING, NUMBERED = "a program that only counts", "filtered by number"
RING = 64 << 20  # holds the whole flood

Way = Callable[[Sender, int], float]


def bare(source: Sender, target: int) -> float:
    source.flood(target, NUMBER, WARM)
    return source.flood(target, NUMBER, COUNT) / COUNT


def least(counting: bool) -> Way:
    """What no program at this tracepoint can go below."""

    def way(source: Sender, target: int) -> float:
        with floor.attached(counting):
            return bare(source, target)

    return way


class Ours:
    """Attached in this process. fate: what each signal must meet, by the counters."""

    def __init__(self, options: load.Options, fate: str) -> None:
        self._options = options
        self._fate = fate

    def __call__(self, source: Sender, target: int) -> float:
        tracer = load.attach(self._options)
        try:
            source.flood(target, NUMBER, WARM)
            empty(tracer)
            before = tracer.counts()
            took = source.flood(target, NUMBER, COUNT)
            after = tracer.counts()
            assert self._options.direct or tracer.mode == "raw_tp"
        finally:
            tracer.close()
        seen = {
            name: getattr(after, name)[NUMBER] - getattr(before, name)[NUMBER]
            for name in ("generated", "filtered", "folded", "lost", "submitted")
        }
        others = seen["generated"] - COUNT  # what another program on this host sent meanwhile
        assert 0 <= others < 100, f"sent {COUNT}, counted {seen}"
        # Folded are those beyond the burst of a second or two.
        few = 100 if self._fate == "folded" else 0
        assert -few <= seen[self._fate] - COUNT <= others, f"sent {COUNT}, counted {seen}"
        assert seen["lost"] == 0, f"sent {COUNT}, counted {seen}"
        return took / COUNT


def empty(tracer: load.Tracer) -> None:
    """Give all of the ring back to the kernel."""
    while tracer.ring.read(4096):
        tracer.ring.commit()


def other_tracers() -> int:
    """Processes that have programs attached somewhere: their cost would be in all rows."""
    found = set()
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            if "bpf" in (name := os.readlink(link)) and "link" in name:
                found.add(link.split("/")[2])
    return len(found)


class Peer:
    """sigsnoop with this number. lines: what it printed of each flood, when it records."""

    def __init__(self, number: int, count: int) -> None:
        self._number, self._count = number, count
        self.lines: list[int] = []

    def __call__(self, source: Sender, target: int) -> float:
        with Sigsnoop(self._number) as peer:
            took = source.flood(target, NUMBER, self._count)
            self.lines.append(peer.finish(COMM))
        return took / self._count

    def lost(self) -> str:
        shares = sorted(100 - 100 * lines / self._count for lines in self.lines)
        return f"{shares[0]:.1f} - {shares[-1]:.1f} % lost"


def run(rounds: int) -> None:
    with contextlib.ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o700)
        target = opened.enter_context(ignorer(NUMBER))
        source = opened.enter_context(sender(COMM, max(os.sched_getaffinity(0))))
        recorded = load.Options(ring_size=RING, cache=str(directory), recorded=frozenset({NUMBER}))
        counted = replace(recorded, recorded=frozenset({OTHER}))
        ignored = replace(recorded, ignored=(COMM.encode(),))
        recording, filtering = Peer(NUMBER, SLOW), Peer(OTHER, COUNT)
        ways: dict[str, Way] = {
            "bare": bare,
            NUMBERED: Ours(counted, "filtered"),
            "filtered by command name": Ours(ignored, "filtered"),
            "filtered by result": Ours(replace(recorded, results=frozenset({1})), "filtered"),
            "filtered by the sender's user": Ours(replace(recorded, source_uids=(0,)), "filtered"),
            "filtered by the target's user": Ours(replace(recorded, target_uids=(0,)), "filtered"),
            "filtered by the target's name": Ours(
                replace(recorded, target_comms=(b"sleep",)), "filtered"
            ),
            "recorded, every field": Ours(recorded, "submitted"),
            "recorded, repeats looked up": Ours(replace(recorded, burst=1_000_000), "submitted"),
            "folded": Ours(replace(recorded, burst=16), "folded"),
            "filtered by number, raw": Ours(replace(counted, direct=False), "filtered"),
            "filtered by command name, raw": Ours(replace(ignored, direct=False), "filtered"),
            "recorded, every field, raw": Ours(replace(recorded, direct=False), "submitted"),
        }
        notes = ["raw: by raw tracepoints and probe reads, for kernels without tp_btf."]
        try:
            with floor.attached(False):
                ways |= {"a program that does nothing": least(False), COUNTING: least(True)}
        except KernelError as error:
            notes.append(f"No tp_btf here ({error}): no floor, and all of ours is raw.")
        if SIGSNOOP:
            ways |= {"sigsnoop, filtered by number": filtering, "sigsnoop, recording": recording}
        else:
            notes.append("sigsnoop is not installed (Debian: libbpf-tools): not measured.")
        rows = {name: Row(name, "ns/kill") for name in ways}
        others = 0
        for _ in range(rounds):
            for name, way in ways.items():
                others = max(others, other_tracers())
                rows[name].values.append(way(source, target))
        for name, row in rows.items():
            if name != "bare":
                row.over(rows["bare"], "over bare")
        if COUNTING in rows:
            rows[NUMBERED].over(rows[COUNTING], "over counting (budget 10; in all 70)")
        rows["filtered by command name"].note("budget 90")
        rows["recorded, every field"].note("budget 400")
        rows["recorded, repeats looked up"].note("as by default; budget 400")
        rows["folded"].note("budget 250")
        if SIGSNOOP:
            rows["sigsnoop, recording"].note(recording.lost())
        if others:
            notes.append(
                f"NOT ALONE: {others} other processes had BPF programs attached meanwhile."
            )
        count = f"{COUNT:,} signals a round, {SLOW:,} to sigsnoop recording"
        notes.insert(0, f"{count}; of ours every one is counted, and none recorded is lost.")
        table("kernel: what a signal costs who sends it", rows.values(), notes)
