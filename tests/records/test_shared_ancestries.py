"""What is kept of ancestors and of ended processes, against an encoder that keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_signals import BOOT_ID, OBSERVED, OFFSET, RESOURCE, death, joined, process, usual_lineage

from otel_killsnoop.model import Side
from otel_killsnoop.records.exit import ExitEncoder
from otel_killsnoop.records.record import Encoder

ANCESTORS = "killsnoop.target.process.ancestors"


def sides(ended: int | None) -> list[Side]:
    """A process after another, each the child of the one before; one of them has ended."""
    found: list[Side] = []
    side = usual_lineage(process(pid=900), 3)
    for level in range(14):
        line = (b"child", b'\xff"' * level, b"x" * (30 * level))
        own = process(pid=1000 + level, comm=b"c%d" % level, args=line, ended=level == ended)
        side = Side(own, side, side.complete)
        found.append(side)
    return found


@pytest.mark.parametrize("depth", [0, 1, 2, 8, 16, 32])
@pytest.mark.parametrize("ended", [None, 5])
def test_it_does_not_matter_whose_ancestors_were_told_before(
    read: Callable[..., Any], depth: int, ended: int | None
) -> None:
    made = sides(ended)
    shared = Encoder(RESOURCE, BOOT_ID, depth, OFFSET)
    # From the top, from the bottom, and with gaps: so what is above is known, or is not.
    for order in (made[::3], made, made[::-1]):
        for side in order:
            one = joined(side, side)
            fresh = Encoder(RESOURCE, BOOT_ID, depth, OFFSET)
            assert shared.encode([one], OFFSET, OBSERVED) == fresh.encode([one], OFFSET, OBSERVED)
    (last,) = read(shared.encode([joined(None, made[-1])], OFFSET, OBSERVED)[0])
    pids = [1000 + level for level in reversed(range(13))] + [900, 4702, 4701, 1]
    assert last.resource.get(f"{ANCESTORS}.pids", []) == pids[:depth]
    gone = [1005] if ended and 1005 in pids[:depth] else None
    assert last.resource.get(f"{ANCESTORS}.ended") == gone
    whole = "< ..." not in last.resource["killsnoop.target.process.tree"]
    assert whole is (depth >= len(pids))


def test_what_is_said_of_the_dead_is_what_was_said_of_the_living(read: Callable[..., Any]) -> None:
    living = usual_lineage(process(), 4)
    assert living.parent is not None
    signals = Encoder(RESOURCE, BOOT_ID, 8, OFFSET)
    exits = ExitEncoder(RESOURCE, BOOT_ID, 8, OFFSET, target=signals.target)
    (sent,) = read(signals.encode([joined(None, living)], OFFSET, OBSERVED)[0])
    dead = replace(living, process=replace(living.process, ended=True))
    (died,) = read(exits.encode([death(dead)], OFFSET, OBSERVED)[0])
    assert died.resource == sent.resource
    # But not when something else has changed meanwhile: its name, or its parent's life.
    renamed = replace(dead, process=replace(dead.process, comm=b"other"))
    (died,) = read(exits.encode([death(renamed)], OFFSET, OBSERVED)[0])
    assert died.resource["killsnoop.target.process.executable.name"] == "other"
    parent = replace(living.parent, process=replace(living.parent.process, ended=True))
    (died,) = read(exits.encode([death(replace(dead, parent=parent))], OFFSET, OBSERVED)[0])
    assert died.resource[f"{ANCESTORS}.ended"] == [parent.process.pid]
