"""Bytes as the kernel program writes them -> signals; others -> counted, never an error."""

from __future__ import annotations

import ctypes

import pytest
from c_records import STRUCTS, execution, party, places, record, signal
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_killsnoop.model import Details, Event, Signal
from otel_killsnoop.tracer.decode import LAYOUT, Decoder

MADE_AT = 86_000_000_000_000
KINDS = range(1, 8)


def one(payload: object, machine: str = "x86_64") -> Event:
    decoder = Decoder(MADE_AT, machine)
    (event,) = decoder.decode([(168, bytes(payload))])
    assert (decoder.undecodable, decoder.undecodable_signals) == (0, 0)
    return event


@pytest.mark.parametrize("name", sorted(LAYOUT))
def test_every_member_is_where_c_puts_it(name) -> None:
    struct = STRUCTS[name]
    assert LAYOUT[name] == places(struct)
    assert sum(size for _, size in LAYOUT[name].values()) == ctypes.sizeof(struct)
    assert ctypes.sizeof(struct) % 8 == 0


def test_a_signal_with_every_field() -> None:
    event = one(signal(result=1))
    assert isinstance(event, Signal)
    assert (event.sequence, event.time) == (MADE_AT + 168, 123)
    assert event[3:12] == (4711000, 4711, 4712, 33, 34, 7, 0x400000, 77, b"pkill")
    assert event[12:21] == (1234000, 1234, 1235, 33, 34, 7, 0x400000, 77, b"nginx")
    assert event.details is None
    facts = event.facts
    assert (facts.number, facts.name, facts.code) == (9, "SIGKILL", "SI_USER")
    assert (facts.cause, facts.call, facts.scope) == ("user", "kill", "process")
    assert (facts.result, facts.has_source) == ("ignored", True)
    assert (facts.disposition, facts.forged, facts.error) == ("default", False, None)


@pytest.mark.parametrize(
    ("argument", "scope", "read"),
    [
        (1234, "process", None),
        (0, "group", 0),
        (0xFFFFFFFF, "group", -1),
        (0xFFFFFFFFFFFFFB2E, "group", -1234),
        (0xFFFFFB2E, "group", -1234),
        (0x80000000, "group", -(1 << 31)),
        (0x7FFFFFFF, "process", None),
        (0xDEAD00000001, "process", None),
        (0xDEAD00000000, "group", 0),
    ],
)
def test_the_argument_is_read_as_kill_reads_it(argument, scope, read) -> None:
    event = one(signal(argument=argument))
    assert event.facts.scope == scope
    assert event.details == (None if read is None else Details(argument=read))


def test_who_is_whom_decides() -> None:
    same = party()
    broken_pipe = {"number": 13, "info": 0, "group": 0, "call": 1}
    assert one(signal(**broken_pipe, source=same, target=same)).facts.cause == "pipe"
    reused = party(start=1)
    assert one(signal(**broken_pipe, source=same, target=reused)).facts.cause == "kernel"
    ending = {"info": 1, "source": party(flags=4, vpid=1)}
    assert one(signal(**ending)).facts.cause == "pidns"
    assert one(signal(info=1, source=party(flags=4, vpid=2))).facts.cause == "oom"
    for bystander in (party(flags=0x200040), party(0, b"swapper/0")):
        assert not one(signal(source=bystander)).facts.has_source
    assert not one(signal(bits=5)).facts.has_source


def test_names_end_at_the_first_nul() -> None:
    event = one(signal(source=party(comm=b"a\0bash"), target=party(comm=b"sixteen bytes!!!")))
    assert (event.source_comm, event.target_comm) == (b"a", b"sixteen bytes!!!")
    assert one(signal(source=party(comm=b""))).source_comm == b""


def test_the_machine_decides_what_a_number_calls() -> None:
    assert one(signal(call=129), "aarch64").facts.call == "kill"
    assert one(signal(call=129), "x86_64").facts.cause == "kernel"


def test_a_forged_code_or_error_is_told_and_changes_neither_who_nor_what_came_of_it() -> None:
    honest = one(signal(call=129, code=-1, result=2))
    assert not honest.facts.forged
    for lie in ({"code": -2}, {"code": -1, "error": 1}, {"code": -77, "error": -3}):
        event = one(signal(call=129, result=2, **lie))
        assert event.facts.forged
        assert event[3:] == honest[3:]
        told = [(made.cause, made.call, made.result) for made in (event.facts, honest.facts)]
        assert told == [("user", "rt_sigqueueinfo", "already_pending")] * 2


