"""A bounded cache in two generations: what was not asked for during a whole generation goes.

Nearly a least-recently-used cache, but a hit costs one dict look-up and nothing is moved about.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Costed(Protocol):
    """Something that knows about how many bytes of memory it holds."""

    @property
    def cost(self) -> int: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Costed)


class Recent(Generic[K, V]):
    """At most twice ``budget`` bytes of values (by their ``cost``), the recently used ones.

    Keys that are compared by identity are kept alive, so an identity is never mistaken.
    """

    __slots__ = ("_budget", "_old", "_spent", "_young")

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._spent = 0
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: K) -> V | None:
        """The value put under this key, or None when there is none or it was let go."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep the value, and let go of the old generation when the young one is full."""
        self._spent += value.cost
        if self._spent > self._budget:
            self._old, self._young, self._spent = self._young, {}, value.cost
        self._young[key] = value
