"""The accounting record's part of ``attributes``: the metrics' names, all values summed."""

from __future__ import annotations

from otel_killsnoop.records.attribute import Attribute

_EVENTS = (
    ("generated", "Signals the kernel raised; filtered + folded + lost + submitted.", "81230"),
    ("filtered", "Signals left out as asked.", "80000"),
    ("folded", "Repeats counted into another record.", "0"),
    ("lost", "Signals that found no room in the ring.", "0"),
    (
        "submitted",
        "Signals handed from the kernel to the agent; with those reread it is undecodable + "
        "left out + recorded + orphaned.",
        "1230",
    ),
    ("reread", "Signals read twice: an agent was killed before it was done with them.", "0"),
    ("undecodable", "Submitted signals that could not be understood.", "0"),
    ("left_out", "Submitted signals that `--include` or `--exclude` left out.", "0"),
    ("recorded", "Records made of submitted signals.", "1230"),
    ("orphaned", "Signals known to have been in the ring of an agent that was killed.", "0"),
)
_RECORDS = (
    (
        "recovered",
        "Records found in the spool of which no ledger told; with those made and unnoted it is "
        "the sum of the rest.",
        "0",
    ),
    ("made", "Records made, this one too.", "1301"),
    ("unnoted", "Records put in the spool by an agent that was killed before it noted them.", "0"),
    ("delivered", "Records the Collector took.", "1298"),
    ("rejected", "Records the Collector refused for good.", "0"),
    ("evicted", "Records deleted because the spool was full.", "0"),
    ("unspooled", "Records that could not be put in the spool.", "0"),
    ("missing", "Records that were in the spool, and that a start did not find.", "0"),
    ("on_disk", "Records in the spool, this one too: they are sent before it.", "3"),
    ("in_memory", "Records in memory only.", "0"),
)

ACCOUNTING = (
    Attribute(
        "killsnoop.accounting.since",
        "string",
        "When the counting began: the first start with this spool.",
        "2026-11-24T12:03:40.911Z",
    ),
    *(Attribute(f"killsnoop.events.{name}", "int", *rest) for name, *rest in _EVENTS),
    *(Attribute(f"killsnoop.records.{name}", "int", *rest) for name, *rest in _RECORDS),
)
