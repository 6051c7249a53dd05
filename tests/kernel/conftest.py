"""What tests on the real kernel share: an agent, and who is signalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from real_processes import Subject
from running_agent import RunningAgent
from watching import SELECT


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent for all tests that need no other options, older than their processes."""
    one = RunningAgent(tmp_path_factory.mktemp("watching"))
    one.start(*SELECT)
    yield one
    one.end()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """One agent that records every signal of the host, older than the tests' processes."""
    one = RunningAgent(tmp_path_factory.mktemp("everything"))
    # Others' floods shall not drown what the tests look for.
    one.start("--print", "json", "-e", "none", "-d", "4", "--fold-burst", "16",
              "--ring-size", "64MiB")  # fmt: skip
    yield one
    one.end()


@pytest.fixture
def subject() -> Iterator[Callable[..., Subject]]:
    """subject(lines, *args): a process of the test's own, ended with the test."""
    made: list[Subject] = []

    def start(lines: str, *args: str | bytes, **options: Any) -> Subject:
        one = Subject(lines, *args, **options)
        made.append(one)
        return one

    yield start
    for one in made:
        one.end()
