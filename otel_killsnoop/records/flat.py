"""The same record as one flat dict, for ``--print json``: the names of the wire, values as text."""

from __future__ import annotations

from collections.abc import Mapping

from otel_killsnoop.model import Joined, Side
from otel_killsnoop.records import facts as kinds
from otel_killsnoop.records import process, severity
from otel_killsnoop.records.attributes import SOURCE, TARGET
from otel_killsnoop.records.bounds import (
    Limits,
    first_fit,
)
from otel_killsnoop.records.envelope import Envelope, resource_values
from otel_killsnoop.records.otlp import Value
from otel_killsnoop.records.record import side_budget
from otel_killsnoop.records.side import Description, SideEncoder

NO_SIDE = Description([], [], 0)


class Flattener:
    """Makes flat dicts; arguments as of ``record.Encoder``.

    A dict has exactly the names of the record's resource and log attributes, and ``time``
    (ISO 8601 UTC with nanoseconds), ``severity`` and ``body``. Values are str, int and lists of
    one of them, and any of them can be written as JSON.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        boot_id: str,
        max_depth: int,
        boot_to_unix_ns: int,
    ) -> None:
        self._source = SideEncoder(SOURCE, max_depth, boot_to_unix_ns)
        self._target = SideEncoder(TARGET, max_depth, boot_to_unix_ns)
        self._boot_id = boot_id
        self._resource = {name: _plain(value) for name, value in resource_values(resource)}
        self._budget = side_budget(Envelope(resource))

    def flat(self, joined: Joined, offset_ns: int) -> dict[str, object]:
        """The record; offset_ns: what to add to the signal's boot time for unix time."""
        signal, source, target = joined
        sides = self._sides(source, target)
        level = severity.of(signal.facts)
        unix_ns = signal.time + offset_ns
        body = kinds.body(
            signal.facts,
            _label(source) if source else None,
            _label(target),
        )
        record: dict[str, object] = {
            "time": f"{process.iso(unix_ns)[:-5]}.{unix_ns % 1_000_000_000:09d}Z",
            "severity": level.text,
            "body": body.decode(),
        }
        values: process.Named = kinds.describe(signal.facts)
        if source is not None:
            values.append(("killsnoop.source.thread.id", signal.source_tid))
        values.append(("killsnoop.target.thread.id", signal.target_tid))
        record |= {name: _plain(value) for name, value in values}
        if cut := [name for side in sides for name in side.cut]:
            record["killsnoop.truncated"] = cut
        record["log.record.uid"] = f"{self._boot_id}-{signal.sequence:016x}"
        record |= {name: _plain(value) for side in sides for name, value in side.values}
        return record | self._resource

    def _sides(self, source: Side | None, target: Side) -> tuple[Description, Description]:
        def describe(limits: Limits) -> tuple[Description, Description]:
            of_source = self._source.describe(source, limits) if source else NO_SIDE
            return of_source, self._target.describe(target, limits)

        return first_fit(describe, lambda both: both[0].size + both[1].size, self._budget)


def _label(side: Side) -> bytes:
    return process.label(process.name(side.process), side.process.pid)


def _plain(value: Value) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int):
        return value
    return [_plain(one) for one in value]
