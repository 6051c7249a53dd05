"""A loss as a record of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from made_signals import BOOT_ID, OBSERVED, OFFSET, RESOURCE

from otel_killsnoop.records.attributes import names
from otel_killsnoop.records.gap import GapEncoder
from otel_killsnoop.records.words import LOSSES


@pytest.mark.parametrize("reason", LOSSES)
@pytest.mark.parametrize(("count", "words"), [(1, "1 signal lost"), (7, "7 signals lost")])
def test_a_gap_says_how_many_and_why(
    reason: str, count: int, words: str, read: Callable[..., Any]
) -> None:
    (one,) = read(GapEncoder(RESOURCE, BOOT_ID).encode(reason, count, 255, OFFSET, OBSERVED))
    assert one.resource == RESOURCE
    assert one.attributes == {
        "killsnoop.event": "gap",
        "killsnoop.lost.count": count,
        "killsnoop.lost.reason": reason,
        "log.record.uid": f"{BOOT_ID}-gap-{reason}-00000000000000ff",
    }
    assert one.attributes.keys() <= names()
    assert one.record.body.string_value == f"{words}: {LOSSES[reason]}"
    assert one.record.severity_text == "ERROR"
    assert one.record.event_name == "killsnoop.gap"
    assert one.record.time_unix_nano == OFFSET + 255
    assert one.record.observed_time_unix_nano == OBSERVED
