"""A process's ancestors -> what is said of them: names and values, as those of ``process``.

An ancestor is met again and again: below it come ever new processes, and it stands above sources
as above targets. So what is said of it is encoded once, and what is said of all the ancestors of
a process is put together from that, once for both prefixes.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.model import Process, Side
from otel_killsnoop.records.bounds import LADDER, TREE_BYTES, Limits, escapes
from otel_killsnoop.records.otlp import integer_element, string_element
from otel_killsnoop.records.process import Named, command_line, label, name
from otel_killsnoop.records.recent import Recent

MORE = b" < ..."
"""How a tree ends that does not reach the root: cut by the depth asked for, by length, or unknown
from here on."""

PIDS = "process.ancestors.pids"
NAMES = "process.ancestors.names"
ENDED = "process.ancestors.ended"
LINES = "process.ancestors.command_lines"

CACHE_BYTES = 1 << 18  # of single ancestors, and as much of ancestries; each may hold twice that


class Link(NamedTuple):
    """One ancestor. encoded: pid, name and line, each as an array's element.

    whole: nothing of the line was cut.  surplus: as of ``bounds.loki_surplus``, of name and line.
    """

    pid: int
    name: bytes
    line: bytes
    label: bytes
    ended: bool
    whole: bool
    encoded: tuple[bytes, bytes, bytes]
    surplus: int

    @property
    def cost(self) -> int:
        return 700 + 2 * len(self.line)


class Ancestry(NamedTuple):
    """What is said of all ancestors of a process.

    links: nearest first.  whole: they reach up to a process that has no parent.  tail: labels as
    the tree's end, `` < bash[40] < systemd[1]``.  cut: names of what was cut.  pids, names, ended,
    lines: the arrays' elements, encoded.  has_lines: one of the lines is not empty.  surplus: as
    of ``bounds.loki_surplus``, of all arrays.
    """

    links: tuple[Link, ...]
    whole: bool
    tail: bytes
    cut: tuple[str, ...]
    pids: bytes
    names: bytes
    ended: bytes
    lines: bytes
    has_lines: bool
    surplus: int

    @property
    def cost(self) -> int:
        return 800 + len(self.tail) + len(self.pids) + len(self.names) + len(self.lines)

    @property
    def arrays(self) -> list[tuple[str, bytes]]:
        """The attributes: names and encoded elements."""
        if not self.links:
            return []
        found = [(PIDS, self.pids), (NAMES, self.names)]
        if self.ended:
            found.append((ENDED, self.ended))
        if self.has_lines:
            found.append((LINES, self.lines))
        return found

    @property
    def values(self) -> Named:
        """What the arrays hold, by their names."""
        links = self.links
        said: dict[str, tuple[bytes, ...] | tuple[int, ...]] = {
            PIDS: tuple([one.pid for one in links]),
            NAMES: tuple([one.name for one in links]),
            ENDED: tuple([one.pid for one in links if one.ended]),
            LINES: tuple([one.line for one in links]),
        }
        return [(suffix, said[suffix]) for suffix, _ in self.arrays]


NOTHING_ABOVE = Ancestry((), True, b"", (), b"", b"", b"", b"", False, 0)
UNKNOWN_ABOVE = NOTHING_ABOVE._replace(whole=False, tail=MORE)


class Ancestries:
    """Knows what is said of the ancestors; the usual limits' answers are kept.

    max_depth: ancestors to name, 0 to 32.
    """

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._links: Recent[Process, Link] = Recent(CACHE_BYTES)
        self._known: Recent[Side, Ancestry] = Recent(CACHE_BYTES)

    def of(self, side: Side, limits: Limits) -> Ancestry:
        """What is said of the ancestors of this side's process."""
        parent = side.parent
        if parent is None:
            return NOTHING_ABOVE if side.complete else UNKNOWN_ABOVE
        if self._max_depth == 0:
            return UNKNOWN_ABOVE
        if limits is not LADDER[0]:
            return self._made(parent, limits)
        known = self._known.get(parent)
        if known is None:
            above = parent.parent
            base = self._kept(above) if above is not None else None
            if base is not None and len(base.links) < self._max_depth:
                known = _below(self._link(parent.process, limits), base)
            else:
                known = self._made(parent, limits)
            self._known.put(parent, known)
        return known

    def _kept(self, parent: Side) -> Ancestry:
        known = self._known.get(parent)
        if known is None:
            known = self._made(parent, LADDER[0])
            self._known.put(parent, known)
        return known

    def _made(self, parent: Side, limits: Limits) -> Ancestry:
        links: list[Link] = []
        side: Side | None = parent
        last = parent
        while side is not None and len(links) < self._max_depth:
            last = side
            links.append(self._link(side.process, limits))
            side = side.parent
        made = NOTHING_ABOVE if side is None and last.complete else UNKNOWN_ABOVE
        for link in reversed(links):
            made = _below(link, made)
        return made

    def _link(self, process: Process, limits: Limits) -> Link:
        link = self._links.get(process) if limits is LADDER[0] else None
        if link is None:
            own, pid = name(process), process.pid
            line, whole = command_line(process.args, limits.ancestor)
            encoded = integer_element(pid), string_element(own), string_element(line)
            called, surplus = label(own, pid), escapes(own + line)
            link = Link(pid, own, line, called, process.ended, whole, encoded, surplus)
            if limits is LADDER[0]:
                self._links.put(process, link)
        return link


def _below(link: Link, above: Ancestry) -> Ancestry:
    """The ancestry of that ancestor's children."""
    pid, name, line = link.encoded
    return Ancestry(
        (link, *above.links),
        above.whole,
        b" < " + link.label + above.tail,
        above.cut if link.whole else (LINES,),
        pid + above.pids,
        name + above.names,
        pid + above.ended if link.ended else above.ended,
        line + above.lines,
        above.has_lines or link.line != b"",
        2 + 2 * link.ended + link.surplus + above.surplus,
    )


def tree(own: bytes, above: Ancestry) -> tuple[bytes, bool]:
    """``pkill[42] < bash[40] < systemd[1]``, and whether it fits into its bound as it is.

    own: the process's label.  Where it does not fit, ancestors are left out at its far end.
    """
    if len(own) + len(above.tail) <= TREE_BYTES:
        return own + above.tail, True
    room = TREE_BYTES - len(own) - len(MORE)
    kept = [own]
    for one in [link.label for link in above.links]:
        room -= 3 + len(one)
        if room < 0:
            break
        kept.append(one)
    return b" < ".join(kept) + MORE, False
