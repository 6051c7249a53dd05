"""Floods against a whole agent, from the kernel to a far side: every one accounted, both sums."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from accounts import (
    Metrics,
    check_arrivals,
    check_both_sums,
    gaps,
    logs_in,
    metrics_in,
    newest,
    total,
)
from far_sides import HttpDestination
from flood import NUMBER, Sender, ignorer, sender
from otlp_binary import unix_ns
from otlp_json import LogRecord
from real_collector import wait_until
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

MILLION, FLOOD = 1_000_003, 200_003
COUNT, LAST = "killsnoop.signal.count", "killsnoop.signal.last_time"
SOURCE, TARGET = "killsnoop.source.process.pid", "killsnoop.target.process.pid"


@pytest.fixture
def target() -> Iterator[int]:
    """A process that ignores the flood's signal."""
    with ignorer(NUMBER) as pid:
        yield pid


def start(agent: RunningAgent, far_side: HttpDestination, *arguments: str) -> None:
    agent.start(
        *("--print", "none", "-i", str(NUMBER)),
        *arguments,
        OTEL_EXPORTER_OTLP_ENDPOINT=far_side.url.removesuffix("/v1/logs"),
    )


def accounted(far_side: HttpDestination) -> tuple[Metrics, list[LogRecord]]:
    """The last metrics and all log records, after a look at both sums and all that arrived."""
    metrics, arrived = newest(metrics_in(far_side.got)), logs_in(far_side.got)
    check_both_sums(metrics)
    check_arrivals(metrics, arrived)
    # And what was folded was told: all but what the kernel filtered and lost is in the records.
    kept = total(metrics, "killsnoop.events.submitted") + total(metrics, "killsnoop.events.folded")
    assert total(metrics, "killsnoop.signals") == kept
    return metrics, arrived


def signals_to(pid: int, arrived: list[LogRecord]) -> list[LogRecord]:
    return [
        one
        for one in arrived
        if one.attributes["killsnoop.event"] == "signal" and one.resource.get(TARGET) == pid
    ]


def told(records: list[LogRecord]) -> int:
    """How many signals these records tell of."""
    return sum(one.attributes.get(COUNT, 1) for one in records)


@pytest.mark.parametrize("senders", [1, 2])
def test_folded_floods_arrive_to_the_last_signal(
    agent: RunningAgent, far_side: HttpDestination, target: int, senders: int
) -> None:
    start(agent, far_side, "--fold-burst", "16")
    with ExitStack() as opened:
        sources = [opened.enter_context(sender(f"flooder-{n}")) for n in range(senders)]
        threads = [
            threading.Thread(target=one.flood, args=(target, NUMBER, MILLION)) for one in sources
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert agent.stop() == 0
    metrics, arrived = accounted(far_side)
    mine = signals_to(target, arrived)
    for one in sources:
        assert told([r for r in mine if r.resource[SOURCE] == one.pid]) == MILLION
    assert not gaps(arrived)
    assert metrics["killsnoop.events.lost"].total() == 0
    assert metrics["killsnoop.events.folded"][f"SIGRTMIN+{NUMBER - 34}"] == told(
        [one for one in mine if COUNT in one.attributes]
    )


def test_an_agent_that_stops_in_the_middle_has_told_all_it_saw(
    agent: RunningAgent, far_side: HttpDestination, target: int
) -> None:
    """Maps are turned and emptied for the last time while both senders go on."""
    start(agent, far_side, "--fold-burst", "1")
    stopped = threading.Event()

    def go_on(source: Sender) -> None:
        while not stopped.is_set():
            source.flood(target, NUMBER, FLOOD)

    with sender("one") as one, sender("other") as other:
        threads = [threading.Thread(target=go_on, args=(each,)) for each in (one, other)]
        for thread in threads:
            thread.start()
        wait_until(
            lambda: any(COUNT in r.attributes for r in logs_in(list(far_side.got))),
            20,
            "repeats to arrive while the flood goes on",
            agent.log,
        )
        assert agent.stop() == 0
        stopped.set()
        for thread in threads:
            thread.join()
    metrics, arrived = accounted(far_side)
    name = f"SIGRTMIN+{NUMBER - 34}"
    assert told(signals_to(target, arrived)) == metrics["killsnoop.events.generated"][name]
    assert metrics["killsnoop.events.lost"].total() == 0


def test_who_sent_repeats_is_told_though_the_agent_was_far_behind(
    agent: RunningAgent, far_side: HttpDestination, target: int
) -> None:
    """It lived and died while thousands of records before its own were not read yet."""
    start(agent, far_side, "--fold-burst", "16")
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        subprocess.run(
            ["dash", "-c", "i=0; while [ $i -lt 2503 ]; do (:); i=$((i+1)); done"], check=True
        )
        with sender("behind") as one:
            one.flood(target, NUMBER, FLOOD)
        time.sleep(1.1)  # so that repeats are due at once
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    wait_until(
        lambda: any(COUNT in r.attributes for r in logs_in(list(far_side.got))),
        20,
        "the repeats",
        agent.log,
    )
    assert agent.stop() == 0
    _, arrived = accounted(far_side)
    mine = signals_to(target, arrived)
    assert told(mine) == FLOOD
    repeats = [r for r in mine if COUNT in r.attributes]
    assert repeats
    lineages = {
        (
            r.resource["killsnoop.source.process.executable.name"],
            r.resource["killsnoop.source.process.tree"],
            tuple(r.resource["killsnoop.source.process.command_args"]),
        )
        for r in mine
    }
    assert len(lineages) == 1
    assert lineages.pop()[0] == "behind"
    assert not any("killsnoop.source.process.known_from" in r.resource for r in repeats)


def test_what_finds_the_ring_full_is_told_exactly(
    agent: RunningAgent, far_side: HttpDestination, target: int
) -> None:
    """How many, why, and from when to when, by records of their own."""
    start(agent, far_side, "--fold-burst", "0", "--ring-size", "64KiB")
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        with sender("flooder") as one:
            began = time.time_ns()
            one.flood(target, NUMBER, 20_011)
            ended = time.time_ns()
            # Lives go on into what is left, and then are lost too.
            subprocess.run(
                ["dash", "-c", "i=0; while [ $i -lt 503 ]; do (:); i=$((i+1)); done"], check=True
            )
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    wait_until(lambda: bool(gaps(logs_in(list(far_side.got)))), 20, "a gap to be told", agent.log)
    assert agent.stop() == 0
    metrics, arrived = accounted(far_side)
    mine = signals_to(target, arrived)
    lost = metrics["killsnoop.events.lost"]
    assert gaps(arrived) == +lost
    assert lost["ring_short"] + lost["ring_full"] == 20_011 - len(mine) > 10_000
    assert lost["lives"] == metrics["killsnoop.table.events.lost"].total() > 0
    for one in arrived:
        if one.attributes.get("killsnoop.lost.reason") == "ring_short":
            first, last = one.time, unix_ns(one.attributes["killsnoop.lost.last_time"])
            # Two clocks, read one after the other, may differ by some.
            assert began - 10**6 < first < last < ended + 10**6
            assert first > max(r.time for r in mine if r.time < ended) - 10**6
