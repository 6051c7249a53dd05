"""A scripted far side, and signals whose number the test knows, for whole agents in trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from far_sides import HttpDestination
from ignoring import Targets


@pytest.fixture
def far_side() -> Iterator[HttpDestination]:
    destination = HttpDestination()
    yield destination
    destination.stop()


@pytest.fixture
def targets() -> Iterator[Callable[[int, int], Targets]]:
    """targets(count, size of the argument): made before the agent, ended with the test."""
    made: list[Targets] = []

    def start(count: int, size: int = 20) -> Targets:
        made.append(Targets(count, size))
        return made[-1]

    yield start
    for one in made:
        one.end()
