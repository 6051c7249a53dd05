"""What the process table costs: python tests/bench/table_bench.py

Prints microseconds an event, the best of five rounds, and what a snapshot of this host takes.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Sequence

from otel_killsnoop.model import Event, Exec, Exit, Facts, Fork, Signal
from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.node import TICK, Entry
from otel_killsnoop.processes.places import place
from otel_killsnoop.processes.redact import redact, redactor
from otel_killsnoop.processes.snapshot import Snapshot
from otel_killsnoop.processes.table import Table

KILL = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "delivered", True, "handled")
LETHAL = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "delivered", True, "default")
DEPTH = 8
PAIRS = 200


def start(pid: int) -> int:
    return pid * 1_000_000


def seeded() -> Table:
    """A table with PAIRS * 2 processes, each at the end of a lineage of DEPTH of its own."""
    table = Table(
        look_up=lambda pid: None,
        user=lambda uid: None,
        place=lambda identity, pid: None,
        place_of_path=place,
        redact=redactor("redacted"),
    )
    entries = [entry(1, 0)]
    for side in range(PAIRS * 2):
        parent = 1
        for level in range(DEPTH):
            pid = 2 + side * DEPTH + level
            entries.append(entry(pid, parent))
            parent = pid
    table.seed(entries)
    return table


def entry(pid: int, ppid: int) -> Entry:
    args = (b"app", b"--number", b"%d" % pid)
    return Entry(pid, ppid, start(pid) // TICK, b"app", b"/bin/app", args, 3, False, 0, 0, pid,
                 0, "/")  # fmt: skip


def kill(sequence: int, source: int, target: int) -> Signal:
    return Signal(sequence, KILL, sequence, start(source), source, source, 0, 0, source, 0, 0,
                  b"app", start(target), target, target, 0, 0, target, 0, 0, b"app")  # fmt: skip


def fork(sequence: int, parent: int, pid: int) -> Fork:
    return Fork(sequence, sequence, start(pid), pid, pid, 0, 0, pid, 0, 0, b"app", start(parent),
                parent, parent, start(parent), parent)  # fmt: skip


def execs(sequence: int, pid: int) -> Exec:
    return Exec(sequence, sequence, start(pid), pid, pid, 0, 0, pid, 0, 0, b"true", 2, False,
                b"/bin/true", (b"true", b"x"))  # fmt: skip


def exits(sequence: int, pid: int) -> Exit:
    return Exit(sequence, sequence, start(pid), pid, pid, 0)


def measured(what: str, tables: Sequence[Table], batches: Sequence[Event], per: int) -> None:
    """Apply the same events to fresh tables, in batches of 512; the best round counts."""
    best = float("inf")
    for table in tables:
        gc.collect()
        began = time.perf_counter()
        for at in range(0, len(batches), 512):
            table.apply(batches[at : at + 512], waited=512)
        best = min(best, time.perf_counter() - began)
    print(f"{what:56} {best / per * 1e6:8.2f} us")


def main() -> None:
    ends = [1 + (side + 1) * DEPTH for side in range(PAIRS * 2)]
    count = 50_000
    kills = [kill(n, ends[n % PAIRS], ends[PAIRS + n % PAIRS]) for n in range(count)]
    tables = [seeded() for _ in range(5)]
    for table in tables:
        table.apply(kills[: 2 * PAIRS])
    measured("signal, both sides current", tables, kills, count)

    first = 100_000
    forks = [fork(n, ends[n % PAIRS], first + n) for n in range(20_000)]
    measured("fork", [seeded() for _ in range(5)], forks, len(forks))

    lives: list[Event] = []
    for n in range(10_000):
        lives += [fork(n, ends[n % PAIRS], first + n), execs(n, first + n), exits(n, first + n)]
    measured("fork + exec + exit, unnamed", [seeded() for _ in range(5)], lives, 10_000)

    named: list[Event] = []
    for n in range(10_000):
        pid = first + n
        named += [fork(n, ends[n % PAIRS], pid), execs(n, pid), kill(n, ends[0], pid)._replace(
            target_comm=b"true"), exits(n, pid)]  # fmt: skip
    measured("the same with a signal to each (Process, Side built)",
             [seeded() for _ in range(5)], named, 10_000)  # fmt: skip

    for at, event in enumerate(named):
        if type(event) is Signal:
            named[at] = event._replace(facts=LETHAL)
        elif type(event) is Exit:
            named[at] = event._replace(status=15)
    measured("the same where each dies of it (Death made)",
             [seeded() for _ in range(5)], named, 10_000)  # fmt: skip

    redaction((b"/usr/bin/python3", b"-m", b"http.server", b"--bind", b"127.0.0.1"), "plain")
    redaction((b"mysql", b"-uroot", b"-pabc", b"--host", b"db", b"shop"), "with a secret")
    redaction((b"sh", b"-c", b"exec /srv/app --token abc --listen 127.0.0.1:80"), "a script")

    snapshot = Snapshot("/")
    snapshot.take()
    began = time.perf_counter()
    found = len(snapshot.take().entries)
    took = time.perf_counter() - began
    print(f"snapshot of {found} processes: {took * 1e3:.1f} ms, {took / found * 1e6:.0f} us each")
    memory()


def redaction(args: tuple[bytes, ...], what: str) -> None:
    began = time.perf_counter()
    for _ in range(2000):
        redact(args)
    cost = (time.perf_counter() - began) / 2000 * 1e6
    print(f"{'redaction of a command line, ' + what:56} {cost:8.2f} us")


def memory() -> None:
    """What a living process that was never named takes, against the table's own estimate."""
    host = Host("/")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    events: list[Event] = []
    for n in range(20_000):
        pid = 100_000 + n
        events += [fork(n, 1, pid), execs(n, pid)]
    made = tracemalloc.get_traced_memory()[0]
    for at in range(0, len(events), 512):
        host.table.apply(events[at : at + 512], waited=512)
    events.clear()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    counts = host.table.counts()
    taken, of_events = (after - before) / 20_000, (made - before) / 20_000
    estimate = counts.bytes / counts.entries
    print(f"memory: {taken:.0f} bytes a process, estimated {estimate:.0f} (event: {of_events:.0f})")


if __name__ == "__main__":
    main()
