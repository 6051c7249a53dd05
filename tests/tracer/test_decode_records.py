"""Bytes as the kernel program writes them -> events; any other bytes -> counted, never an error."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_uint8, c_uint32, c_uint64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_killsnoop.model import Exec, Exit, Fork, Signal
from otel_killsnoop.tracer.decode import LAYOUT, Decoder

MADE_AT = 86_000_000_000_000


# The contract once more, laid out by the C rules that ctypes follows.
class Party(ctypes.Structure):
    _fields_ = (
        ("start", c_uint64),
        *((name, c_uint32) for name in ("pid", "tid", "uid", "gid", "vpid", "flags")),
        ("cgroup", c_uint64),
        ("comm", c_uint8 * 16),
    )


class SignalRecord(ctypes.Structure):
    _fields_ = (
        ("kind", c_uint32),
        ("reserved", c_uint32),
        ("time", c_uint64),
        ("source", Party),
        ("target", Party),
        *((name, c_int32) for name in ("number", "code", "error", "call")),
        *((name, c_uint8) for name in ("info", "group", "result", "bits")),
        ("reserved2", c_uint32),
        ("argument", c_uint64),
    )


class ForkRecord(ctypes.Structure):
    _fields_ = (
        ("kind", c_uint32),
        ("reserved", c_uint32),
        ("time", c_uint64),
        ("child", Party),
        ("parent_start", c_uint64),
        ("parent_pid", c_uint32),
        ("parent_tid", c_uint32),
        ("real_parent_start", c_uint64),
        ("real_parent_pid", c_uint32),
        ("reserved2", c_uint32),
    )


class ExecRecord(ctypes.Structure):
    _fields_ = (
        ("kind", c_uint32),
        ("argc", c_uint32),
        ("time", c_uint64),
        ("self", Party),
        *((name, c_uint32) for name in ("args_total", "args_size", "path_size", "old_tid")),
    )


class ExitRecord(ctypes.Structure):
    _fields_ = (
        ("kind", c_uint32),
        ("status", c_int32),
        ("time", c_uint64),
        ("start", c_uint64),
        ("pid", c_uint32),
        ("tid", c_uint32),
    )


class Counts(ctypes.Structure):
    _fields_ = (
        ("sequence", c_uint64),
        ("scratch", c_uint64),
        *(
            (name, c_uint64 * 65)
            for name in ("generated", "filtered", "folded", "lost", "submitted")
        ),
        ("reserved", c_uint64),
    )


class TableCounts(ctypes.Structure):
    _fields_ = (
        *((name, c_uint64) for name in ("sequence", "seen", "lost", "submitted")),
        ("reserved", c_uint64 * 4),
    )


def party(pid: int = 4711, comm: bytes = b"pkill", **changes: int) -> Party:
    made = Party(pid * 1000, pid, pid + 1, 33, 34, 7, 0x400000, 77)
    for name, value in changes.items():
        setattr(made, name, value)
    made.comm[: len(comm)] = comm
    return made


def signal(**changes: object) -> SignalRecord:
    made = SignalRecord(kind=1, time=123, source=party(), target=party(1234, b"nginx"))
    usual = {"number": 9, "call": 62, "info": 2, "group": 1, "bits": 4, "argument": 1234}
    for name, value in {**usual, **changes}.items():
        setattr(made, name, value)
    return made


def execution(argv: bytes, path: bytes, total: int | None = None, argc: int = 1) -> bytes:
    total = len(argv) if total is None else total
    head = ExecRecord(3, argc, 5, party(), total, len(argv), len(path), 4711)
    return bytes(head) + argv + path


def one(record: object, machine: str = "x86_64"):
    decoder = Decoder(MADE_AT, machine)
    (event,) = decoder.decode([(168, bytes(record))])
    assert (decoder.undecodable, decoder.undecodable_signals) == (0, 0)
    return event


def flat(struct: type[ctypes.Structure], at: int = 0, prefix: str = "") -> dict[str, tuple]:
    places = {}
    for name, kind in struct._fields_:
        place = getattr(struct, name)
        if kind is Party:
            places |= flat(Party, at + place.offset, f"{prefix}{name}.")
        else:
            places[prefix + name] = (at + place.offset, place.size)
    return places


@pytest.mark.parametrize(
    ("name", "struct"),
    [
        ("killsnoop_party", Party),
        ("killsnoop_signal", SignalRecord),
        ("killsnoop_fork", ForkRecord),
        ("killsnoop_exec", ExecRecord),
        ("killsnoop_exit", ExitRecord),
        ("killsnoop_counts", Counts),
        ("killsnoop_table_counts", TableCounts),
    ],
)
def test_every_member_is_where_c_puts_it(name, struct) -> None:
    assert LAYOUT[name] == flat(struct)
    assert sum(size for _, size in LAYOUT[name].values()) == ctypes.sizeof(struct)


def test_a_signal_with_every_field() -> None:
    event = one(signal(result=1))
    assert isinstance(event, Signal)
    assert (event.sequence, event.time) == (MADE_AT + 168, 123)
    assert event[3:12] == (4711000, 4711, 4712, 33, 34, 7, 0x400000, 77, b"pkill")
    assert event[12:] == (1234000, 1234, 1235, 33, 34, 7, 0x400000, 77, b"nginx")
    facts = event.facts
    assert (facts.number, facts.name, facts.code) == (9, "SIGKILL", "SI_USER")
    assert (facts.cause, facts.call, facts.scope) == ("user", "kill", "process")
    assert (facts.result, facts.has_source) == ("ignored", True)


@pytest.mark.parametrize(
    ("argument", "scope"),
    [
        (1234, "process"),
        (0, "group"),
        (0xFFFFFFFF, "group"),
        (0xFFFFFFFFFFFFFB2E, "group"),
        (0x80000000, "group"),
        (0x7FFFFFFF, "process"),
        (0xDEAD00000001, "process"),
        (0xDEAD00000000, "group"),
    ],
)
def test_the_argument_is_read_as_kill_reads_it(argument, scope) -> None:
    assert one(signal(argument=argument)).facts.scope == scope


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


def test_one_meaning_is_one_object_whatever_was_forged() -> None:
    decoder = Decoder(MADE_AT, "x86_64")
    records = [signal(error=error, source=party(pid)) for pid in (5, 6) for error in range(50)]
    events = decoder.decode(enumerate(map(bytes, records)))
    assert len({id(event.facts) for event in events}) == 1
    other = decoder.decode([(1, bytes(signal(number=15)))])
    assert other[0].facts is not events[0].facts


def test_a_flood_of_forged_codes_and_names_is_forgotten_again() -> None:
    decoder = Decoder(MADE_AT, "x86_64")
    seen: set[int] = set()
    kept = []
    for code in range(-30_000, -1000):
        record = bytes(signal(call=129, code=code, source=party(comm=str(code).encode())))
        (event,) = decoder.decode([(0, record)])
        assert event.facts.code == str(code)
        assert event.source_comm == str(code).encode()
        kept.append(event.facts)
    seen = {id(facts) for facts in kept}
    assert len(seen) == len(kept)
    assert max(map(len, (decoder._facts, decoder._same, decoder._comms))) <= 4096
    again = decoder.decode([(0, bytes(signal())), (1, bytes(signal()))])
    assert again[0].facts is again[1].facts


def test_a_fork() -> None:
    record = ForkRecord(2, 0, 9, party(50, b"sh"), 111, 40, 41, 222, 30)
    parents = (111, 40, 41, 222, 30)
    assert one(record) == (MADE_AT + 168, 9, *one(signal(source=party(50, b"sh")))[3:12], *parents)
    assert isinstance(one(record), Fork)


def test_an_exit() -> None:
    event = one(ExitRecord(4, 139, 8, 222, 50, 51))
    assert isinstance(event, Exit)
    assert event == (MADE_AT + 168, 8, 222, 50, 51, 139)
    assert one(ExitRecord(4, -1)).status == -1


@pytest.mark.parametrize(
    ("argv", "total", "args", "cut"),
    [
        (b"sleep\x0060\0", None, (b"sleep", b"60"), False),
        (b"a\0\0b\0\0", None, (b"a", b"", b"b", b""), False),
        (b"\0", None, (b"",), False),
        (b"", 0, (), False),
        (b"", 300, (), True),
        (b"tail\0-f\0/var/lo", 30, (b"tail", b"-f", b"/var/lo"), True),
        (b"tail\0-f\0", 30, (b"tail", b"-f"), True),
        (b"tail\0-f", 30, (b"tail", b"-f"), True),
        (b"\xff\xfe\0", None, (b"\xff\xfe",), False),
    ],
)
def test_the_arguments_of_an_exec(argv, total, args, cut) -> None:
    event = one(execution(argv, b"/bin/tail\0", total, argc=4))
    assert isinstance(event, Exec)
    assert (event.args, event.args_cut, event.argc) == (args, cut, 4)
    assert (event.filename, event.comm, event.pid) == (b"/bin/tail", b"pkill", 4711)


def test_an_exec_may_lack_its_path_and_be_as_long_as_a_signal() -> None:
    assert one(execution(b"x\0", b"")).filename == b""
    size = ctypes.sizeof(SignalRecord) - ctypes.sizeof(ExecRecord)
    event = one(execution(b"x" * (size - 3) + b"\0", b"y\0"))
    assert event.args == (b"x" * (size - 3),)


def test_an_exec_is_rounded_up_to_eight_bytes_and_no_further() -> None:
    record = execution(b"x\0", b"/x\0")
    assert len(record) % 8 == 5
    assert one(record + b"\0\0\0").filename == b"/x"
    decoder = Decoder(0)
    assert decoder.decode([(0, record + bytes(4)), (1, record[:-1])]) == []
    assert (decoder.undecodable, decoder.undecodable_signals) == (2, 0)


def test_what_is_not_understood_is_counted_apart() -> None:
    decoder = Decoder(0)
    whole = bytes(signal())
    fork, leaving = bytes(ForkRecord(kind=2)), bytes(ExitRecord(kind=4))
    maybe_signals = [b"", b"\1", whole[:-1], whole + b"\0", b"\7" + whole[1:], bytes(32)]
    others = [fork[:-1], fork + b"\0", leaving + b"\0", b"\3\0\0\0"]
    good = [whole, fork, leaving]
    events = decoder.decode(enumerate([*maybe_signals, *good, *others]))
    assert [event.sequence for event in events] == [6, 7, 8]
    assert decoder.undecodable == len(maybe_signals) + len(others)
    assert decoder.undecodable_signals == len(maybe_signals)


HEADS = st.sampled_from([b"", *(bytes([kind, 0, 0, 0]) for kind in range(6))])
SIZES = st.one_of(st.sampled_from([28, 84, 100, 156]), st.integers(0, 400))


@settings(max_examples=500)
@given(HEADS, SIZES.flatmap(lambda size: st.binary(min_size=size, max_size=size)))
@example(b"\3\0\0\0", b"\xff" * 84)
def test_no_bytes_are_an_error(head, rest) -> None:
    decoder = Decoder(0)
    events = decoder.decode([(0, head + rest)])
    assert len(events) + decoder.undecodable == 1
    assert decoder.undecodable_signals <= decoder.undecodable
