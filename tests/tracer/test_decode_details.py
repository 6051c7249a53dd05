"""What the kernel alone knows of a signal that it raised: terminal, session, namespace, cgroup."""

from __future__ import annotations

import pytest
from c_records import detailed, party, signal
from hypothesis import example, given
from hypothesis import strategies as st

from otel_killsnoop.model import Details, Signal
from otel_killsnoop.tracer.decode import Decoder

MADE_AT = 86_000_000_000_000
ALL = {"tty": b"pts/3", "session": 40, "namespace": 4026531836, "cgroup": 555}
ENDING, INIT = {"source": party(flags=4)}, {"source": party(flags=4, vpid=1)}
TERMINAL = Details(tty=b"pts/3", session_pid=40)


def one(payload: bytes) -> Signal:
    decoder = Decoder(MADE_AT, "x86_64")
    (event,) = decoder.decode([(168, payload)])
    assert (decoder.undecodable, decoder.undecodable_signals) == (0, 0)
    assert isinstance(event, Signal)
    return event


# How it was raised -> its cause, and what of the details belongs to that.
RAISED: list[tuple[str, dict[str, object], str, Details | None]] = [
    ("Ctrl-C", {"number": 2, "source": party(flags=0x200040)}, "tty", TERMINAL),
    ("hang-up", {"number": 1, "call": 3}, "tty", TERMINAL),
    ("window size", {"number": 28, "call": 16}, "tty", TERMINAL),
    ("background read", {"number": 21, "call": 0}, "job", TERMINAL),
    ("leader's exit", {"number": 1, **ENDING}, "session", TERMINAL),
    ("end of a namespace", INIT, "pidns", Details(namespace=4026531836)),
    ("cgroup.kill", {"info": 0, "group": 0, "call": 1}, "cgroup.kill", Details(cgroup=555)),
    ("OOM or alike", {}, "oom", None),
    ("alarm", {"number": 14}, "timer", None),
    ("PDEATHSIG", {"number": 15, "info": 0, **ENDING}, "pdeathsig", None),
    ("for no reason told", {"number": 10}, "kernel", None),
]


@pytest.mark.parametrize(
    ("changes", "cause", "details"), [row[1:] for row in RAISED], ids=[row[0] for row in RAISED]
)
def test_each_cause_has_the_details_that_are_its_own(changes, cause, details) -> None:
    event = one(detailed(ALL, **changes))
    assert (event.facts.cause, event.details) == (cause, details)


def test_a_detailed_signal_has_every_field_of_a_usual_one() -> None:
    event = one(detailed(ALL, number=1, result=1, call=3))
    assert event[:1] + event[2:3] == (MADE_AT + 168, 123)
    assert event[3:12] == (4711000, 4711, 4712, 33, 34, 7, 0x400000, 77, b"pkill")
    assert event[12:21] == (1234000, 1234, 1235, 33, 34, 7, 0x400000, 77, b"nginx")
    facts = event.facts
    assert (facts.result, facts.disposition, facts.call) == ("ignored", "default", "close")


def test_no_terminal_no_leader_and_no_directory_are_nothing() -> None:
    assert one(detailed({}, number=2)).details == Details()
    killed = {"info": 0, "group": 0, "call": 1}
    assert one(detailed({}, **killed)).details is None


def test_a_terminal_of_any_name_and_length() -> None:
    for name in (b"", b"console", b"\xff\xfe", b"x" * 32):
        assert one(detailed({"tty": name}, number=2)).details == Details(tty=name)
    assert one(detailed({"tty": b"pts/3\0old"}, number=2)).details == Details(tty=b"pts/3")


def test_which_of_the_two_ends_of_a_session() -> None:
    for orphaned, reason in ((0, "leader_exit"), (1, "orphaned_group")):
        event = one(detailed({"orphaned": orphaned}, number=1, **ENDING))
        assert (event.facts.cause, event.facts.session) == ("session", reason)
        assert event.facts.has_source
    assert one(detailed({"orphaned": 1}, number=2)).facts.session is None
    event = one(detailed({"orphaned": 1, "foreign": 1, "session": 7}, number=1, **ENDING))
    assert (event.facts.cause, event.facts.has_source) == ("tty", True)
    assert event.details == Details(session_pid=7)


def test_who_is_whom_decides_here_too() -> None:
    same = {"source": party(), "target": party()}
    broken_pipe = {"number": 13, "info": 0, "group": 0, "call": 1}
    assert one(detailed({}, **broken_pipe, **same)).facts.cause == "pipe"
    reused = {**same, "source": party(start=1)}
    assert one(detailed({}, **broken_pipe, **reused)).facts.cause == "kernel"
    idle = {"source": party(0, b"swapper/0"), "number": 1, "call": 3}
    assert not one(detailed({}, **idle)).facts.has_source


def test_details_and_the_word_that_they_follow_go_together() -> None:
    usual = bytes(signal())
    decoder = Decoder(0)
    said = bytes(signal(detailed=1))
    follows = usual + bytes(56)
    whole = detailed(ALL)
    longer = [whole[:-1], whole + b"\0", whole + bytes(8)]
    assert decoder.decode(enumerate([said, follows, *longer])) == []
    assert (decoder.undecodable, decoder.undecodable_signals) == (5, 5)


RECORDS = st.fixed_dictionaries(
    {
        "number": st.integers(-1, 70),
        "code": st.sampled_from([0, 0, -1, -2, -6, 1, 128]),
        "error": st.integers(-2, 2),
        "call": st.sampled_from([-1, 1, 3, 16, 62, 62, 129, 231, 424]),
        "info": st.integers(0, 3),
        "group": st.integers(0, 1),
        "bits": st.integers(0, 7),
        "argument": st.sampled_from([0, 5, 0xFFFFFFFF]),
        "source": st.builds(party, st.sampled_from([0, 5, 6]), flags=st.sampled_from([0, 4])),
        "target": st.builds(party, st.sampled_from([5, 6])),
    }
)


KILL = {"number": 9, "code": 0, "call": 62, "info": 2, "group": 1, "bits": 4, "argument": 0}


@given(RECORDS)
@example(KILL)
@example(KILL | {"argument": 5})
def test_details_change_nothing_of_what_a_signal_means(changes) -> None:
    decoder = Decoder(0, "x86_64")
    plain, whole = decoder.decode([(0, bytes(signal(**changes))), (0, detailed(ALL, **changes))])
    assert plain.facts is whole.facts
    assert plain[:-1] == whole[:-1]
