"""A loss as a record of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from made_signals import BOOT_ID, OBSERVED, OFFSET, RESOURCE

from otel_killsnoop.records.attributes import names
from otel_killsnoop.records.gap import GapEncoder
from otel_killsnoop.records.words import LOSSES

SPAN = (255, 1_000_000_300)
_SECONDS, _REST = divmod(OFFSET + SPAN[1], 10**9)
LAST_TIME = f"{datetime.fromtimestamp(_SECONDS, UTC):%Y-%m-%dT%H:%M:%S}.{_REST:09d}Z"


def _of(reason: str, words: str) -> str:
    least = "at least " if reason == "orphaned" else ""
    return least + (words.replace("signal", "event") if reason == "lives" else words)


@pytest.mark.parametrize("reason", LOSSES)
@pytest.mark.parametrize(("count", "words"), [(1, "1 signal lost"), (7, "7 signals lost")])
def test_a_gap_says_how_many_and_why(
    reason: str, count: int, words: str, read: Callable[..., Any]
) -> None:
    (one,) = read(GapEncoder(RESOURCE, BOOT_ID).encode(reason, count, SPAN, OFFSET, OBSERVED))
    assert one.resource == RESOURCE
    assert one.attributes == {
        "killsnoop.event": "gap",
        "killsnoop.lost.count": count,
        "killsnoop.lost.reason": reason,
        "killsnoop.lost.last_time": LAST_TIME,
        "log.record.uid": f"{BOOT_ID}-gap-{reason}-{OBSERVED - OFFSET:016x}",
    }
    assert one.attributes.keys() <= names()
    assert one.record.body.string_value == f"{_of(reason, words)}: {LOSSES[reason]}"
    assert one.record.severity_text == "ERROR"
    assert one.record.event_name == "killsnoop.gap"
    assert one.record.time_unix_nano == OFFSET + SPAN[0]
    assert one.record.observed_time_unix_nano == OBSERVED
