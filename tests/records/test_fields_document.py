"""docs/fields.md is what the code says."""

from __future__ import annotations

from pathlib import Path

from otel_killsnoop.records.attributes import (
    ACCOUNTING,
    EXIT,
    INITIATOR,
    LOG,
    METRICS,
    RESOURCE,
    SIDE,
    names,
)
from otel_killsnoop.records.fields import fields_table

DOCUMENT = Path(__file__).parents[2] / "docs" / "fields.md"


def test_the_document_is_the_table() -> None:
    assert DOCUMENT.read_text() == fields_table(), "run: otel-killsnoop fields > docs/fields.md"


def test_every_name_has_its_row() -> None:
    rows = {line.split("|")[1].strip() for line in fields_table().splitlines() if "|" in line}
    for name in (*names(), *(one.name for one in METRICS)):
        assert f"`{name}`" in rows


def test_no_name_is_there_twice() -> None:
    for table in (RESOURCE + LOG + EXIT + ACCOUNTING, SIDE + INITIATOR, METRICS):
        assert len({one.name for one in table}) == len(table)
    assert len(names()) == (
        len(RESOURCE + LOG + EXIT + ACCOUNTING) + 2 * len(SIDE) + len(INITIATOR)
    )


def test_no_name_is_a_namespace_too() -> None:
    """A store that makes objects of the dots could keep only one of the two."""
    for name in names():
        assert not any(other.startswith(f"{name}.") for other in names()), name
