"""All counts as one record: it adds up by itself, and says what the metrics say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accounts import FATES, LOST, MADE, check_record
from made_signals import BOOT_ID, OBSERVED, OFFSET, RESOURCE

from otel_killsnoop.model import NUMBERS, Ended, KernelCounts, ShippingCounts, TableCounts
from otel_killsnoop.records.accounting import AccountingEncoder
from otel_killsnoop.records.accounting_attributes import ACCOUNTING
from otel_killsnoop.records.metrics import Counts

ZEROS = (0,) * (NUMBERS - 2)
SINCE = 1_764_100_000_123_000_000
COUNTS = Counts(
    KernelCounts(
        generated=(1000, 100, *ZEROS),
        filtered=(500, 0, *ZEROS),
        folded=(0, 50, *ZEROS),
        lost=(7, 0, *ZEROS),
        submitted=(493, 50, *ZEROS),
    ),
    ShippingCounts(
        *(5, 550, 300, 4, 40, 200),
        unspooled=3,
        in_memory=9,
        missing=11,
    ),
    TableCounts(),
    {},
    2,
    # The last one of them is the record itself.
    {"signal": 500, "exit": 50, "gap": 10, "accounting": 1},
    left_out=21,
    ended=Ended(reread=10, orphaned=30, unnoted=2),
)


def test_it_adds_up_and_says_what_was_counted(read: Callable[..., Any]) -> None:
    encoder = AccountingEncoder(RESOURCE, BOOT_ID)
    (one,) = read(encoder.encode(COUNTS, SINCE, 255, OFFSET, OBSERVED))
    told = {name.removeprefix("killsnoop."): value for name, value in one.attributes.items()}
    assert check_record(told) == 563 + 5 - 4 - 40 - 3 - 11
    assert {
        name for name in one.attributes if name not in ("killsnoop.event", "log.record.uid")
    } == {attribute.name for attribute in ACCOUNTING}
    assert told["event"] == "accounting"
    assert told["accounting.since"] == "2025-11-25T19:46:40.123Z"
    assert (told["events.generated"], told["events.submitted"]) == (1100, 543)
    assert (told["events.recorded"], told["records.on_disk"]) == (500, 201)
    assert {f"records.{name}" for name in (*MADE, *LOST, *FATES)} <= told.keys()
    assert told["log.record.uid"] == f"{BOOT_ID}-accounting-00000000000000ff"
    assert one.record.event_name == "killsnoop.accounting"
    assert one.record.severity_text == "INFO"
    assert one.record.time_unix_nano == OFFSET + 255
    assert one.record.body.string_value == (
        "accounts since 2025-11-25T19:46:40.123Z: 1100 signals generated, 500 recorded, 37 lost"
    )
