"""What all rooms' tests share: a real Collector, an agent, a signal; and nothing real is skipped.

With KILLSNOOP_REQUIRE_KERNEL=1 in the environment (as .ci/run sets it) a test marked `kernel`,
`collector` or `image` that is skipped or expected to fail is a failure: a green run there means
that the real kernel, Collector and image were used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_collector import REPOSITORY, Collector
from running_agent import RunningAgent

# Real-time ones that systemd has no meaning for, nor our other tests.
_CANDIDATES = (51, 52, 53, 59, 41, 42, 43, 44, 46)


REAL_THINGS = ("kernel", "collector", "image")


def pytest_configure() -> None:
    """A shell's job in the background ignores these two, and so would every child of a test."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    real = any(item.get_closest_marker(name) for name in REAL_THINGS)
    if real and report.skipped and os.environ.get("KILLSNOOP_REQUIRE_KERNEL") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run here, but: {reason or 'expected to fail'}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail  # or it is still counted as an expected failure


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A module that skips itself whole has no items left to judge: so none may."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("KILLSNOOP_REQUIRE_KERNEL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skips itself whole: {report.longrepr[2]}"


@pytest.fixture(scope="session")
def collector_binary() -> str:
    """The path of a real OpenTelemetry Collector, built first where there is none."""
    made = subprocess.run(
        [REPOSITORY / "tools" / "collector"], stdout=subprocess.PIPE, check=True, text=True
    )
    return made.stdout.strip()


@pytest.fixture
def collector(
    collector_binary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Collector]]:
    """collector(VARIABLE=value, ...): a started Collector with ports and files of its own."""
    started: list[Collector] = []

    def start(**environment: str) -> Collector:
        one = Collector(collector_binary, tmp_path_factory.mktemp("collector"))
        one.environment.update(environment)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    """An agent that is not started yet, with a directory of its own."""
    one = RunningAgent(tmp_path_factory.mktemp("agent"))
    yield one
    one.end()


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
