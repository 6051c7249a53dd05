"""Microseconds of CPU a record that encoding takes: 200 pairs over and over, and no pair twice.

Run: python tests/bench/encode_bench.py [records]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from made_signals import BOOT_ID, KILL, OBSERVED, OFFSET, RESOURCE, joined, process, usual_lineage

from otel_killsnoop.model import Details, Joined, Side
from otel_killsnoop.records.record import Encoder

BATCH = 512
ARGS = (b"/usr/bin/python3", b"/srv/app/worker.py", b"--queue", b"default", b"--id")


def children(count: int, parents: int, first_pid: int) -> list[Side]:
    """Sides of that many processes, each with a tree of eight, siblings sharing the parent's."""
    above = []
    for _ in range(parents):
        parent = usual_lineage(process(), 8).parent
        assert parent is not None
        above.append(parent)
    return [
        Side(
            process(
                pid=first_pid + n,
                start=86_400_000_000_000 + n * 1_000_003,
                args=(*ARGS, b"%d" % n),
                args_count=len(ARGS) + 1,
            ),
            above[n % parents],
            True,
        )
        for n in range(count)
    ]


def measure(what: str, batch_of: list[Joined]) -> None:
    encoder = Encoder(RESOURCE, BOOT_ID, 8, OFFSET)
    size = 0
    started = time.process_time_ns()
    for first in range(0, len(batch_of), BATCH):
        for request in encoder.encode(batch_of[first : first + BATCH], OFFSET, OBSERVED):
            size += len(request.body)
    spent = time.process_time_ns() - started
    count = len(batch_of)
    print(f"{what}: {spent / count / 1000:.2f} us a record, {size / count:.0f} bytes a record")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    sources, targets = children(200, 8, 10_000), children(200, 8, 20_000)
    pairs = [(sources[n % 200], targets[n % 200]) for n in range(count)]
    measure("200 pairs", [joined(*pair, sequence=n) for n, pair in enumerate(pairs)])
    measure(
        "200 pairs, other threads than the first",
        [joined(*pair, sequence=n, source_tid=n) for n, pair in enumerate(pairs)],
    )
    groups = [Details(argument=-n, group_id=n + 1, group_size=5) for n in range(count // 5 + 1)]
    measure(
        "200 pairs, groups of 5",
        [joined(*pair, KILL, groups[n // 5], sequence=n) for n, pair in enumerate(pairs)],
    )
    del pairs, groups
    count = min(count, 20_000)
    different = zip(children(count, 64, 100_000), children(count, 64, 500_000), strict=True)
    measure("all different", [joined(*pair, sequence=n) for n, pair in enumerate(different)])
    alone = zip(children(2_000, 2_000, 100_000), children(2_000, 2_000, 500_000), strict=True)
    measure("all different, parents too", [joined(*pair) for pair in alone])


if __name__ == "__main__":
    main()
