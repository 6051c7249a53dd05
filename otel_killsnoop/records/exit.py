"""A process's end by a signal -> a log record: what was sent, and what was died of, stay apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Death, Request, Side
from otel_killsnoop.records import severity
from otel_killsnoop.records.ancestry import Ancestries
from otel_killsnoop.records.attributes import EXIT_EVENT_NAME, TARGET
from otel_killsnoop.records.bounds import first_fit
from otel_killsnoop.records.envelope import LOG_RECORD, Envelope, uid
from otel_killsnoop.records.log_record import (
    KEYS,
    encoded,
    lead,
    observed_field,
    side_budget,
    time_field,
)
from otel_killsnoop.records.otlp import field, varint
from otel_killsnoop.records.process import Named
from otel_killsnoop.records.side import Block, SideEncoder

CORE_DUMPED = 0x80  # in a status, beside the signal's number
SHELL_BASE = 128  # what a shell adds to that number

_EVENT_NAME = field(12, EXIT_EVENT_NAME.encode())
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000))


class ExitEncoder:
    """Encodes deaths; its first arguments as of ``record.Encoder``.

    target: an encoder of targets to share with that one.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        boot_id: str,
        max_depth: int,
        boot_to_unix_ns: int,
        max_request_bytes: int = 1_000_000,
        target: SideEncoder | None = None,
    ) -> None:
        self._target = target or SideEncoder(TARGET, Ancestries(max_depth), boot_to_unix_ns)
        self._envelope = Envelope(resource)
        self._budget = side_budget(self._envelope)
        self._boot_id = boot_id
        self._max_request_bytes = max_request_bytes
        self._kinds: dict[int, bytes] = {}  # by status, of which there are at most 256

    def encode(self, deaths: Sequence[Death], offset_ns: int, observed_ns: int) -> list[Request]:
        """The deaths as requests, in their order; offset_ns, observed_ns as of ``record``."""
        tail = observed_field(observed_ns) + _EVENT_NAME
        requests: list[Request] = []
        parts: list[bytes] = []
        size = count = 0
        for death in deaths:
            block = self._block(death.target)
            record = self._record(death, block, offset_ns) + tail
            head = LOG_RECORD + varint(len(record))
            group = b"".join(self._envelope.group((block.own, block.above), (head, record)))
            if count and size + len(group) > self._max_request_bytes:
                requests.append(Request(b"".join(parts), count))
                parts = []
                size = count = 0
            parts.append(group)
            size += len(group)
            count += 1
        if count:
            requests.append(Request(b"".join(parts), count))
        return requests

    def _block(self, side: Side) -> Block:
        block = self._target.block(side)
        if block.size <= self._budget:
            return block
        return first_fit(
            lambda limits: self._target.block(side, limits), lambda one: one.size, self._budget
        )

    def _record(self, death: Death, block: Block, offset_ns: int) -> bytes:
        kind = self._kinds.get(death.status & 0xFF)
        if kind is None:
            kind = self._kinds[death.status & 0xFF] = encoded(_kind(death))
        return b"".join(
            (
                time_field(death.time + offset_ns),
                lead(severity.of_death(number(death)), body(death, block.label)),
                kind,
                encoded(_circumstances(death, self._boot_id)),
                KEYS["killsnoop.truncated"].strings(block.cut) if block.cut else b"",
                KEYS["log.record.uid"].string(uid(self._boot_id, death.sequence)),
            )
        )


def number(death: Death) -> int:
    """The signal that it died of."""
    return death.status & 0x7F


def describe(death: Death, boot_id: str) -> Named:
    """The log attributes of a death, by their full names, but what was cut and the uid."""
    return _kind(death) + _circumstances(death, boot_id)


def _kind(death: Death) -> Named:
    """Those that depend on the low eight bits of the status alone."""
    signal = number(death)
    return [
        ("killsnoop.event", b"exit"),
        ("killsnoop.exit.signal.number", signal),
        ("killsnoop.exit.signal.name", unixsignals.name(signal).encode()),
        ("killsnoop.exit.code", SHELL_BASE + signal),
        ("killsnoop.exit.core_dumped", bool(death.status & CORE_DUMPED)),
    ]


def _circumstances(death: Death, boot_id: str) -> Named:
    values: Named = [("killsnoop.exit.run_time", death.run_time / 1e9)]
    if death.killer is not None:
        values.append(("killsnoop.exit.killed_by", uid(boot_id, death.killer)))
    return values


def body(death: Death, target: bytes) -> bytes:
    """``nginx[1234] died of SIGKILL after 12.3 s``."""
    signal = unixsignals.name(number(death))
    return target + f" died of {signal} after {lasted(death.run_time)}".encode()


def lasted(run_time: int) -> str:
    """Nanoseconds for people: ``5 ms``, ``12.3 s``, ``3.5 min``, ``2.0 h``, ``41.7 d``."""
    ms = run_time // 1_000_000
    if ms < 1000:
        return f"{ms} ms"
    for unit, size in _UNITS:
        if ms >= 2 * size:
            return f"{ms / size:.1f} {unit}"
    return f"{ms / 1000:.1f} s"
