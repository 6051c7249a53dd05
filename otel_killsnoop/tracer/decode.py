"""Bytes from the ring -> events, by the contract in bpf/killsnoop.h.

Total: bytes that are no record of ours are counted, never an error. The way of a signal record
is kept short, for an agent under fire does little else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from struct import Struct

from otel_killsnoop.model import Details, Event, Facts, Folded, Signal
from otel_killsnoop.tracer import attempted, causes, contract, lives
from otel_killsnoop.tracer.contract import (
    ATTEMPT,
    CGROUP,
    EXEC,
    EXIT,
    FORK,
    LAYOUT,
    OOM,
    SIGNAL,
    signed,
)
from otel_killsnoop.tracer.folds import Fold
from otel_killsnoop.tracer.raised import PF_EXITING, PF_KTHREAD, Raised

__all__ = ["LAYOUT", "Decoder"]

_KIND = Struct("=I")
_SIGNAL = contract.around("killsnoop_signal", "how.number", "how.address")
_HOW = contract.run("killsnoop_signal", "how.number", "how.address")
_DETAILS = contract.whole("killsnoop_details")
_DETAILED = _SIGNAL.size + _DETAILS.size
_NO_SIGNALS = frozenset({FORK, EXEC, EXIT, OOM, ATTEMPT, CGROUP})

# A sender may forge codes without end, so what is remembered has a bound, and then starts anew.
_FACTS_KNOWN = 4096
_COMMS_KNOWN = 4096

_FLAGS = PF_EXITING | PF_KTHREAD  # 1 << 2, 1 << 21: of the source; beside them in one number:
_ITSELF, _INIT, _IDLE, _POSITIVE, _ORPHANED, _FOREIGN = 1, 2, 8, 16, 32, 64


class Decoder:
    """made_at: the boot clock when the ring was made, to which positions are added.

    undecodable: records not understood so far; undecodable_signals: those of them that were
    signals or may have been.
    """

    def __init__(self, made_at: int, machine: str = os.uname().machine) -> None:
        self.undecodable = 0
        self.undecodable_signals = 0
        self._made_at = made_at
        self._machine = machine
        self._comms: dict[bytes, bytes] = {}
        self._facts: dict[tuple[bytes, int], Facts] = {}
        self._same: dict[tuple[object, ...], Facts] = {}

    def decode(self, records: Iterable[tuple[int, bytes]]) -> list[Event]:
        """The events of these (position in the ring, payload), in the same order.

        Signals that mean the same have the same Facts object, as long as it is remembered.
        """
        events: list[Event] = []
        made_at, size, unpack = self._made_at, _SIGNAL.size, _SIGNAL.unpack
        known, comms, new, keep = self._facts.get, self._comms.get, tuple.__new__, events.append
        for position, payload in records:
            if len(payload) == size:
                # fmt: off
                (
                    kind, time,
                    start, pid, tid, uid, gid, vpid, flags, cgroup, comm,
                    start2, pid2, tid2, uid2, gid2, vpid2, flags2, cgroup2, comm2,
                    how, detailed, argument,
                ) = unpack(payload)
                if kind == SIGNAL and not detailed:
                    who = flags & _FLAGS
                    if pid == pid2 and start == start2:
                        who |= _ITSELF
                    if vpid < 2:  # 0 when it cannot be told
                        who |= _INIT
                    if not pid:
                        who |= _IDLE
                    if 0 < argument & 0xFFFFFFFF < 0x80000000:
                        who |= _POSITIVE
                    facts = known((how, who)) or self._meaning(how, who)
                    keep(new(Signal, (
                        made_at + position, facts, time,
                        start, pid, tid, uid, gid, vpid, flags, cgroup,
                        comms(comm) or self._name(comm),
                        start2, pid2, tid2, uid2, gid2, vpid2, flags2, cgroup2,
                        comms(comm2) or self._name(comm2),
                        None if facts.scope != "group" else Details(argument=signed(argument)),
                    )))
                    continue
                # fmt: on
            event = self._other(made_at + position, payload)
            if event is not None:
                keep(event)
        return events

    def _other(self, sequence: int, payload: bytes) -> Event | None:
        """Anything but a usual signal; None, and counted, when it is nothing that we know."""
        kind = _KIND.unpack_from(payload)[0] if len(payload) >= _KIND.size else None
        event: Event | None = None
        if kind == SIGNAL and len(payload) == _DETAILED:
            event = self._detailed(sequence, payload)
        elif kind is not None and kind in lives.READERS:
            event = lives.READERS[kind](sequence, payload, self._name)
        elif kind == ATTEMPT:
            event = attempted.read(sequence, payload, self._name, self._machine)
        if event is None:
            self.undecodable += 1
            self.undecodable_signals += kind not in _NO_SIGNALS
        return event

    def _detailed(self, sequence: int, payload: bytes) -> Signal | None:
        """A signal that the kernel raised, with what only the kernel knows behind it."""
        _, time, *both, how, detailed, argument = _SIGNAL.unpack_from(payload)
        tty, session, namespace, cgroup, orphaned, foreign = _DETAILS.unpack_from(
            payload, _SIGNAL.size
        )
        if not detailed:
            return None
        start, pid, vpid, flags = both[0], both[1], both[5], both[6]
        who = flags & _FLAGS | (_ORPHANED if orphaned else 0) | (_FOREIGN if foreign else 0)
        who |= _ITSELF if (start, pid) == (both[9], both[10]) else 0
        who |= (_INIT if vpid < 2 else 0) | (0 if pid else _IDLE)
        who |= _POSITIVE if 0 < argument & 0xFFFFFFFF < 0x80000000 else 0
        facts = self._facts.get((how, who)) or self._meaning(how, who)
        details: Details | None = None
        if facts.cause in ("tty", "job", "session"):
            details = Details(tty=self._name(tty), session_pid=session)
        elif facts.cause == "pidns":
            details = Details(namespace=namespace)
        elif facts.cause == "cgroup.kill" and cgroup:
            details = Details(cgroup=cgroup)
        both[8], both[17] = self._name(both[8]), self._name(both[17])
        return Signal._make((sequence, facts, time, *both, details))

    def folded(self, folds: Iterable[Fold]) -> list[Folded]:
        """Repeats that the kernel program counted."""
        made = []
        for sequence, key, (_, _, count, first, last) in folds:
            start, target_start, pid, target_pid, flags, vpid, how, _, argument = key
            assert isinstance(how, bytes)
            who = flags & _FLAGS | (0 if pid else _IDLE) | (_INIT if vpid < 2 else 0)
            who |= _ITSELF if (start, pid) == (target_start, target_pid) else 0
            who |= _POSITIVE if 0 < argument & 0xFFFFFFFF < 0x80000000 else 0
            facts = self._facts.get((how, who)) or self._meaning(how, who)
            ends = (start, pid, target_start, target_pid)
            made.append(Folded(sequence, facts, first, last, count, *ends))
        return made

    def _name(self, comm: bytes) -> bytes:
        """What stands before the first NUL."""
        name = self._comms.get(comm)
        if name is None:
            if len(self._comms) >= _COMMS_KNOWN:
                self._comms.clear()
            name = self._comms[comm] = comm.split(b"\0", 1)[0]
        return name

    def _meaning(self, how: bytes, who: int) -> Facts:
        """The Facts of a kind of record that is met for the first time."""
        number, code, error, call, info, group, result, bits, disposition, address = _HOW.unpack(
            how
        )
        made = causes.facts(
            Raised(
                number=number,
                code=code,
                info=info,
                group=group,
                result=result,
                bits=bits,
                call=call,
                positive=bool(who & _POSITIVE),
                flags=who & _FLAGS,
                itself=bool(who & _ITSELF),
                idle=bool(who & _IDLE),
                init=bool(who & _INIT),
                error=error,
                disposition=disposition,
                address=address,
                orphaned=bool(who & _ORPHANED),
                foreign=bool(who & _FOREIGN),
            ),
            self._machine,
        )
        if len(self._facts) >= _FACTS_KNOWN:
            self._facts.clear()
            self._same.clear()
        values = tuple(getattr(made, name) for name in made.__slots__)
        facts = self._facts[how, who] = self._same.setdefault(values, made)
        return facts
