"""Whatever bytes come out of the ring, in whatever order: events or counts, never an error.

A short round with every run; a million samples, a hundred rounds of ten thousand, by
`make nightly`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiled_records import BATCH, SIGNAL

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer.decode import Decoder

ROUNDS, SAMPLES = 100, 10_000
MACHINES = st.sampled_from(["x86_64", "aarch64", "s390x", "vax"])


def _check(batch: list[bytes], machine: str) -> None:
    decoder = Decoder(0, machine)
    events = decoder.decode(list(enumerate(batch)))
    assert len(events) + decoder.undecodable == len(batch)
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    signals = sum(isinstance(event, Signal) for event in events)
    said_to_be = sum(one[:4] == SIGNAL for one in batch)
    assert said_to_be <= signals + decoder.undecodable_signals <= len(batch)


@settings(deadline=None, max_examples=500)
@given(BATCH, MACHINES)
def test_spoiled_batches(batch: list[bytes], machine: str) -> None:
    _check(batch, machine)


def _round() -> Callable[[], None]:
    # Made anew for each: examples that were tried are remembered, and a million would not fit.
    @settings(deadline=None, max_examples=SAMPLES, database=None)
    @given(BATCH, MACHINES)
    def tried(batch: list[bytes], machine: str) -> None:
        _check(batch, machine)

    return tried


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_million_spoiled_batches(number: int) -> None:
    _round()()
