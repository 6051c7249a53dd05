"""Bytes from the ring -> events, by the contract in bpf/killsnoop.h.

Total: bytes that are no record of ours are counted, never an error. The way of a signal record
is kept short, for an agent under fire does little else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from struct import Struct

from otel_killsnoop.model import Event, Exec, Exit, Facts, Fork, Signal
from otel_killsnoop.tracer import causes, contract
from otel_killsnoop.tracer.contract import EXEC, EXIT, FORK, LAYOUT, SIGNAL
from otel_killsnoop.tracer.raised import PF_EXITING, PF_KTHREAD, Raised

__all__ = ["LAYOUT", "Decoder"]

_KIND = Struct("=I")
_SIGNAL = contract.around("killsnoop_signal", "number", "bits")
_HOW = contract.run("killsnoop_signal", "number", "bits")
_FORK = contract.whole("killsnoop_fork")
_EXEC = contract.whole("killsnoop_exec")
_EXIT = contract.whole("killsnoop_exit")

# A sender may forge codes without end, so what is remembered has a bound, and then starts anew.
_FACTS_KNOWN = 4096
_COMMS_KNOWN = 4096

_FLAGS = PF_EXITING | PF_KTHREAD  # 1 << 2, 1 << 21: of the source; beside them in one number:
_ITSELF, _INIT, _IDLE, _POSITIVE = 1, 2, 8, 16


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
                    how, argument,
                ) = unpack(payload)
                if kind == SIGNAL:
                    who = flags & _FLAGS
                    if pid == pid2 and start == start2:
                        who |= _ITSELF
                    if vpid < 2:  # 0 when it cannot be told
                        who |= _INIT
                    if not pid:
                        who |= _IDLE
                    if 0 < argument & 0xFFFFFFFF < 0x80000000:
                        who |= _POSITIVE
                    keep(new(Signal, (
                        made_at + position, known((how, who)) or self._meaning(how, who), time,
                        start, pid, tid, uid, gid, vpid, flags, cgroup,
                        comms(comm) or self._name(comm),
                        start2, pid2, tid2, uid2, gid2, vpid2, flags2, cgroup2,
                        comms(comm2) or self._name(comm2),
                    )))
                    continue
                # fmt: on
            event = self._other(made_at + position, payload)
            if event is not None:
                keep(event)
        return events

    def _other(self, sequence: int, payload: bytes) -> Event | None:
        """Anything but a signal; None, and counted, when it is nothing that we know."""
        kind = _KIND.unpack_from(payload)[0] if len(payload) >= _KIND.size else None
        event: Event | None = None
        if kind == FORK and len(payload) == _FORK.size:
            event = self._fork(sequence, payload)
        elif kind == EXIT and len(payload) == _EXIT.size:
            _, status, time, start, pid, tid = _EXIT.unpack(payload)
            event = Exit(sequence, time, start, pid, tid, status)
        elif kind == EXEC and len(payload) >= _EXEC.size:
            event = self._exec(sequence, payload)
        if event is None:
            self.undecodable += 1
            self.undecodable_signals += kind not in (FORK, EXEC, EXIT)
        return event

    def _fork(self, sequence: int, payload: bytes) -> Fork:
        _, time, *child, comm, start, pid, tid, real_start, real_pid = _FORK.unpack(payload)
        name = self._name(comm)
        return Fork._make((sequence, time, *child, name, start, pid, tid, real_start, real_pid))

    def _exec(self, sequence: int, payload: bytes) -> Exec | None:
        """The arguments and the path follow the fixed part; the ring may round the whole up."""
        _, argc, time, *party, comm, args_total, args_size, path_size, _ = _EXEC.unpack(
            payload[: _EXEC.size]
        )
        args_end = _EXEC.size + args_size
        path_end = args_end + path_size
        if not path_end <= len(payload) <= (path_end + 7 & ~7):
            return None
        raw = payload[_EXEC.size : args_end]
        args = tuple(raw.removesuffix(b"\0").split(b"\0")) if raw else ()
        path = payload[args_end:path_end].split(b"\0", 1)[0]
        cut = args_size < args_total
        return Exec._make((sequence, time, *party, self._name(comm), argc, cut, path, args))

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
        number, code, _, call, info, group, result, bits = _HOW.unpack(how)
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
            ),
            self._machine,
        )
        if len(self._facts) >= _FACTS_KNOWN:
            self._facts.clear()
            self._same.clear()
        values = tuple(getattr(made, name) for name in made.__slots__)
        facts = self._facts[how, who] = self._same.setdefault(values, made)
        return facts
