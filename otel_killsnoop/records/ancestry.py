"""A process's ancestors -> what is said of them: names and values, as those of ``process``."""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.model import Side
from otel_killsnoop.records.bounds import TREE_BYTES, Limits
from otel_killsnoop.records.process import Named, command_line, label, name

MORE = b" < ..."
"""How a tree ends that does not reach the root: cut by the depth asked for, by length, or unknown
from here on."""

ANCESTOR_LINES = "process.ancestors.command_lines"


class Ancestry(NamedTuple):
    """What is said of all ancestors of a process.

    labels: ``bash[40]``, nearest first.  whole: they reach up to a process that has no parent.
    tail: labels as the tree's end, `` < bash[40] < systemd[1]``.  cut: names of what was cut.
    """

    values: Named
    labels: tuple[bytes, ...]
    whole: bool
    tail: bytes
    cut: tuple[str, ...]


NOTHING_ABOVE = Ancestry([], (), True, b"", ())
UNKNOWN_ABOVE = Ancestry([], (), False, MORE, ())


def ancestry_of(parent: Side, max_depth: int, limits: Limits) -> Ancestry:
    """What is said of a process's ancestors, ``parent`` the nearest; ``max_depth`` of them."""
    if max_depth == 0:
        return UNKNOWN_ABOVE
    pids: list[int] = []
    names: list[bytes] = []
    lines: list[bytes] = []
    ended: list[int] = []
    lines_whole = True
    side: Side | None = parent
    last = parent
    while side is not None and len(pids) < max_depth:
        last = side
        process = side.process
        pids.append(process.pid)
        names.append(name(process))
        if process.ended:
            ended.append(process.pid)
        line, whole = command_line(process.args, limits.ancestor)
        lines.append(line)
        lines_whole = lines_whole and whole
        side = side.parent
    values: Named = [
        ("process.ancestors.pids", tuple(pids)),
        ("process.ancestors.names", tuple(names)),
    ]
    if ended:
        values.append(("process.ancestors.ended", tuple(ended)))
    if limits.ancestor and any(lines):
        values.append((ANCESTOR_LINES, tuple(lines)))
    labels = tuple(map(label, names, pids))
    reaches_root = side is None and last.complete
    tail = b"".join([b" < " + one for one in labels]) + (b"" if reaches_root else MORE)
    return Ancestry(values, labels, reaches_root, tail, () if lines_whole else (ANCESTOR_LINES,))


def tree(own: bytes, above: Ancestry) -> tuple[bytes, bool]:
    """``pkill[42] < bash[40] < systemd[1]``, and whether it fits into its bound as it is.

    own: the process's label.  Where it does not fit, ancestors are left out at its far end.
    """
    if len(own) + len(above.tail) <= TREE_BYTES:
        return own + above.tail, True
    room = TREE_BYTES - len(own) - len(MORE)
    kept = [own]
    for one in above.labels:
        room -= 3 + len(one)
        if room < 0:
            break
        kept.append(one)
    return b" < ".join(kept) + MORE, False
