"""Signals of real processes, through the real agent and the real Collector, and read back."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from fields_document import AGENT, SOURCE, TARGET, documented
from otlp_json import LogRecord, MetricPoint
from real_collector import Collector
from real_processes import RARE, RARE_NAME, Subject, above, comm_of, tree
from running_agent import RunningAgent

pytestmark = [pytest.mark.kernel, pytest.mark.collector]

EACH = 42
SELECT = ("-i", f"{RARE_NAME},HUP,TERM,KILL", "-d", "32")
SLACK = 50_000_000  # ns; the agent reads the boot clock and the real one one after the other
SEVERITY = {RARE: (5, "DEBUG"), 1: (9, "INFO"), 15: (9, "INFO"), 9: (13, "WARN")}
NAMES = {RARE: RARE_NAME, 1: "SIGHUP", 15: "SIGTERM", 9: "SIGKILL"}
PLACES = {"process.linux.cgroup", "container.id", "k8s.pod.uid", "systemd.unit"}
USUAL = set(
    "process.pid process.parent_pid process.creation.time process.executable.name "
    "process.executable.path process.command_line process.command_args process.args_count "
    "process.user.id process.user.name process.tree process.ancestors.pids "
    "process.ancestors.names process.ancestors.command_lines".split()
)

RECEIVER = """
os.setpgid(0, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(RARE, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=time.sleep, args=[600], daemon=True).start()
say(*map(int, os.listdir("/proc/self/task")))
wait()
"""

# After SIGKILL, which ends what it is sent to, nothing is sent.
SENDER = f"""
libc = ctypes.CDLL(None)
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
target, thread = map(int, sys.argv[1:])
ways = [
    lambda: os.kill(target, RARE),
    lambda: libc.tgkill(target, thread, RARE),
    lambda: libc.sigqueue(target, RARE, 7),
    lambda: os.kill(target, signal.SIGHUP),
    lambda: os.kill(target, signal.SIGTERM),
]
for way in [*ways * {EACH}, lambda: os.killpg(target, signal.SIGKILL)]:
    before = time.time_ns()
    way()
    say(before, time.time_ns())
wait()
"""


class Sent(NamedTuple):
    """A signal as the sender knows it; the clock is Unix nanoseconds."""

    number: int
    call: str
    code: str
    scope: str
    result: str
    disposition: str


SENT = [
    *[
        Sent(RARE, "kill", "SI_USER", "process", "delivered", "handled"),
        Sent(RARE, "tgkill", "SI_TKILL", "thread", "delivered", "handled"),
        Sent(RARE, "rt_sigqueueinfo", "SI_QUEUE", "process", "delivered", "handled"),
        Sent(1, "kill", "SI_USER", "process", "ignored", "ignored"),
        Sent(15, "kill", "SI_USER", "process", "already_pending", "blocked"),
    ]
    * EACH,
    Sent(9, "kill", "SI_USER", "group", "delivered", "default"),
]
SENT[4] = SENT[4]._replace(result="delivered")  # the first of those that are blocked there


class Workload(NamedTuple):
    """Who sent, to whom, to which of its threads, and the clock around each sending."""

    source: Subject
    target: Subject
    thread: int
    clock: list[list[int]]

    def is_mine(self, record: LogRecord) -> bool:
        """Whether a record is of one of these signals."""
        resource = record.resource
        return (
            resource.get("killsnoop.source.process.pid") == self.source.pid
            and resource.get("killsnoop.target.process.pid") == self.target.pid
        )


@pytest.fixture
def workload() -> Iterator[Callable[[], Workload]]:
    """workload(): send all of SENT; both processes are there until the test is over."""
    made: list[Subject] = []

    def run() -> Workload:
        target = Subject(RECEIVER, ignores=False)
        made.append(target)
        thread = next(tid for tid in target.heard() if tid != target.pid)
        source = Subject(SENDER, str(target.pid), str(thread))
        made.append(source)
        clock = [source.heard() for _ in SENT]
        return Workload(source, target, thread, clock)

    yield run
    for one in made:
        one.end()


@pytest.fixture
def absent(collector_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A Collector that is not started yet."""
    one = Collector(collector_binary, tmp_path_factory.mktemp("collector"))
    yield one
    one.stop()


def ship_to(collector: Collector, protocol: str) -> dict[str, str]:
    """The agent's variables."""
    return {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": (
            collector.grpc_url if protocol == "grpc" else collector.http_url
        ),
    }


def in_order(records: list[LogRecord]) -> list[LogRecord]:
    """As the kernel raised them, each once."""
    uids = [record.attributes["log.record.uid"] for record in records]
    assert len(set(uids)) == len(uids)
    return [record for _, record in sorted(zip(uids, records, strict=True), key=lambda p: p[0])]


