"""The cache in two generations, against its promises."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.records.recent import Recent


@dataclass(frozen=True)
class Held:
    key: int
    cost: int


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), max_size=300))
def test_it_is_right_and_bounded(asked: list[tuple[int, int]]) -> None:
    cache: Recent[int, Held] = Recent(100)
    for key, cost in asked:
        held = cache.get(key)
        assert held is None or held.key == key
        if held is None:
            cache.put(key, Held(key, cost))
            assert cache.get(key) == Held(key, cost)
        kept = [cache.get(one) for one in range(51)]
        assert sum(one.cost for one in kept if one) <= 200


def test_what_is_used_stays_while_others_pass() -> None:
    cache: Recent[object, Held] = Recent(100)
    used = object()
    cache.put(used, Held(0, 10))
    for number in range(1000):
        cache.put(object(), Held(number, 10))
        assert cache.get(used) == Held(0, 10)
    assert len(cache) <= 20
