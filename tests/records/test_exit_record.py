"""The end of a process by a signal, as a record of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from any_signals import deaths
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_signals import (
    BOOT_ID,
    OBSERVED,
    OFFSET,
    RESOURCE,
    death,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Death
from otel_killsnoop.records.attributes import names
from otel_killsnoop.records.exit import ExitEncoder, lasted
from otel_killsnoop.records.record import Encoder


@pytest.fixture
def encoder() -> ExitEncoder:
    return ExitEncoder(RESOURCE, BOOT_ID, 8, OFFSET)


def test_a_death_by_its_text(encoder: ExitEncoder, read: Callable[..., Any]) -> None:
    one = death(usual_lineage(process(), 1), 11 | 0x80, killer=255)
    (got,) = read(encoder.encode([one], OFFSET, OBSERVED)[0])
    assert got.attributes == {
        "killsnoop.event": "exit",
        "killsnoop.exit.signal.number": 11,
        "killsnoop.exit.signal.name": "SIGSEGV",
        "killsnoop.exit.code": 139,
        "killsnoop.exit.core_dumped": True,
        "killsnoop.exit.run_time": 12.304118222,
        "killsnoop.exit.killed_by": f"{BOOT_ID}-00000000000000ff",
        "log.record.uid": f"{BOOT_ID}-{one.sequence:016x}",
    }
    assert got.record.body.string_value == "nginx[1234] died of SIGSEGV after 12.3 s"
    assert (got.record.severity_number, got.record.severity_text) == (13, "WARN")
    assert got.record.event_name == "killsnoop.exit"
    assert got.record.time_unix_nano == one.time + OFFSET
    assert got.record.observed_time_unix_nano == OBSERVED
    assert got.resource["killsnoop.target.process.tree"] == "nginx[1234] < systemd[1]"
    assert not any(name.startswith("killsnoop.source") for name in got.resource)


def test_its_target_is_said_as_in_the_signals_record(
    encoder: ExitEncoder, read: Callable[..., Any]
) -> None:
    target = usual_lineage(process(title=b"t", login_uid=7), 8)
    signals = Encoder(RESOURCE, BOOT_ID, 8, OFFSET)
    (sent,) = read(signals.encode([joined(None, target)], OFFSET, OBSERVED)[0])
    sharing = ExitEncoder(RESOURCE, BOOT_ID, 8, OFFSET, target=signals.target)
    for one in (encoder, sharing):
        (died,) = read(one.encode([death(target)], OFFSET, OBSERVED)[0])
        assert died.resource == sent.resource


@given(st.lists(deaths(), max_size=6), st.sampled_from([1, 3_000, 1_000_000]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_deaths_are_read_back_in_their_order(
    read: Callable[..., Any], some: list[Death], limit: int
) -> None:
    encoder = ExitEncoder(RESOURCE, BOOT_ID, 3, OFFSET, max_request_bytes=limit)
    requests = encoder.encode(some, OFFSET, OBSERVED)
    assert all(len(one.body) <= limit or one.records == 1 for one in requests)
    records = [record for one in requests for record in read(one)]
    assert len(records) == len(some)
    for one, got in zip(some, records, strict=True):
        signal = one.status & 0x7F
        assert got.attributes["killsnoop.exit.signal.number"] == signal
        assert got.attributes["killsnoop.exit.signal.name"] == unixsignals.name(signal)
        assert got.attributes["killsnoop.exit.code"] == 128 + signal
        assert got.attributes["killsnoop.exit.core_dumped"] is (one.status >= 128)
        assert got.attributes["killsnoop.exit.run_time"] == one.run_time / 1e9
        assert ("killsnoop.exit.killed_by" in got.attributes) is (one.killer is not None)
        assert got.resource["killsnoop.target.process.pid"] == one.target.process.pid
        assert got.resource.keys() | got.attributes.keys() <= names()


def test_what_is_cut_is_named(encoder: ExitEncoder, read: Callable[..., Any]) -> None:
    (got,) = read(encoder.encode([death(lineage(process(title=b"x" * 3000)))], OFFSET, OBSERVED)[0])
    assert got.attributes["killsnoop.truncated"] == ["killsnoop.target.process.title"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 ms"),
        (0.0009, "0 ms"),
        (0.5, "500 ms"),
        (1, "1.0 s"),
        (12.345, "12.3 s"),
        (119.9, "119.9 s"),
        (120, "2.0 min"),
        (7_199, "120.0 min"),
        (7_200, "2.0 h"),
        (172_800, "2.0 d"),
        (86_400_000, "1000.0 d"),
    ],
)
def test_how_long_it_ran_is_short_to_read(seconds: float, expected: str) -> None:
    assert lasted(int(seconds * 1_000_000_000)) == expected