def check_each(load: Workload, records: list[LogRecord]) -> None:
    """Every signal of the workload, once, with what is said of it itself."""
    told = in_order(records)
    assert len(told) == len(SENT)
    source, target = comm_of(load.source.pid), comm_of(load.target.pid)
    for sent, (before, after), record in zip(SENT, load.clock, told, strict=True):
        thread = load.thread if sent.scope == "thread" else load.target.pid
        attributes = dict(record.attributes)
        assert attributes.pop("event.name") == "killsnoop.signal"  # by the Collector
        uid = attributes.pop("log.record.uid")
        assert re.fullmatch(r"[0-9a-f-]{36}-[0-9a-f]{16}", uid)
        attributes.pop("killsnoop.truncated", None)  # the tests' own forebears have long lines
        how = attributes.pop("killsnoop.target.signal.disposition")
        # While the handler runs for the one before, the signal is blocked.
        assert how == sent.disposition or (sent.number == RARE and how == "blocked")
        if sent.scope == "group":
            assert attributes.pop("killsnoop.signal.argument") == -load.target.pid
            assert attributes.pop("killsnoop.signal.group.size") == 1
            assert attributes.pop("killsnoop.signal.group.id") == uid
        assert attributes == {
            "killsnoop.event": "signal",
            "killsnoop.signal.number": sent.number,
            "killsnoop.signal.name": NAMES[sent.number],
            "killsnoop.signal.code": sent.code,
            "killsnoop.signal.cause": "user",
            "killsnoop.signal.call": sent.call,
            "killsnoop.signal.scope": sent.scope,
            "killsnoop.signal.result": sent.result,
            "killsnoop.source.thread.id": load.source.pid,
            "killsnoop.target.thread.id": thread,
        }
        name = NAMES[sent.number]
        assert (
            record.body == f"{name} from {source}[{load.source.pid}] to {target}[{load.target.pid}]"
        )
        assert (record.severity_number, record.severity_text) == SEVERITY[sent.number]
        assert record.event_name == "killsnoop.signal"
        assert record.scope == "otel_killsnoop"
        assert before - SLACK <= record.time <= after + SLACK
        assert record.observed_time >= record.time - SLACK


def check_resource(load: Workload, record: LogRecord) -> None:
    """Exactly the names of the document, and the values that the test knows."""
    own = documented(AGENT)
    names = set(own)
    sides = (("source", SOURCE, load.source), ("target", TARGET, load.target))
    for which, section, subject in sides:
        prefix = f"killsnoop.{which}."
        types = documented(section)
        told = {
            name.removeprefix(prefix): value
            for name, value in record.resource.items()
            if name.startswith(prefix)
        }
        assert USUAL <= set(told) <= USUAL | PLACES
        assert ("process.linux.cgroup" in told) is not ("container.id" in told)
        for name, value in told.items():
            assert _type(value) == types[prefix + name], name
        names |= {prefix + name for name in told}
        assert told["process.command_args"] == subject.args
        assert told["process.ancestors.pids"] == above(subject.pid)
        if which == "source":
            assert told["process.tree"] == tree(subject.pid, *above(subject.pid))
        assert (told["process.user.id"], told["process.user.name"]) == (0, "root")
    assert set(record.resource) == names
    for name, kind in own.items():
        assert _type(record.resource[name]) == kind, name
    assert record.resource["service.name"] == "otel-killsnoop"


def _type(value: object) -> str:
    if isinstance(value, list):
        return _type(value[0]) + "[]"
    return {str: "string", int: "int"}[type(value)]


def waiting(agent: RunningAgent) -> int:
    """How many requests are in the spool."""
    return len(list(agent.spool.glob("*.otlp.gz")))


def is_stop(agent_pid: int) -> Callable[[LogRecord], bool]:
    """Whether a record is of the SIGTERM that stopped an agent."""
    return lambda record: (
        record.resource.get("killsnoop.target.process.pid") == agent_pid
        and record.attributes["killsnoop.signal.number"] == signal.SIGTERM
    )


