"""A source and a target that signals go between, encoded once for all of them."""

from __future__ import annotations

from otel_killsnoop.model import Facts, Side
from otel_killsnoop.records.side import Block

Form = tuple[bytes, bytes, bytes, int]
"""A record's head with the time's tag, what stands behind the time: first the lead, then the
attributes of the Facts; and the record's size."""


class Pair:
    """A source and a target, encoded; either may be missing.

    source_tid, target_tid: the processes' first threads.  sides: what was encoded of both.
    length: their bytes.  cut: names of what was cut.  ids: the attributes behind the ones of the
    Facts, when the threads are the first ones and there are no details.  forms: by Facts.
    """

    __slots__ = (
        "blocks",
        "cost",
        "cut",
        "forms",
        "ids",
        "length",
        "sides",
        "source_tid",
        "target_tid",
    )

    def __init__(
        self, source: Side | None, target: Side | None, blocks: tuple[Block | None, Block | None]
    ) -> None:
        self.source_tid = source.process.pid if source else 0
        self.target_tid = target.process.pid if target else 0
        self.blocks = blocks
        self.sides: list[bytes] = []
        self.cut: tuple[bytes, ...] = ()
        for block in blocks:
            if block is not None:
                self.sides += (block.own, block.above)
                self.cut += block.cut
        self.length = sum(map(len, self.sides))
        self.ids = b""
        self.forms: dict[Facts, Form] = {}
        self.cost = 1000 + self.length
