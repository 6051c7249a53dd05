"""What of the joined signals and deaths the user wants recorded: filters that need both sides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from otel_killsnoop.model import Death, Joined

ATTEMPTS = ("refused", "tested")
REMEMBERED = 4096  # signals left out of which a process may be about to die


class Keep(Protocol):
    """``matching.Filter``."""

    def keeps(self, joined: Joined) -> bool: ...


class Selected:
    """keep: None to keep all.  recorded: numbers of the signals that are recorded at all.

    target_comms, target_uids: whose signals the kernel leaves out by itself. A death of theirs
    names no signal, and is left out by the same names and users.
    left_out: signals left out so far, after the kernel had submitted them; attempts, and the
    folded ones, which it had not, apart.
    """

    def __init__(
        self,
        keep: Keep | None,
        recorded: frozenset[int],
        target_comms: Iterable[bytes] = (),
        target_uids: Iterable[int] = (),
    ) -> None:
        self._keep = keep
        self._recorded = recorded
        self._comms = frozenset(target_comms)
        self._uids = frozenset(target_uids)
        self._gone: deque[int] = deque(maxlen=REMEMBERED)
        self.left_out = 0
        self.attempts_left_out = 0
        self.repeats_left_out = 0

    def of(self, joined: list[Joined], deaths: list[Death]) -> tuple[list[Joined], list[Death]]:
        """Those that are wanted. The death by a signal that was not wanted is not wanted either."""
        if self._keep is not None:
            keeps = self._keep.keeps
            wanted = []
            for one in joined:
                if keeps(one):
                    wanted.append(one)
                elif one.signal.facts.result in ATTEMPTS:
                    self.attempts_left_out += 1
                elif one.signal.details is not None and one.signal.details.repeats:
                    self.repeats_left_out += one.signal.details.repeats
                else:
                    self.left_out += 1
                    self._gone.append(one.signal.sequence)
            joined = wanted
        if deaths:
            gone = self._gone
            deaths = [
                one
                for one in deaths
                if one.status & 0x7F in self._recorded
                and (self._is_wanted(one) if one.killer is None else one.killer not in gone)
            ]
        return joined, deaths

    def _is_wanted(self, death: Death) -> bool:
        target = death.target.process
        return target.comm not in self._comms and target.uid not in self._uids
