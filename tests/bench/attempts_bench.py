"""What looking for refused calls costs who refuses nothing: ns per getppid(2) and per kill(2)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flood import NUMBER, OTHER, Sender, ignorer, sender
from report import Row, table

from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.options import Options

CALLS = 1_000_003
KILLS = 300_007

Way = Callable[[Sender, int], tuple[float, float]]


def bare(source: Sender, target: int) -> tuple[float, float]:
    """ns a call of getppid, and of a kill(2) that is not refused."""
    source.others(10_007)
    others = source.others(CALLS) / CALLS
    source.flood(target, NUMBER, 10_007)
    return others, source.flood(target, NUMBER, KILLS) / KILLS


class Attached:
    """With a tracer that filters the signals, so that attempts make the difference."""

    def __init__(self, options: Options, expected: str) -> None:
        self._options = options
        self._expected = expected

    def __call__(self, source: Sender, target: int) -> tuple[float, float]:
        with contextlib.closing(load.attach(self._options)) as tracer:
            assert tracer.attempts == self._expected, tracer.attempts
            return bare(source, target)


def fexit_or_off(options: Options) -> str:
    """What ``auto`` comes to on this kernel."""
    with contextlib.closing(load.attach(options)) as tracer:
        return tracer.attempts


def run(rounds: int) -> None:
    with contextlib.ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o700)
        target = opened.enter_context(ignorer(NUMBER))
        source = opened.enter_context(sender("ks-attempts", max(os.sched_getaffinity(0))))
        off = Options(cache=str(directory), recorded=frozenset({OTHER}), attempts="off")
        auto = replace(off, attempts="auto")
        ways: dict[str, Way] = {
            "bare": bare,
            "attempts off": Attached(off, "off"),
            "attempts on": Attached(replace(off, attempts="on"), fexit_or_off(auto)
                                    if fexit_or_off(auto) == "fexit" else "sys_exit"),
        }  # fmt: skip
        rows = {(name, call): Row(f"{call}, {name}", f"ns/{call}")
                for call in ("getppid", "kill") for name in ways}  # fmt: skip
        for _ in range(rounds):
            for name, way in ways.items():
                both = way(source, target)
                for call, value in zip(("getppid", "kill"), both, strict=True):
                    rows[name, call].values.append(value)
        for call in ("getppid", "kill"):
            for name in ("attempts off", "attempts on"):
                rows[name, call].over(rows["bare", call], "over bare")
            rows["attempts on", call].over(rows["attempts off", call], "over off")
        came = fexit_or_off(auto)
        notes = [f"`--attempts auto` comes to {came} here; `on` is by fexit or else sys_exit."]
        table("attempts: what they cost calls that are not refused", rows.values(), notes)
