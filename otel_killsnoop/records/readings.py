"""Counts -> what each metric of ``metric_table`` reads. Pure; every series starts at zero."""

from __future__ import annotations

from collections.abc import Mapping

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Ended, Facts, KernelCounts, ShippingCounts, TableCounts
from otel_killsnoop.records.metric_table import (
    COMPONENT,
    ERROR_TYPE,
    EVENT,
    OUTCOME,
    PROGRAM,
    REASON,
    SIGNAL_CAUSE,
    SIGNAL_NAME,
    SIGNAL_RESULT,
)
from otel_killsnoop.records.words import EVENTS

Attributes = tuple[tuple[str, str], ...]
Readings = dict[str, dict[Attributes, int]]
"""By metric name and by attributes (as pairs, in the order of the table)."""

CLASSIC = range(1, 32)  # these are published from the start, others when they were seen

# Kinds that people are woken up for. A series that begins with its first event shows no increase.
AWAITED = (
    ("SIGKILL", "user", "delivered"),
    ("SIGKILL", "oom", "delivered"),
    ("SIGKILL", "cgroup.kill", "delivered"),
    ("SIGTERM", "user", "delivered"),
    ("SIGABRT", "fault", "delivered"),
    ("SIGBUS", "fault", "delivered"),
    ("SIGFPE", "fault", "delivered"),
    ("SIGILL", "fault", "delivered"),
    ("SIGSEGV", "fault", "delivered"),
)
OUTCOMES = ("delivered", "retried", "rejected")

NO_ATTRIBUTES: Attributes = ()


def readings(
    kernel: KernelCounts,
    shipping: ShippingCounts,
    table: TableCounts,
    signals: Mapping[Facts, int],
    undecodable: int,
    events: Mapping[str, int],
    left_out: int,
    ended: Ended,
    exporter_type: str,
) -> Readings:
    """What every metric reads, given these counts; the arguments of ``metrics.Counts``.

    events: its ``made``.
    """
    single = {
        "killsnoop.events.undecodable": undecodable,
        "killsnoop.events.left_out": left_out,
        "killsnoop.events.reread": ended.reread,
        "killsnoop.events.orphaned": ended.orphaned,
        "killsnoop.records.missing": shipping.missing,
        "killsnoop.records.unnoted": ended.unnoted,
        "killsnoop.records.recovered": shipping.recovered,
        "killsnoop.records.spooled": shipping.spooled,
        "killsnoop.records.unspooled": shipping.unspooled,
        "killsnoop.records.delivered": shipping.delivered,
        "killsnoop.records.rejected": shipping.rejected,
        "killsnoop.records.evicted": shipping.evicted,
        "killsnoop.records.on_disk": shipping.on_disk,
        "killsnoop.records.in_memory": shipping.in_memory,
        "killsnoop.table.entries": table.entries,
        "killsnoop.table.memory": table.bytes,
        "killsnoop.table.evicted": table.evicted,
        "killsnoop.table.partial": table.partial,
        "killsnoop.arguments.masked": table.masked,
        "otel.sdk.log.created": shipping.spooled + shipping.unspooled + shipping.in_memory,
    }
    lost = {
        **kernel.losses(),
        "undecodable": undecodable,
        "unspooled": shipping.unspooled,
        "evicted": shipping.evicted,
        "rejected": shipping.rejected,
        "orphaned": ended.orphaned,
        "missing": shipping.missing,
    }
    made: Readings = {name: {NO_ATTRIBUTES: value} for name, value in single.items()}
    made |= {
        "killsnoop.signals": _by_kind(signals),
        "killsnoop.events.lost": _by(REASON, lost),
        "killsnoop.events.generated": _by_number(kernel.generated),
        "killsnoop.events.filtered": _by_number(kernel.filtered),
        "killsnoop.events.folded": _by_number(kernel.folded),
        "killsnoop.events.submitted": _by_number(kernel.submitted),
        "killsnoop.records.made": _by(EVENT, dict.fromkeys(EVENTS, 0) | dict(events)),
        "killsnoop.requests": _by(OUTCOME, dict.fromkeys(OUTCOMES, 0) | dict(shipping.requests)),
        "killsnoop.recursion.misses": _by(PROGRAM, kernel.recursion_misses),
        "killsnoop.table.events.lost": _by(PROGRAM, kernel.table_lost),
    }
    return made | _queue(shipping, exporter_type)


def _queue(shipping: ShippingCounts, exporter_type: str) -> Readings:
    """Our spool and sender, by the names that the conventions have for an SDK's."""
    spool = _component("killsnoop_spool")
    sender = _component(exporter_type)
    return {
        "otel.sdk.processor.log.processed": {
            spool: shipping.delivered + shipping.rejected,
            (*spool, (ERROR_TYPE, "queue_full")): shipping.evicted,
            (*spool, (ERROR_TYPE, "spool_error")): shipping.unspooled,
        },
        "otel.sdk.processor.log.queue.size": {spool: shipping.on_disk + shipping.in_memory},
        "otel.sdk.exporter.log.exported": {
            sender: shipping.delivered,
            (*sender, (ERROR_TYPE, "rejected")): shipping.rejected,
        },
    }


def _component(kind: str) -> Attributes:
    return tuple(zip(COMPONENT, (kind, f"{kind}/0"), strict=True))


def _by(attribute: str, values: Mapping[str, int]) -> dict[Attributes, int]:
    return {((attribute, key),): value for key, value in values.items()}


def _by_number(values: tuple[int, ...]) -> dict[Attributes, int]:
    return {
        ((SIGNAL_NAME, unixsignals.name(number)),): value
        for number, value in enumerate(values)
        if value or number in CLASSIC
    }


def _by_kind(signals: Mapping[Facts, int]) -> dict[Attributes, int]:
    """Summed over what the metric does not tell apart (call, code, scope)."""
    names = (SIGNAL_NAME, SIGNAL_CAUSE, SIGNAL_RESULT)
    made = {tuple(zip(names, one, strict=True)): 0 for one in AWAITED}
    # A copy, made in one step: other threads go on counting.
    for facts, count in dict(signals).items():
        key = tuple(zip(names, (facts.name, facts.cause, facts.result), strict=True))
        made[key] = made.get(key, 0) + count
    return made
