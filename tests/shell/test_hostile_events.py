"""Whatever bytes come out of the ring: the way through all rooms ends in valid records and text.

The decoder is tested by a million samples of its own; here what it makes of them goes on, to
requests that the official classes can read, and to lines that a terminal can bear.
"""

from __future__ import annotations

import io
import json

import otlp_binary
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spoiled_records import GOOD, SPOILED

from otel_killsnoop.settings import load
from otel_killsnoop.stations import Stations
from otel_killsnoop.terminal.output import printer

MADE_AT, OFFSET = 1 << 40, 1_700_000_000 * 10**9
PRINTED = ("tree", "logfmt", "json")

# More that is well formed than in the decoder's own test, for the rest would end there.
BATCH = st.lists(st.one_of(st.sampled_from(GOOD), SPOILED), min_size=1, max_size=8)
TIME = slice(8, 16)


def _timed(one: bytes, at: int) -> bytes:
    """The kernel's own clock is in every record: nobody can spoil that."""
    time = (MADE_AT + at).to_bytes(8, "little")
    return one[: TIME.start] + time + one[TIME.stop :] if len(one) >= TIME.stop else one


@pytest.fixture(scope="module")
def stations() -> Stations:
    return Stations(load({"print": "json"}, {"OTEL_LOGS_EXPORTER": "otlp"}, False), MADE_AT)


@settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(BATCH)
def test_any_batch_becomes_valid_records_and_text(stations: Stations, batch: list[bytes]) -> None:
    before = stations.undecodable
    events = stations.decode([(at * 4096, _timed(one, at)) for at, one in enumerate(batch)])
    ready, rest = stations.judge(events, len(events))
    assert not rest
    applied = stations.apply(ready, len(ready))
    assert not applied.rest
    requests = stations.encode(applied.joined, OFFSET)
    requests += stations.encode_deaths(applied.deaths, OFFSET)
    records = list(otlp_binary.log_records(one.body for one in requests))
    assert len(records) == sum(one.records for one in requests)
    assert len(records) == len(applied.joined) + len(applied.deaths)
    assert stations.undecodable - before <= len(batch)
    for kind in PRINTED:
        stream = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n")
        made = printer(kind, stream, 32)
        assert made is not None
        for one in applied.joined:
            made.print(one, OFFSET, stations.flat(one, OFFSET) if made.needs_flat else None)
        for death in applied.deaths:
            flat = stations.flat_death(death, OFFSET) if made.needs_flat else None
            made.print_death(death, OFFSET, flat)
        made.flush()
        stream.seek(0)
        text = stream.read()
        assert all(line.isprintable() for line in text.split("\n")), text
        if kind == "json":
            assert len([json.loads(line) for line in text.splitlines()]) == len(records)
