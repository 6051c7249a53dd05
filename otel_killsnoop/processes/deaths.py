"""Who died of a signal, and of which one.

The kernel says at the end only which number it was. So each lethal signal that was delivered is
remembered at its target, one of each number, until the target's end:

- With the default handling the process dies of it at once, so the first one counts. The kernel
  drops what comes to a dying process, but not all kernels do, so a later one counts only if it
  comes when nothing takes that long to die: then a tracer had swallowed the first. Nothing
  swallows SIGKILL.
- One that was blocked waits, and may be taken by sigwait or a handler instead. While one waits, a
  second one of its number is not delivered, so the last counts; real-time signals queue up, so of
  several it cannot be told which it was. After `WAITS` it counts no more: it was taken, and what
  killed was not recorded.
- What was handled, ignored or found pending killed nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Death, Exit, Facts, Side
from otel_killsnoop.processes.ahead import Ahead
from otel_killsnoop.processes.node import EXITING, TICK, Entry, Node, Wound
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.seeding import Seeding

DYING = 1_000_000_000  # ns from a lethal signal to the end, core dumps apart, at most
WAITS = 10_000_000_000  # ns that a signal stays blocked before it kills, at most

_SIGKILL = 9
_UNKNOWN = 0  # for a sequence: one of several
_KINDS = 4096


class Deaths:
    """Remembers wounds and tells deaths. look_up: as the table has it.  side_of: of the table."""

    def __init__(
        self,
        registry: Registry,
        seeding: Seeding,
        look_up: Callable[[int], Entry | None],
        side_of: Callable[[Node], Side],
    ) -> None:
        self._registry = registry
        self._seeding = seeding
        self._look_up = look_up
        self._side_of = side_of
        self._lethal: dict[Facts, bool] = {}

    def is_lethal(self, facts: Facts) -> bool:
        """Whether a signal of this kind may kill its target; told from the facts, once a kind."""
        known = self._lethal.get(facts)
        if known is None:
            if len(self._lethal) >= _KINDS:
                self._lethal.clear()
            known = self._lethal[facts] = (
                unixsignals.is_lethal(facts.number)
                and facts.result in ("delivered", "lose_info")
                and facts.disposition not in ("ignored", "handled")
            )
        return known

    def wound(self, node: Node, facts: Facts, sequence: int, time: int) -> None:
        """A node got a signal of a kind that may kill."""
        number, blocked = facts.number, facts.disposition == "blocked"
        wounds = node.wounds
        if wounds is None:
            wounds = node.wounds = {}
        known = wounds.get(number)
        if known is not None:
            if blocked:
                if not known.blocked:
                    return
                if number >= unixsignals.FIRST_REALTIME:
                    sequence = _UNKNOWN
            elif not known.blocked and (number == _SIGKILL or time - known.time < DYING):
                return
        wounds[number] = Wound(sequence, time, blocked)

    def at_end(self, event: Exit, position: int, ahead: Ahead) -> Death | None:
        """Take in the exit record of a process that a signal ended, and tell its death.

        None when that is told already, when it cannot be found, and when it goes on: on some
        kernels a thread's exec looks like its process's end.
        """
        registry = self._registry
        node = registry.find(event.pid, event.start)
        if node is None:
            node = self._seeding.found(event.pid, event.start)
        if node is None or node.ended:
            return None
        number = event.status & 0x7F
        killer: int | None = None
        wound = node.wounds.get(number) if node.wounds else None
        if wound is not None and not (wound.blocked and event.time - wound.time > WAITS):
            killer = wound.sequence or None
        elif event.tid == event.pid and self._goes_on(event, position, ahead):
            return None
        registry.die(node, event.time)
        node.ended = True
        node.wounds = None
        run_time = max(0, event.time - event.start)
        return Death(
            event.sequence, event.time, event.status, run_time, self._side_of(node), killer
        )

    def _goes_on(self, event: Exit, position: int, ahead: Ahead) -> bool:
        """Whether the process of a first thread that ended runs a new program by now."""
        if event.status & 0x7F != _SIGKILL:  # what exec ends the other threads with
            return False
        if ahead.runs(position, event.pid, event.start):
            return True
        entry = self._look_up(event.pid)
        return (
            entry is not None and entry.ticks == event.start // TICK and not entry.flags & EXITING
        )
