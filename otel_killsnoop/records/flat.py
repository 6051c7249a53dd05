"""The same record as one flat dict, for ``--print json``: the names of the wire, values as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_killsnoop.model import Death, Joined, Side
from otel_killsnoop.records import details as particulars
from otel_killsnoop.records import exit as ends
from otel_killsnoop.records import facts as kinds
from otel_killsnoop.records import process, severity
from otel_killsnoop.records.ancestry import Ancestries
from otel_killsnoop.records.attributes import SOURCE, TARGET
from otel_killsnoop.records.bounds import (
    Limits,
    first_fit,
)
from otel_killsnoop.records.envelope import Envelope, resource_values, uid
from otel_killsnoop.records.log_record import side_budget
from otel_killsnoop.records.otlp import Value
from otel_killsnoop.records.side import Description, Initiator, SideEncoder

NO_SIDE = Description([], [], 0)


class Flattener:
    """Makes flat dicts; arguments as of ``record.Encoder``.

    A dict has exactly the names of the record's resource and log attributes, and ``time``
    (ISO 8601 UTC with nanoseconds), ``severity`` and ``body``. Values are str, bool, int, float
    and lists of str or of int, and any of them can be written as JSON.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        boot_id: str,
        max_depth: int,
        boot_to_unix_ns: int,
        initiator: Initiator = lambda side: None,
        cgroup: particulars.CgroupPath = lambda number: None,
    ) -> None:
        ancestries = Ancestries(max_depth)
        self._source = SideEncoder(SOURCE, ancestries, boot_to_unix_ns, initiator)
        self._target = SideEncoder(TARGET, ancestries, boot_to_unix_ns)
        self._boot_id = boot_id
        self._cgroup = cgroup
        self._resource = {name: _plain(value) for name, value in resource_values(resource)}
        self._budget = side_budget(Envelope(resource))

    def flat(self, joined: Joined, offset_ns: int) -> dict[str, object]:
        """The record; offset_ns: what to add to the signal's boot time for unix time."""
        signal, source, target = joined
        facts, details = signal.facts, signal.details
        to = _label(target) if target else particulars.aim(facts.call, details)
        body = kinds.body(facts, _label(source) if source else None, to)
        values = kinds.describe(facts)
        cut: list[str] = []
        if details is not None:
            said, cut = particulars.describe(details, self._boot_id, self._cgroup, offset_ns)
            values += said
        if source is not None:
            values.append(("killsnoop.source.thread.id", signal.source_tid))
        if target is not None:
            values.append(("killsnoop.target.thread.id", signal.target_tid))
        return {
            **_head(signal.time + offset_ns, severity.of(facts), body),
            **self._rest(values, self._sides(source, target), cut, signal.sequence),
        }

    def flat_death(self, death: Death, offset_ns: int) -> dict[str, object]:
        """The record of a process's end; offset_ns as of ``flat``."""
        level = severity.of_death(ends.number(death))
        values = ends.describe(death, self._boot_id)
        return {
            **_head(death.time + offset_ns, level, ends.body(death, _label(death.target))),
            **self._rest(values, self._sides(None, death.target), (), death.sequence),
        }

    def _rest(
        self,
        values: process.Named,
        sides: tuple[Description, Description],
        also_cut: Sequence[str],
        sequence: int,
    ) -> dict[str, object]:
        """All attributes, the record's own first."""
        record = {name: _plain(value) for name, value in values}
        if cut := [name for side in sides for name in side.cut] + [*also_cut]:
            record["killsnoop.truncated"] = cut
        record["log.record.uid"] = uid(self._boot_id, sequence).decode()
        record |= {name: _plain(value) for side in sides for name, value in side.values}
        return record | self._resource

    def _sides(self, source: Side | None, target: Side | None) -> tuple[Description, Description]:
        def describe(limits: Limits) -> tuple[Description, Description]:
            return (
                self._source.describe(source, limits) if source else NO_SIDE,
                self._target.describe(target, limits) if target else NO_SIDE,
            )

        return first_fit(describe, lambda both: both[0].size + both[1].size, self._budget)


def _head(unix_ns: int, level: severity.Severity, body: bytes) -> dict[str, object]:
    return {
        "time": process.precise(unix_ns),
        "severity": level.text,
        "body": body.decode(),
    }


def _label(side: Side) -> bytes:
    return process.label(process.name(side.process), side.process.pid)


def _plain(value: Value) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int | float):
        return value
    return [_plain(one) for one in value]
