"""The table of attributes and metrics as Markdown: what `otel-killsnoop fields` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from otel_killsnoop.records.attributes import (
    CAUSES,
    LOG,
    LOSSES,
    METRICS,
    RESOURCE,
    RESULTS,
    SIDE,
    SOURCE,
    TARGET,
    Attribute,
)


def fields_table() -> str:
    """The whole of docs/fields.md; ends in one newline."""
    parts = [
        "# Fields\n\nEvery attribute and metric, made from the code by `otel-killsnoop fields`.",
        "## Log attributes",
        _attributes(LOG),
        "Beside them each record has a time (the kernel's), an observed time, a severity, a body "
        "such as `SIGKILL from bash[42] to nginx[1234]`, and the event name `killsnoop.signal` "
        "(`killsnoop.gap` for a gap). Severity is ERROR for faults raised by the kernel and for "
        "OOM kills, WARN for SIGKILL and for a fault's signal that somebody sent, INFO for TERM, "
        "INT, QUIT, HUP and STOP, and DEBUG for all else.",
        "## Resource attributes of the source",
        "All absent when no process sent the signal: the cause then says why.",
        _attributes(SIDE, SOURCE + "."),
        "## Resource attributes of the target",
        _attributes(SIDE, TARGET + "."),
        "## Resource attributes of the agent",
        _attributes(RESOURCE),
        "## Causes",
        _meanings(CAUSES),
        "## Results",
        _meanings(RESULTS),
        "## Losses",
        _meanings(LOSSES),
        "## Metrics",
        "Counters are cumulative since the agent started. Those of the kernel are by signal "
        "name: the classic signals from the start, real-time ones once they are seen.",
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
