"""Whatever bytes come out of the ring, in whatever order: events or counts, never an error.

A short round with every run; a million samples, a hundred rounds of ten thousand, by
`make nightly`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from c_records import detailed, execution, record, signal
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer.decode import Decoder

ROUNDS, SAMPLES = 100, 10_000
SIGNAL = b"\1\0\0\0"  # the kind; one that is not understood is a signal that was lost

GOOD = [
    bytes(signal()),
    bytes(signal(result=1)),
    detailed({}),
    execution(b"/bin/sh\0-c\0exit\0", b"/bin/sh\0"),
    *(bytes(record(one)) for one in ("fork", "exit", "oom", "attempt", "cgroup")),
]


def _spoiled(good: bytes, changes: list[tuple[int, bytes]], length: int) -> bytes:
    made = bytearray(good)
    for at, some in changes:
        at %= len(made)
        made[at : at + len(some)] = some
    return bytes(made[: max(0, len(made) + length)]) + bytes(max(0, length))


# A record of the kernel's, some bytes of it changed, cut or with more behind; or nothing like it.
SPOILED = st.builds(
    _spoiled,
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=9)), max_size=4),
    st.one_of(st.just(0), st.integers(-20, 20)),
)
ANY = st.builds(
    lambda kind, rest: bytes([kind, 0, 0, 0]) + rest, st.integers(0, 255), st.binary(max_size=300)
)
BATCH = st.lists(st.one_of(SPOILED, ANY, st.binary(max_size=8)), min_size=1, max_size=4)
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
