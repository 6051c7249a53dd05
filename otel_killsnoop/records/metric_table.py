"""The metrics' half of ``attributes``: every metric's name, kind, unit, meaning and attributes."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """kind: ``counter`` or ``updowncounter``, always cumulative; by: its attributes."""

    name: str
    kind: str
    unit: str
    meaning: str
    by: tuple[str, ...] = ()


EVENT = "killsnoop.event"
SIGNAL_NAME = "killsnoop.signal.name"
SIGNAL_CAUSE = "killsnoop.signal.cause"
SIGNAL_RESULT = "killsnoop.signal.result"
REASON = "reason"
PROGRAM = "killsnoop.program"
OUTCOME = "killsnoop.request.outcome"
ERROR_TYPE = "error.type"
COMPONENT = ("otel.component.type", "otel.component.name")

_M = Metric
_SIGNAL = (SIGNAL_NAME,)

METRICS = (
    _M(
        "killsnoop.signals",
        "counter",
        "{signal}",
        "Signals recorded; those with result `refused` and `tested` are attempts",
        (SIGNAL_NAME, SIGNAL_CAUSE, SIGNAL_RESULT),
    ),
    _M("killsnoop.events.lost", "counter", "{event}", "Events lost; see Losses", (REASON,)),
    _M("killsnoop.events.generated", "counter", "{event}", "Signals the kernel raised", _SIGNAL),
    _M("killsnoop.events.filtered", "counter", "{event}", "Signals left out as asked", _SIGNAL),
    _M(
        "killsnoop.events.folded",
        "counter",
        "{event}",
        "Repeats counted into another record",
        _SIGNAL,
    ),
    _M(
        "killsnoop.events.submitted",
        "counter",
        "{event}",
        "Signals handed from the kernel to the agent",
        _SIGNAL,
    ),
    _M(
        "killsnoop.events.undecodable",
        "counter",
        "{event}",
        "Submitted signals that could not be understood",
    ),
    _M(
        "killsnoop.events.left_out",
        "counter",
        "{event}",
        "Submitted signals that `--include` or `--exclude` left out",
    ),
    _M(
        "killsnoop.events.reread",
        "counter",
        "{event}",
        "Submitted signals that were read and counted twice, for an agent was killed",
    ),
    _M(
        "killsnoop.events.orphaned",
        "counter",
        "{event}",
        "Submitted signals that were in the ring of an agent that was killed",
    ),
    _M(
        "killsnoop.records.recovered",
        "counter",
        "{log_record}",
        "Records found in the spool of which no ledger told",
    ),
    _M(
        "killsnoop.records.made",
        "counter",
        "{log_record}",
        "Records made, which the records below count too",
        (EVENT,),
    ),
    _M("killsnoop.records.spooled", "counter", "{log_record}", "Records put in the spool"),
    _M(
        "killsnoop.records.unspooled",
        "counter",
        "{log_record}",
        "Records that could not be put in the spool",
    ),
    _M("killsnoop.records.delivered", "counter", "{log_record}", "Records the Collector took"),
    _M(
        "killsnoop.records.rejected",
        "counter",
        "{log_record}",
        "Records the Collector refused for good",
    ),
    _M(
        "killsnoop.records.evicted",
        "counter",
        "{log_record}",
        "Records deleted because the spool was full",
    ),
    _M(
        "killsnoop.records.missing",
        "counter",
        "{log_record}",
        "Records that the ledger told of and that a start did not find",
    ),
    _M(
        "killsnoop.records.unnoted",
        "counter",
        "{log_record}",
        "Records put in the spool by an agent that was killed before it noted their events",
    ),
    _M("killsnoop.records.on_disk", "updowncounter", "{log_record}", "Records in the spool now"),
    _M(
        "killsnoop.records.in_memory",
        "updowncounter",
        "{log_record}",
        "Records in memory now, for the spool cannot be written",
    ),
    _M("killsnoop.requests", "counter", "{request}", "Export requests by outcome", (OUTCOME,)),
    _M(
        "killsnoop.recursion.misses",
        "counter",
        "{run}",
        "Times the kernel skipped a program of ours",
        (PROGRAM,),
    ),
    _M("killsnoop.table.entries", "updowncounter", "{process}", "Processes in the table now"),
    _M("killsnoop.table.memory", "updowncounter", "By", "Bytes that the table holds now"),
    _M("killsnoop.table.evicted", "counter", "{process}", "Processes forgotten for lack of room"),
    _M(
        "killsnoop.table.partial",
        "counter",
        "{process}",
        "Processes of which only a signal told",
    ),
    _M(
        "killsnoop.table.events.lost",
        "counter",
        "{event}",
        "Fork, exec, exit, OOM and attempt events that found the ring full",
        (PROGRAM,),
    ),
    _M("killsnoop.arguments.masked", "counter", "{argument}", "Secrets masked in arguments"),
    _M("otel.sdk.log.created", "counter", "{log_record}", "Log records made"),
    _M(
        "otel.sdk.processor.log.processed",
        "counter",
        "{log_record}",
        "Log records that left the spool for the exporter, or with `queue_full` were evicted "
        "and with `spool_error` never got in",
        (*COMPONENT, ERROR_TYPE),
    ),
    _M(
        "otel.sdk.processor.log.queue.size",
        "updowncounter",
        "{log_record}",
        "Log records in the spool now, or in memory in its place",
        COMPONENT,
    ),
    _M(
        "otel.sdk.exporter.log.exported",
        "counter",
        "{log_record}",
        "Log records exported, or with `rejected` refused",
        (*COMPONENT, ERROR_TYPE),
    ),
)
"""In the order of docs/fields.md."""

KEPT = frozenset(
    one.name
    for one in METRICS
    if one.kind == "counter"
    and one.name.startswith(("killsnoop.events.", "killsnoop.records.", "otel.sdk."))
)
"""Those that go on over restarts, where there is a ledger."""
