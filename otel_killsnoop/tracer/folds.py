"""Repeats that the kernel program counted instead of recording: read from the map that rests.

Two maps, and an epoch that says which one the program counts in. Turning it, and waiting until no
program runs that has seen the old one, leaves the other map at rest: it is read, and emptied once
what was read is safe. Deleting from a map in use would lose counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from otel_killsnoop.tracer import bpf, contract
from otel_killsnoop.tracer.turns import Turns

KEY = contract.around("killsnoop_fold_key", "how.number", "how.address")
FOLD = contract.whole("killsnoop_fold")
ENTRIES = 8192  # kinds of repeats in a second that can be told apart; beyond it none is folded
CLEAN = 10.0  # seconds after which a map is emptied although nothing was folded in it
MARK = 1 << 63  # in a sequence: of repeats, not of a record in the ring
_PLACES = 13  # bits of a sequence for the place among those of one epoch: ENTRIES of them


class Fold(NamedTuple):
    """One entry. sequence: unique for a boot, made of epoch and place.  key, fold: its words."""

    sequence: int
    key: tuple[Any, ...]
    fold: tuple[int, ...]


class Folds:
    """The two maps. descriptors: of both.  turns: with the epoch.  folded: counted so far.

    settle: as ``settling.settler`` has it.  made_at: boot ns when they were made.
    looks: to be taken at what may be in them already, True for one after a turn: (False,) where an
    agent was killed, and (False, True) where nothing counts in them any more.
    """

    def __init__(
        self,
        descriptors: tuple[int, int],
        turns: Turns,
        folded: Callable[[], int],
        settle: Callable[[], None],
        made_at: int,
        looks: Iterable[bool] = (),
    ) -> None:
        self._descriptors = descriptors
        self._turns = turns
        self._folded = folded
        self._settle = settle
        self._base = made_at >> 10  # it takes longer than 1 us to turn, so none comes twice
        self._looks = list(looks)
        self._seen = 0
        self._turned = time.monotonic()
        self._rests = descriptors[0]
        self._resting: list[bytes] | None = None  # keys that were read and not deleted yet

    @property
    def unsafe(self) -> bool:
        """Whether repeats were read that `forget` has not been told of."""
        return self._resting is not None

    @property
    def owed(self) -> int:
        """At how much more there is to be looked that an agent before left, or was not read."""
        return len(self._looks)

    def take(self, due: bool = False) -> list[Fold]:
        """Turn the epoch if something was folded, and read what was.

        due: turn it in any case: the map in use may have little room left for other kinds.

        Call `forget` once what was read is safe; until then there is nothing to take. OSError
        when the kernel does not hand it out: nothing is lost, the next call reads it.
        """
        folded = self._folded()
        due = due or bool(self._looks) or time.monotonic() > self._turned + CLEAN
        if self.unsafe or (folded == self._seen and not due):
            return []
        turned = not self._looks or self._looks[0]
        if turned:
            self._turns.switch()
            self._looks[:1] = [False]  # what is not read now is at the next call
        epoch = self._turns.epoch - 1
        rests = self._descriptors[epoch & 1]
        self._settle()  # who was killed may have turned it without
        found = bpf.entries(rests, KEY.size, FOLD.size, ENTRIES)
        del self._looks[0]
        if turned:
            self._seen = folded
        self._turned = time.monotonic()
        self._rests = rests
        self._resting = [key for key, _ in found]
        base = MARK | (self._base + epoch & (1 << 50) - 1) << _PLACES
        # By key, so that the same entries get the same sequences whoever reads them.
        counted = sorted((key, FOLD.unpack(value)) for key, value in found)
        return [
            Fold(base | place, KEY.unpack(key), fold)
            for place, (key, fold) in enumerate(counted)
            if fold[2]
        ]

    def forget(self) -> None:
        """What was taken is safe: empty the map it came from."""
        if self._resting:
            bpf.delete(self._rests, self._resting)
        self._resting = None
