"""What tests on the real kernel share: a signal of their own, an agent, and who is signalled."""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_processes import Subject
from running_agent import RunningAgent
from watching import SELECT

# Real-time ones that systemd has no meaning for, nor our other tests.
_CANDIDATES = (51, 52, 53, 59, 41, 42, 43, 44, 46)


@pytest.fixture
def own_number() -> Iterator[int]:
    """A signal number that no other run of these tests uses meanwhile, nor any usual program.

    So the counters by number are those of the test's own workload.
    """
    with contextlib.ExitStack() as opened:
        for number in _CANDIDATES:
            path = Path(tempfile.gettempdir(), f"killsnoop-tests-number-{number}")
            file = opened.enter_context(path.open("a"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield number
                return
        raise AssertionError("every number is taken by another run")


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
