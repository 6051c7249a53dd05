"""What a record costs the agent, stage by stage: real records, captured once and replayed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from flood import NUMBER
from pairs import Pairs, run_siblings
from real_processes import short_lives
from replay import ALL, STAGES, Captured, Replay, capture
from report import Row, table
from sink import Sink

PAIRS, COUNT, RATE = 200, 50_021, 20_000
LIVES, WORKERS = 1009, 2
BACKLOG = 2048  # what the pipeline reads at a time when there is enough
TICK = RATE // 50  # what the loop finds when it looks again after 20 ms

NAMES = {
    "ring": "read and commit the ring",
    "decode": "decode",
    "judge": "what later records tell",
    "table": "process table",
    "encode": "encode",
    "spool": "spool: gzip, write, fsync",
    "post": "post over HTTP",
    ALL: ALL,
}


def run(rounds: int) -> None:
    with Sink() as sink:
        _live(rounds, sink)
        _different(rounds, sink)


def _live(rounds: int, sink: Sink) -> None:
    with Pairs(NUMBER, PAIRS) as pairs:
        with capture(NUMBER) as captured:
            pairs.begin(RATE, COUNT)
            pairs.end()
        backlog, ticks = _rows(), _rows()
        for _ in range(rounds):
            one = _replayed(captured, BACKLOG, sink, backlog, COUNT)
            two = _replayed(captured, TICK, sink, ticks, COUNT)
    held = f"of the same in batches of {BACKLOG}"
    for name, row in ticks.items():
        row.times(backlog[name], held)
    title = f"agent: a record of {PAIRS} live pairs, CPU of one core"
    source = f"{COUNT:,} real records captured at {RATE:,}/s and replayed"
    _print(f"{title}, in batches of {BACKLOG} (a backlog)", backlog, one, 20, source)
    _print(f"{title}, in batches of {TICK} (as at {RATE:,}/s)", ticks, two, 20, source)


def _different(rounds: int, sink: Sink) -> None:
    """Two kinds: what is usual, and pairs that have nothing in common, each with a shell script."""
    kill = shutil.which("kill")
    if kill is None:
        print(
            "there is no program `kill` here (Debian: procps): pairs below one parent not measured"
        )
    else:
        with capture(NUMBER) as captured:
            run_siblings(kill, LIVES, NUMBER)
        _lives(rounds, sink, captured, LIVES, "below one parent")
    with capture(NUMBER) as captured:
        _, pairs = short_lives(WORKERS, LIVES // WORKERS, number=NUMBER)
    _lives(rounds, sink, captured, len(pairs), "each below a parent of its own, killed by a script")


def _lives(rounds: int, sink: Sink, captured: Captured, count: int, kind: str) -> None:
    rows = _rows()
    for _ in range(rounds):
        one = _replayed(captured, BACKLOG, sink, rows, count)
    events, records = len(captured.payloads) / count, one.records / one.joined
    source = (
        f"{count:,} pairs born and gone: {events:.1f} events a signal with fork, exec and exit, "
        f"and whatever else ran meanwhile; {records:.1f} records a signal with those of deaths"
    )
    title = f"agent: a record when all pairs are different, {kind}, CPU of one core"
    _print(title, rows, one, 40, source)


def _rows() -> dict[str, Row]:
    return {stage: Row(NAMES[stage], "us/record") for stage in (*STAGES, ALL)}


def _replayed(
    captured: Captured, batch: int, sink: Sink, rows: Mapping[str, Row], count: int
) -> Replay:
    one = Replay(captured, batch, sink.url)
    others = one.joined - count  # what another program on this host sent meanwhile
    assert 0 <= others < 100, f"{one.joined} records of {count}"
    assert one.strange <= 2 * others, f"{one.strange} sides are not known"
    for stage, spent in one.spent.items():
        rows[stage].values.append(spent / one.records / 1000)
    return one


def _print(title: str, rows: Mapping[str, Row], last: Replay, budget: float, source: str) -> None:
    rows[ALL].note(f"budget {budget:.0f}")
    rate = Row("records on one core", "1/s", [1e6 / one for one in rows[ALL].values])
    size = last.bytes / last.records
    each = last.records / last.requests
    notes = [f"{source}.", f"{size:,.0f} bytes a record before gzip, {each:.0f} records a request."]
    table(title, [*rows.values(), rate], notes)
