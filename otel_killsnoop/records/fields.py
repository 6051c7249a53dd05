"""The table of attributes and metrics as Markdown: what `otel-killsnoop fields` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from otel_killsnoop.records.attributes import (
    ACCOUNTING,
    EXIT,
    INITIATOR,
    LOG,
    METRICS,
    RESOURCE,
    SIDE,
    SOURCE,
    TARGET,
    Attribute,
)
from otel_killsnoop.records.words import CAUSES, DISPOSITIONS, EVENTS, LOSSES, RESULTS


def fields_table() -> str:
    """The whole of docs/fields.md; ends in one newline."""
    parts = [
        "# Fields\n\nEvery attribute and metric, made from the code by `otel-killsnoop fields`.",
        "## Log attributes",
        _attributes(LOG),
        "Beside them each record has a time (the kernel's), an observed time, a severity, a body "
        "such as `SIGKILL from bash[42] to nginx[1234]`, and the event name `killsnoop.signal` "
        "(`killsnoop.exit`, `killsnoop.gap`). Severity is ERROR for faults raised by the kernel "
        "and for OOM kills, WARN for SIGKILL and for a fault's signal that somebody sent, INFO for "
        "TERM, INT, QUIT, HUP and STOP, and DEBUG for all else; a refused attempt is never more "
        "than INFO.",
        "## Log attributes of an exit",
        "A process that died of a signal has a record of its own, with `killsnoop.event` = `exit`, "
        "the resource attributes of the target, a body such as `nginx[1234] died of SIGKILL after "
        "12.3 s`, and severity WARN for SIGKILL and for a fault's signal, else INFO.",
        _attributes(EXIT),
        "## Log attributes of the accounting",
        "The last record of a stop, `killsnoop.event` = `accounting`, event name "
        "`killsnoop.accounting`, INFO: both sums over all agents that have used the spool, those "
        "that were killed too. It counts itself among the records made and on disk. Whatever it "
        "says is on disk is sent before it: so who has it has those, but for what was refused.",
        _attributes(ACCOUNTING),
        "## Resource attributes of the source",
        "All absent when no process sent the signal: the cause then says why.",
        _attributes(SIDE + INITIATOR, SOURCE + "."),
        "## Resource attributes of the target",
        "All absent when an attempt meant no process, or none that exists.",
        _attributes(SIDE, TARGET + "."),
        "## Resource attributes of the agent",
        _attributes(RESOURCE),
        "## Causes",
        _meanings(CAUSES),
        "## Results",
        _meanings(RESULTS),
        "## Dispositions",
        _meanings(DISPOSITIONS),
        "## Losses",
        _meanings(LOSSES),
        "## Metrics",
        "Counters are cumulative. Where logs are shipped, `killsnoop.events.*`, "
        "`killsnoop.records.*` and `otel.sdk.*` go on over restarts and SIGKILL, from the ledger "
        "in the spool directory and with its start time, so that no increase between two agents "
        "is missed; the others begin at zero when the agent starts, with a start time of then. "
        "Those of the kernel are by signal "
        "name: the classic signals from the start, real-time ones once they are seen. "
        "Submitted signals are those that could not be understood, those of which records were "
        "made, and those that wait for who they name: records made of attempts are counted apart.",
        "`killsnoop.records.made` is by these events:",
        _meanings(EVENTS),
        _rows(
            ("Name", "Kind", "Unit", "By", "Meaning"),
            ((f"`{m.name}`", m.kind, f"`{m.unit}`", _list(m.by), m.meaning + ".") for m in METRICS),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _attributes(table: Sequence[Attribute], prefix: str = "") -> str:
    return _rows(
        ("Name", "Type", "Meaning", "Example"),
        ((f"`{prefix}{a.name}`", a.type, a.meaning, f"`{a.example}`") for a in table),
    )


def _meanings(table: Mapping[str, str]) -> str:
    return _rows(
        ("Value", "Meaning"), ((f"`{value}`", meaning + ".") for value, meaning in table.items())
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
