"""Repeats beyond a burst: counted in the kernel, told by one record a second, none lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flood import NUMBER, ignorer, loop, sender
from puppet import puppet
from running_agent import Record, RunningAgent

from otel_killsnoop.model import Folded, Signal
from otel_killsnoop.tracer import load
from otel_killsnoop.tracer.decode import Decoder
from otel_killsnoop.tracer.options import Options

pytestmark = pytest.mark.kernel

FLOOD = 1_000_003
BURST = 16


@pytest.fixture
def target() -> Iterator[int]:
    """A process that ignores the flood's signal."""
    with ignorer(NUMBER) as pid:
        yield pid


def to(pid: int) -> Callable[[Record], bool]:
    return lambda one: (
        one["killsnoop.event"] == "signal" and one["killsnoop.target.process.pid"] == pid
    )


def told(records: list[Record]) -> int:
    """How many signals these records tell of."""
    return sum(one.get("killsnoop.signal.count", 1) for one in records)


@pytest.mark.parametrize("senders", [1, 2])
def test_a_flood_is_accounted_to_the_last_signal(
    agent: RunningAgent, target: int, senders: int
) -> None:
    agent.start("--print", "json", "-i", str(NUMBER), "--fold-burst", str(BURST))
    with ExitStack() as opened:
        sources = [opened.enter_context(sender(f"flooder-{n}")) for n in range(senders)]
        threads = [
            threading.Thread(target=one.flood, args=(target, NUMBER, FLOOD)) for one in sources
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert agent.stop() == 0
        pids = {one.pid for one in sources}
    records = agent.records(to(target))
    assert told(records) == senders * FLOOD
    by_source = {pid: [r for r in records if r["killsnoop.source.process.pid"] == pid]
                 for pid in pids}  # fmt: skip
    for mine in by_source.values():
        assert told(mine) == FLOOD
        repeats = [one for one in mine if "killsnoop.signal.count" in one]
        singly = [one for one in mine if "killsnoop.signal.count" not in one]
        assert repeats
        assert BURST <= len(singly) < FLOOD // 100
        for one in repeats:
            assert one["time"] <= one["killsnoop.signal.last_time"]
            assert (
                one["killsnoop.source.process.command_args"]
                == singly[0]["killsnoop.source.process.command_args"]
            )
    uids = [one["log.record.uid"] for one in records]
    assert len(set(uids)) == len(uids)
    assert ", 0 lost" in agent.log()


def test_what_differs_is_not_folded(agent: RunningAgent) -> None:
    """Many targets, each hit once: a record each."""
    agent.start("--print", "json", "-i", str(NUMBER), "--fold-burst", "1")
    victims = [subprocess.Popen(["sleep", "600"]) for _ in range(101)]
    for one in victims:
        os.kill(one.pid, NUMBER)
        one.wait()
    assert agent.stop() == 0
    mine = {one.pid for one in victims}
    records = agent.records(
        lambda one: (
            one["killsnoop.event"] == "signal" and one["killsnoop.target.process.pid"] in mine
        )
    )
    assert len(records) == len(mine)
    assert not any("killsnoop.signal.count" in one for one in records)


def test_each_code_call_and_result_is_counted_apart(agent: RunningAgent) -> None:
    """The same two, the same number: yet what was done, and what came of it, stay told apart."""
    agent.start("--print", "json", "-i", str(NUMBER), "--fold-burst", "1")
    sent: Counter[tuple[str, str, str]] = Counter()
    with puppet() as source, puppet() as target:
        for handling, result in (("ignore", "ignored"), ("block", "delivered")):
            target.do(handling, *([[NUMBER]] if handling == "ignore" else []))
            for call, code, count in (
                ("kill", "SI_USER", 1009),
                ("rt_sigqueueinfo", "SI_QUEUE", 1013),
                ("tgkill", "SI_TKILL", 1019),
            ):
                assert source.do("send", 0, call, target.pid, target.pid, NUMBER, count) == count
                sent[call, code, result] = count
        pid = target.pid
    assert agent.stop() == 0
    found: Counter[tuple[str, str, str]] = Counter()
    for one in agent.records(to(pid)):
        what = ("call", "code", "result")
        found[tuple(one[f"killsnoop.signal.{name}"] for name in what)] += one.get(  # type: ignore[index]
            "killsnoop.signal.count", 1
        )
    assert found == sent


def test_zero_records_all_singly(agent: RunningAgent, target: int) -> None:
    agent.start("--print", "json", "-i", str(NUMBER), "--fold-burst", "0")
    loop()(target, NUMBER, 3001)
    assert agent.stop() == 0
    records = agent.records(to(target))
    assert (len(records), told(records)) == (3001, 3001)


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_every_turn_of_the_epoch_adds_up(target: int, direct: bool) -> None:
    """Two senders at full speed, and the maps turned and emptied as fast as can be."""
    code = f"from flood import loop; loop()({target}, {NUMBER}, {FLOOD // 4})"
    path = {**os.environ, "PYTHONPATH": os.path.dirname(sys.modules["flood"].__file__ or "")}
    tracer = load.attach(Options(recorded=frozenset({NUMBER}), burst=1, direct=direct))
    try:
        decoder = Decoder(tracer.made_at)
        children = [subprocess.Popen([sys.executable, "-c", code], env=path) for _ in range(2)]
        repeats: list[Folded] = []
        recorded = 0

        def gather() -> None:
            nonlocal recorded
            repeats.extend(decoder.folded(tracer.folds.take()))
            tracer.folds.forget()
            events = decoder.decode(tracer.ring.read(1 << 16))
            tracer.ring.commit()
            recorded += sum(isinstance(one, Signal) and one.target_pid == target for one in events)

        while any(one.poll() is None for one in children):
            gather()
        tracer.detach()
        gather()
        counts = tracer.counts()
    finally:
        tracer.close()
    folded = sum(one.repeats for one in repeats if one.target_pid == target)
    assert folded + recorded == 2 * (FLOOD // 4)
    assert folded <= counts.folded[NUMBER]  # others may send it as well
    assert counts.lost[NUMBER] == 0
    assert len({one.sequence for one in repeats}) == len(repeats)
    assert all(one.time <= one.last for one in repeats)