def last_metrics(points: list[MetricPoint]) -> dict[str, Counter[str]]:
    """The newest value of every metric by the value of its first attribute, of one agent."""
    last: dict[tuple[str, str], tuple[int, int]] = {}
    for point in points:
        key = (point.name, next(iter(point.attributes.values()), ""))
        last[key] = max(last.get(key, (0, 0)), (point.time, point.value))
    newest = max(time for time, _ in last.values())
    made: dict[str, Counter[str]] = defaultdict(Counter)
    for (name, by), (time, value) in last.items():
        assert time == newest, name
        made[name][by] = value
    return made


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_every_signal_arrives_once_with_all_that_is_known(
    agent: RunningAgent,
    collector: Callable[..., Collector],
    workload: Callable[[], Workload],
    protocol: str,
) -> None:
    real = collector()
    agent.start(*SELECT, **ship_to(real, protocol))
    load = workload()
    records = real.wait_records(len(SENT), load.is_mine)
    check_each(load, records)
    for record in records:
        check_resource(load, record)

    agent_pid = agent.pid
    assert agent.stop() == 0
    [stop] = real.wait_records(1, is_stop(agent_pid))
    assert stop.resource["killsnoop.source.process.pid"] == os.getpid()
    assert stop.attributes["killsnoop.signal.result"] == "delivered"
    assert waiting(agent) == 0

    real.wait_metrics(lambda point: point.name == "killsnoop.events.generated")
    metrics = last_metrics(real.metrics())
    check_accounts(metrics)
    everything = [one for one in real.records() if one.event_name == "killsnoop.signal"]
    in_order(everything)
    assert metrics["killsnoop.events.filtered"]["SIGCHLD"] > 0
    submitted = metrics["killsnoop.events.submitted"]
    by_name = Counter(one.attributes["killsnoop.signal.name"] for one in everything)
    assert +submitted == by_name
    assert by_name[RARE_NAME] == 3 * EACH
    assert metrics["killsnoop.records.spooled"].total() == len(real.records())


def check_accounts(metrics: dict[str, Counter[str]]) -> None:
    """Every number of one agent's metrics is accounted for."""
    events = {
        what: metrics[f"killsnoop.events.{what}"]
        for what in ("generated", "filtered", "folded", "submitted", "lost", "undecodable")
    }
    lost = {
        name: count - sum(events[what][name] for what in ("filtered", "folded", "submitted"))
        for name, count in events["generated"].items()
    }
    assert min(lost.values()) >= 0
    assert sum(lost.values()) == events["lost"]["ring_full"] == 0
    assert events["generated"]["SIGCHLD"] == events["filtered"]["SIGCHLD"]
    records = {
        what: metrics[f"killsnoop.records.{what}"].total()
        for what in "recovered made spooled delivered rejected evicted on_disk unspooled".split()
    }
    made = metrics["killsnoop.records.made"]
    assert events["submitted"].total() == events["undecodable"].total() + made["signal"]
    assert (
        records["made"] == records["spooled"] == made["signal"] + made["exit"] + made["accounting"]
    )
    assert (
        records["recovered"] + records["spooled"]
        == records["delivered"] + records["rejected"] + records["evicted"] + records["on_disk"]
    )
    assert records["rejected"] == records["evicted"] == records["unspooled"] == 0


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_comes_later_gets_everything(
    agent: RunningAgent, absent: Collector, workload: Callable[[], Workload], protocol: str
) -> None:
    agent.start(*SELECT, **ship_to(absent, protocol))
    load = workload()
    absent.start()
    check_each(load, absent.wait_records(len(SENT), load.is_mine, timeout=30))
    agent_pid = agent.pid
    assert agent.stop() == 0
    absent.wait_records(1, is_stop(agent_pid))
    assert len(list(filter(load.is_mine, absent.records()))) == len(SENT)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_an_agent_could_not_send_before_it_was_stopped_the_next_one_sends(
    agent: RunningAgent, absent: Collector, workload: Callable[[], Workload], protocol: str
) -> None:
    agent.start(*SELECT, **ship_to(absent, protocol))
    load = workload()
    first = agent.pid
    assert agent.stop(timeout=10) == 0
    assert waiting(agent) > 0
    absent.start()
    agent.start(*SELECT, **ship_to(absent, protocol))
    check_each(load, absent.wait_records(len(SENT), load.is_mine))
    second = agent.pid
    assert agent.stop() == 0
    absent.wait_records(1, is_stop(second))
    everything = in_order(
        [one for one in absent.records() if one.event_name != "killsnoop.accounting"]
    )
    assert [is_stop(first)(one) for one in everything].count(True) == 1
    assert [load.is_mine(one) for one in everything].count(True) == len(SENT)
    absent.wait_metrics(lambda point: point.name == "killsnoop.records.recovered")
    metrics = last_metrics(absent.metrics())
    check_accounts(metrics)
    # What is in the spool is no surprise: the ledger told of it.
    assert metrics["killsnoop.records.recovered"].total() == 0
    assert metrics["killsnoop.records.made"]["signal"] > len(SENT)
    assert metrics["killsnoop.records.made"]["accounting"] == 2