def test_one_meaning_is_one_object_whatever_was_forged() -> None:
    decoder = Decoder(MADE_AT, "x86_64")
    lies = [signal(call=129, code=-1, error=n + 1, source=party(n % 2 + 5)) for n in range(100)]
    honest = [signal(call=129, code=-1, source=party(pid)) for pid in (5, 6)]
    events = decoder.decode(enumerate(map(bytes, lies + honest)))
    assert len({id(event.facts) for event in events[:100]}) == 1
    assert events[100].facts is events[101].facts
    assert events[100].facts is not events[0].facts
    other = decoder.decode([(1, bytes(signal(number=15)))])
    assert other[0].facts is not events[0].facts


def test_a_flood_of_forged_codes_and_names_is_forgotten_again() -> None:
    decoder = Decoder(MADE_AT, "x86_64")
    kept = []
    for code in range(-30_000, -1000):
        made = bytes(signal(call=129, code=code, source=party(comm=str(code).encode())))
        (event,) = decoder.decode([(0, made)])
        assert event.facts.code == str(code)
        assert event.source_comm == str(code).encode()
        kept.append(event.facts)
    assert len(set(kept)) == len(kept)
    assert max(map(len, (decoder._facts, decoder._same, decoder._comms))) <= 4096
    again = decoder.decode([(0, bytes(signal())), (1, bytes(signal()))])
    assert again[0].facts is again[1].facts


def test_what_is_not_understood_is_counted_apart() -> None:
    decoder = Decoder(0)
    whole = bytes(signal())
    fork, leaving = bytes(record("fork")), bytes(record("exit"))
    maybe_signals = [b"", b"\1", whole[:-1], whole + b"\0", b"\x08" + whole[1:], bytes(32)]
    others = [fork[:-1], fork + b"\0", leaving + b"\0", b"\3\0\0\0"]
    others += [made[:-1] for made in map(bytes, map(record, ("oom", "attempt", "cgroup")))]
    good = [whole, fork, leaving, bytes(record("oom")), bytes(record("cgroup"))]
    events = decoder.decode(enumerate([*maybe_signals, *good, *others]))
    assert [event.sequence for event in events] == [6, 7, 8, 9, 10]
    assert decoder.undecodable == len(maybe_signals) + len(others)
    assert decoder.undecodable_signals == len(maybe_signals)


SIZES = sorted({ctypes.sizeof(struct) for struct in STRUCTS.values()} | {216})
HEADS = st.sampled_from([b"", *(bytes([kind, 0, 0, 0]) for kind in range(9))])
LENGTHS = st.one_of(
    st.sampled_from([size - 4 for size in SIZES if size < 300]), st.integers(0, 400)
)
MACHINES = st.sampled_from(["x86_64", "aarch64", "vax"])


@settings(max_examples=1000)
@given(HEADS, LENGTHS.flatmap(lambda size: st.binary(min_size=size, max_size=size)), MACHINES)
@example(b"\3\0\0\0", b"\xff" * 92, "x86_64")
def test_no_bytes_are_an_error(head, rest, machine) -> None:
    decoder = Decoder(0, machine)
    events = decoder.decode([(0, head + rest)])
    assert len(events) + decoder.undecodable == 1
    assert decoder.undecodable_signals <= decoder.undecodable
    if head and head[0] in KINDS[1:]:
        assert decoder.undecodable_signals == 0


@settings(max_examples=200)
@given(st.sampled_from(SIZES), st.data())
def test_any_members_are_an_event_where_the_kernel_says_so(size, data) -> None:
    """A record of the right kind and length is understood, whatever else is in it."""
    kind = {160: 1, 216: 1, 144: 2, 48: 4, 80: 5}.get(size)
    if kind is None:
        size, kind = 144, 2
    payload = bytearray(data.draw(st.binary(min_size=size, max_size=size)))
    payload[:4] = bytes([kind, 0, 0, 0])
    if kind == 1:
        payload[LAYOUT["killsnoop_signal"]["how.detailed"][0]] = size == 216
    event = one(payload)
    assert event.sequence == MADE_AT + 168


def test_an_exec_may_be_as_long_as_a_signal() -> None:
    for whole in (ctypes.sizeof(STRUCTS["killsnoop_signal"]), 216):
        size = whole - ctypes.sizeof(STRUCTS["killsnoop_exec"])
        made = execution(b"x" * (size - 3) + b"\0", b"y\0")
        assert len(made) == whole
        assert one(made).args == (b"x" * (size - 3),)
