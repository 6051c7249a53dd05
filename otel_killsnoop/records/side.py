"""One side of a signal -> the bytes of its resource attributes, made once and kept.

The source and the target have the same attributes under different prefixes, so there are two of
these encoders. What is said of a process is kept by its Side, what is said of its ancestors by
the parent's Side, which siblings share; and the parts that processes have in common by those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from otel_killsnoop.model import Process, Side
from otel_killsnoop.records import ancestry as lineage
from otel_killsnoop.records import attributes, process
from otel_killsnoop.records.bounds import LADDER, Limits, loki_surplus
from otel_killsnoop.records.otlp import RESOURCE_ATTRIBUTE, Key, encode_all
from otel_killsnoop.records.recent import Recent

FULL = LADDER[0]
Initiator = Callable[[Side], Process | None]
"""Says who started what a source did: its nearest ancestor that is no wrapper, or itself."""

CACHE_BYTES = 1 << 19  # of processes, and as much of ancestries; a cache may hold twice that
PART_BYTES = 1 << 17  # of parts that processes have in common; twice that likewise


class Description(NamedTuple):
    """All that is said of a side.  cut: names of what was cut.  size: as ``Block.size``."""

    values: process.Named
    cut: list[str]
    size: int


class _Part(NamedTuple):
    """Attributes, encoded. size: bytes that Loki counts for them at most."""

    encoded: bytes
    size: int

    @property
    def cost(self) -> int:
        return len(self.encoded) + 500


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
        return len(self.own) + 800  # with its key


class SideEncoder:
    """Encodes sides under one prefix.

    prefix: ``killsnoop.source`` or ``killsnoop.target``.  ancestries: both prefixes may share one.
    boot_to_unix_ns: what to add to boot time for creation times; fixed for good, because a
    process must not seem to be created at different times.  initiator: asked once for each block;
    None where no side has one, as targets.
    """

    def __init__(
        self,
        prefix: str,
        ancestries: lineage.Ancestries,
        boot_to_unix_ns: int,
        initiator: Initiator | None = None,
    ) -> None:
        self.prefix = prefix
        self._initiator = initiator
        self._ancestries = ancestries
        self._boot_to_unix_ns = boot_to_unix_ns
        self._keys = {
            one.name: Key(f"{prefix}.{one.name}", RESOURCE_ATTRIBUTE)
            for one in attributes.SIDE + attributes.INITIATOR
        }
        self._blocks: Recent[tuple[object, ...], Block] = Recent(CACHE_BYTES)
        self._aboves: Recent[Side, _Part] = Recent(CACHE_BYTES)
        self._parts: Recent[tuple[object, ...], _Part] = Recent(PART_BYTES)

    def block(self, side: Side, limits: Limits = FULL) -> Block:
        """The side's block; kept for the next time when nothing beyond the usual is cut."""
        if limits is not FULL:
            return self._block(side, limits)
        # By what is said, not by the side: a process that ended has another one, and its record
        # mostly follows that of the signal.
        key = side.parent, side.complete, process.said_of(side.process)
        block = self._blocks.get(key)
        if block is None:
            block = self._block(side, limits)
            self._blocks.put(key, block)
        return block

    def describe(self, side: Side, limits: Limits) -> Description:
        """The side's attributes as values, by their full names."""
        one = side.process
        ancestry = self._ancestries.of(side, limits)
        block = self.block(side, limits)
        name = process.name(one)
        values, cut = process.describe(one, name, limits, self._boot_to_unix_ns)
        label = process.label(name, one.pid)
        self._add_last(values, cut, label, ancestry, limits, block.initiator)
        values += ancestry.values
        named = [(self._keys[suffix].name, value) for suffix, value in values]
        return Description(named, [f"{self.prefix}.{one}" for one in cut], block.size)

    @staticmethod
    def _add_last(
        values: process.Named,
        cut: list[str],
        label: bytes,
        above: lineage.Ancestry,
        limits: Limits,
        initiator: Process | None,
    ) -> None:
        """Add what is said last of a process: its tree, and who started what it did."""
        tree, whole = lineage.tree(label, above)
        values.append(("process.tree", tree))
        cut += above.cut
        if not whole:
            cut.append("process.tree")
        if initiator is not None:
            process.add_initiator(values, cut, initiator, limits)

    def _block(self, side: Side, limits: Limits) -> Block:
        """What ``describe`` says, with what is encoded already in place of its values."""
        one = side.process
        initiator = self._initiator(side) if self._initiator else None
        if initiator is not None and (initiator.pid, initiator.start) == (one.pid, one.start):
            initiator = None
        ancestry = self._ancestries.of(side, limits)
        above = self._above(side, ancestry, limits)
        name = process.name(one)
        label = process.label(name, one.pid)
        key = process.program_key(one)
        program = self._parts.get(key) or self._part(key, process.program(one, name))
        key = process.belonging_key(one)
        belonging = self._parts.get(key) or self._part(key, process.belonging(one))
        values = process.numbers(one, self._boot_to_unix_ns)
        cut = process.add_arguments(values, one, limits)
        self._add_last(values, cut, label, ancestry, limits, initiator)
        encoded, arrays = encode_all(self._keys, values)
        own = b"".join((encoded, program.encoded, belonging.encoded))
        size = len(own) + above.size + sum(map(loki_surplus, arrays))
        names = tuple([f"{self.prefix}.{one}".encode() for one in cut]) if cut else ()
        return Block(own, above.encoded, size, names, label, initiator)

    def _part(self, key: tuple[object, ...], values: process.Named) -> _Part:
        """Texts and numbers that depend on the key alone."""
        encoded, _ = encode_all(self._keys, values)
        part = _Part(encoded, len(encoded))
        self._parts.put(key, part)
        return part

    def _above(self, side: Side, ancestry: lineage.Ancestry, limits: Limits) -> _Part:
        """The ancestors' attributes."""
        parent = side.parent
        above = self._aboves.get(parent) if parent and limits is FULL else None
        if above is None:
            arrays = [self._keys[suffix].array(elements) for suffix, elements in ancestry.arrays]
            encoded = b"".join(arrays)
            above = _Part(encoded, len(encoded) + ancestry.surplus)
            if parent and limits is FULL:
                self._aboves.put(parent, above)
        return above
