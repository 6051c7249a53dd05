"""Hypothesis strategies: records of the kernel's that somebody has spoiled, or nothing like it."""

from __future__ import annotations

from c_records import detailed, execution, record, signal
from hypothesis import strategies as st

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


# A record of the kernel's, some bytes of it changed, cut or with more behind.
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
