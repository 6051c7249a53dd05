"""Bytes -> calls that were refused or sent signal 0: what was meant, by the caller's numbering."""

from __future__ import annotations

import errno

import pytest
from c_records import party, record
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.model import Attempt
from otel_killsnoop.tracer import calls
from otel_killsnoop.tracer.decode import Decoder

MADE_AT = 86_000_000_000_000
NAMESPACE = 4026531836
MINUS = 1 << 64


def attempt(
    call: int,
    arguments: tuple[int, ...],
    error: int = errno.ESRCH,
    bits: int = 0,
    machine: str = "x86_64",
) -> Attempt:
    decoder = Decoder(MADE_AT, machine)
    made = record("attempt", time=9, source=party(), namespace=NAMESPACE, call=call, error=error)
    made.bits = bits
    made.argument[: len(arguments)] = arguments
    (event,) = decoder.decode([(168, bytes(made))])
    assert (decoder.undecodable, decoder.undecodable_signals) == (0, 0)
    assert isinstance(event, Attempt)
    return event


def test_an_attempt_with_every_field() -> None:
    event = attempt(62, (1234, 15))
    assert (event.sequence, event.time) == (MADE_AT + 168, 9)
    assert event[3:12] == (4711000, 4711, 4712, 33, 34, 7, 0x400000, 77, b"pkill")
    assert event[12:] == (NAMESPACE, 1234, False, 1234)
    facts = event.facts
    assert (facts.number, facts.name, facts.code) == (15, "SIGTERM", "SI_USER")
    assert (facts.cause, facts.call, facts.scope) == ("user", "kill", "process")
    assert (facts.result, facts.error, facts.has_source) == ("refused", "ESRCH", True)
    assert (facts.disposition, facts.forged) == (None, False)


# Call, arguments -> what was meant: number, scope, target, whether a thread, argument.
MEANT: list[tuple[int, tuple[int, ...], str]] = [
    (62, (50, 9), "kill 9 process 50 process 50"),
    (62, (MINUS - 50, 9), "kill 9 group None process -50"),
    (62, (0xFFFFFFFF, 9), "kill 9 group None process -1"),
    (62, (0, 9), "kill 9 group None process 0"),
    (62, (0xDEAD00000032, 9), "kill 9 process 50 process 50"),
    (62, (50, MINUS - 1), "kill -1 process 50 process 50"),
    (62, (50, 65), "kill 65 process 50 process 50"),
    (200, (51, 9), "tkill 9 thread 51 thread 51"),
    (234, (50, 51, 9), "tgkill 9 thread 51 thread 50"),
    (234, (MINUS - 1, MINUS - 1, 9), "tgkill 9 thread None thread -1"),
    (129, (50, 34, 0), "rt_sigqueueinfo 34 process 50 process 50"),
    (297, (50, 51, 34), "rt_tgsigqueueinfo 34 thread 51 thread 50"),
    (424, (3, 9, 0), "pidfd_send_signal 9 process None process 3"),
    ((1 << 30) + 62, (50, 9), "kill 9 process 50 process 50"),
    ((1 << 30) + 524, (50, 9), "rt_sigqueueinfo 9 process 50 process 50"),
    ((1 << 30) + 536, (50, 51, 9), "rt_tgsigqueueinfo 9 thread 51 thread 50"),
]


@pytest.mark.parametrize(("call", "arguments", "meant"), MEANT)
def test_whom_and_what_each_call_meant(call, arguments, meant) -> None:
    event = attempt(call, arguments)
    facts = event.facts
    kind = "thread" if event.target_is_thread else "process"
    told = (facts.call, facts.number, facts.scope, event.target, kind, event.argument)
    assert " ".join(map(str, told)) == meant


@pytest.mark.parametrize(
    ("bits", "scope"), [(0, "process"), (2, "process"), (8, "group"), (10, "group")]
)
def test_a_pidfd_may_mean_its_process_group(bits, scope) -> None:
    assert attempt(424, (3, 9, 0), bits=bits).facts.scope == scope


@pytest.mark.parametrize(
    ("machine", "bits", "call"),
    [("x86_64", 2, 37), ("aarch64", 0, 129), ("aarch64", 2, 37)],
)
def test_the_numbering_is_the_callers(machine, bits, call) -> None:
    event = attempt(call, (50, 9), bits=bits, machine=machine)
    assert (event.facts.call, event.target) == ("kill", 50)


@pytest.mark.parametrize(
    ("error", "result", "name"),
    [
        (errno.EPERM, "refused", "EPERM"),
        (errno.ESRCH, "refused", "ESRCH"),
        (errno.EINVAL, "refused", "EINVAL"),
        (errno.EAGAIN, "refused", "EAGAIN"),
        (4000, "refused", "4000"),
        (0, "tested", None),
    ],
)
def test_what_came_of_it(error, result, name) -> None:
    facts = attempt(62, (50, 0), error=error).facts
    assert (facts.name, facts.result, facts.error) == ("SIG0", result, name)


def test_no_siginfo_is_named_that_a_call_does_not_make() -> None:
    codes = {call: attempt(call, (50, 51, 9)).facts.code for call in (62, 200, 234, 129, 297, 424)}
    assert codes == {
        62: "SI_USER",
        200: "SI_TKILL",
        234: "SI_TKILL",
        129: "SI_QUEUE",
        297: "SI_QUEUE",
        424: "SI_USER",
    }


def test_one_meaning_is_one_object() -> None:
    first, second = attempt(62, (50, 9)), attempt(62, (60, 9))
    assert first.facts is second.facts
    assert attempt(62, (50, 9), error=errno.EPERM).facts is not first.facts


def test_a_call_that_sends_nothing_is_not_understood_and_no_signal() -> None:
    decoder = Decoder(0, "x86_64")
    strange = [record("attempt", call=call) for call in (-1, 0, 37, 1 << 29 | 62)]
    assert decoder.decode(enumerate(map(bytes, strange))) == []
    assert (decoder.undecodable, decoder.undecodable_signals) == (4, 0)
    unknown = Decoder(0, "vax")
    assert unknown.decode([(0, bytes(record("attempt", call=62)))]) == []


WORDS = st.integers(0, MINUS - 1)


@given(
    st.sampled_from([62, 200, 234, 129, 297, 424]),
    st.tuples(WORDS, WORDS, WORDS),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
def test_a_target_is_a_number_that_a_process_can_have(call, arguments, error) -> None:
    event = attempt(call, arguments, error)
    assert event.target is None or 0 < event.target < 1 << 31
    assert -(1 << 31) <= event.argument < 1 << 31
    assert event.target_is_thread == (event.facts.scope == "thread")
    assert event.facts.call in calls.SENDERS
    assert (event.facts.error is None) == (event.facts.result == "tested")
