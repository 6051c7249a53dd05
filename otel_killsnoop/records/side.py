"""One side of a signal -> the bytes of its resource attributes, made once and kept.

The source and the target have the same attributes under different prefixes, so there are two of
these encoders. What is said of a process is kept by its Side, what is said of its ancestors by
the parent's Side, which siblings share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from otel_killsnoop.model import Process, Side
from otel_killsnoop.records import ancestry as lineage
from otel_killsnoop.records import attributes, process
from otel_killsnoop.records.bounds import LADDER, Limits, loki_surplus
from otel_killsnoop.records.otlp import RESOURCE_ATTRIBUTE, Key, Value, encode_all
from otel_killsnoop.records.recent import Recent

FULL = LADDER[0]
Initiator = Callable[[Side], Process | None]
"""Says who started what a source did: its nearest ancestor that is no wrapper, or itself."""

CACHE_BYTES = 1 << 19  # of processes, and as much of ancestries; a cache may hold twice that


class Description(NamedTuple):
    """All that is said of a side.  cut: names of what was cut.  size: as ``Block.size``."""

    values: process.Named
    cut: list[str]
    size: int


@dataclass(slots=True)
class _Above:
    ancestry: lineage.Ancestry
    encoded: bytes
    size: int

    @property
    def cost(self) -> int:
        labels = sum(map(len, self.ancestry.labels))
        return len(self.encoded) + 2 * labels + 40 * len(self.ancestry.labels) + 400


@dataclass(slots=True)
class Block:
    """A side, encoded.

    own, above: resource attributes, of the process and of its ancestors.  size: bytes that Loki
    counts for them at most.  cut: full names of what was cut.  label: ``nginx[1234]``.
    initiator: another process that was asked for and found.
    """

    own: bytes
    above: bytes
    size: int
    cut: tuple[bytes, ...]
    label: bytes
    initiator: Process | None

    @property
    def length(self) -> int:
        return len(self.own) + len(self.above)

    @property
    def cost(self) -> int:
        return len(self.own) + 300


class SideEncoder:
    """Encodes sides under one prefix.

    prefix: ``killsnoop.source`` or ``killsnoop.target``.  max_depth: ancestors to name, 0 to 32.
    boot_to_unix_ns: what to add to boot time for creation times; fixed for good, because a
    process must not seem to be created at different times.  initiator: asked once for each block;
    None where no side has one, as targets.
    """

    def __init__(
        self,
        prefix: str,
        max_depth: int,
        boot_to_unix_ns: int,
        initiator: Initiator | None = None,
    ) -> None:
        self.prefix = prefix
        self._initiator = initiator
        self._max_depth = max_depth
        self._boot_to_unix_ns = boot_to_unix_ns
        self._keys = {
            one.name: Key(f"{prefix}.{one.name}", RESOURCE_ATTRIBUTE)
            for one in attributes.SIDE + attributes.INITIATOR
        }
        self._blocks: Recent[Side, Block] = Recent(CACHE_BYTES)
        self._aboves: Recent[Side, _Above] = Recent(CACHE_BYTES)
        self._nothing = _Above(lineage.NOTHING_ABOVE, b"", 0)
        self._unknown = _Above(lineage.UNKNOWN_ABOVE, b"", 0)

    def block(self, side: Side, limits: Limits = FULL) -> Block:
        """The side's block; kept for the next time when nothing beyond the usual is cut."""
        if limits is not FULL:
            return self._block(side, self._above(side, limits), limits)
        block = self._blocks.get(side)
        if block is None:
            block = self._block(side, self._above(side, limits), limits)
            self._blocks.put(side, block)
        return block

    def describe(self, side: Side, limits: Limits) -> Description:
        """The side's attributes as values, by their full names."""
        ancestry = self._ancestry(side, limits)
        block = self.block(side, limits)
        values, cut, _ = self._own(side.process, ancestry, limits, block.initiator)
        values += ancestry.values
        named = [(self._keys[suffix].name, value) for suffix, value in values]
        return Description(named, [f"{self.prefix}.{one}" for one in cut], block.size)

    def _own(
        self,
        one: Process,
        above: lineage.Ancestry,
        limits: Limits,
        initiator: Process | None,
    ) -> tuple[process.Named, list[str], bytes]:
        """Values, names of what was cut, and the process's label."""
        name = process.name(one)
        label = process.label(name, one.pid)
        values, cut = process.describe(one, name, limits, self._boot_to_unix_ns)
        tree, whole = lineage.tree(label, above)
        values.append(("process.tree", tree))
        cut += above.cut
        if not whole:
            cut.append("process.tree")
        if initiator is not None:
            process.add_initiator(values, cut, initiator, limits)
        return values, cut, label

    def _block(self, side: Side, above: _Above, limits: Limits) -> Block:
        one = side.process
        initiator = self._initiator(side) if self._initiator else None
        if initiator is not None and (initiator.pid, initiator.start) == (one.pid, one.start):
            initiator = None
        values, cut, label = self._own(one, above.ancestry, limits, initiator)
        own, size = self._encode(values)
        names = tuple([f"{self.prefix}.{one}".encode() for one in cut]) if cut else ()
        return Block(own, above.encoded, size + above.size, names, label, initiator)

    def _ancestry(self, side: Side, limits: Limits) -> lineage.Ancestry:
        if side.parent is None:
            return lineage.NOTHING_ABOVE if side.complete else lineage.UNKNOWN_ABOVE
        return lineage.ancestry_of(side.parent, self._max_depth, limits)

    def _above(self, side: Side, limits: Limits) -> _Above:
        parent = side.parent
        if parent is None:
            return self._nothing if side.complete else self._unknown
        above = self._aboves.get(parent) if limits is FULL else None
        if above is None:
            ancestry = self._ancestry(side, limits)
            encoded, size = self._encode(ancestry.values)
            # What is encoded need not be kept as values too.
            above = _Above(ancestry._replace(values=[]), encoded, size)
            if limits is FULL:
                self._aboves.put(parent, above)
        return above

    def _encode(self, values: list[tuple[str, Value]]) -> tuple[bytes, int]:
        """The attributes as bytes, and what Loki counts for them at most."""
        encoded, arrays = encode_all(self._keys, values)
        return encoded, len(encoded) + sum(map(loki_surplus, arrays))
