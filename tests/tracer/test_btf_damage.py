"""BTF that is none, is cut off, or contradicts itself: it is refused with a `BtfError`, at once."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_btf import EVERYTHING, STRUCT, TYPEDEF, Assembler, one

from otel_killsnoop.errors import BtfError
from otel_killsnoop.tracer.btf import find

ALL = {
    question: [question]
    for question in (
        "task_struct.info.status",
        "task_struct.si_code",
        "task_struct.nothing",
        "flagged.plain",
        "older.narrow",
        "sizeof sigval",
        "typedef last_of_all",
        "function it",
        "struct task_struct",
        "arguments btf_trace_it",
        "enumerator TOP",
        "enumerator LOW",
        "enumerator WIDE",
        "enumerator DEEP",
    )
}


def anonymous_chain(length: int, back_to: int | None = None) -> bytes:
    """Structs whose two anonymous members are both the next struct."""
    made = Assembler()
    for number in range(1, length + 1):
        inner = number + 1 if number < length else back_to or 0
        made.record(f"s{number}", 8, [("", inner, 0), ("", inner, 0)])
    made.name("field")
    return made.bytes()


def test_members_reached_in_very_many_ways_are_searched_once() -> None:
    assert one(anonymous_chain(60), "s1.field") is None


@pytest.mark.parametrize("length", [1, 3, 60, 500])
def test_a_struct_inside_itself_is_damage(length: int) -> None:
    with pytest.raises(BtfError, match="is a member of itself"):
        one(anonymous_chain(length, back_to=1), "s1.field")


def test_anonymous_members_deeper_than_any_kernel_has_them_are_taken_for_a_circle() -> None:
    with pytest.raises(BtfError, match="is a member of itself"):
        one(anonymous_chain(5000), "s1.field")


@pytest.mark.parametrize("length", [1, 2, 1000])
def test_a_typedef_of_itself_is_damage(length: int) -> None:
    made = Assembler()
    for number in range(length):
        made.add(TYPEDEF, f"t{number}", (number + 1) % length + 1)
    made.record("outer", 8, [("field", 1, 0)])
    for question in ("outer.field.deep", "arguments t0", "outer.field"):
        with pytest.raises(BtfError, match="stands for itself"):
            one(made.bytes(), question)


def spoilt(place: int, word: int) -> bytes:
    """A struct with one member, and one word of it replaced."""
    made = Assembler()
    made.record("outer", 8, [("field", made.number("long", 8), 0)])
    made.words[4 + place] = word
    return made.bytes()


@pytest.mark.parametrize(
    ("place", "word", "says"),
    [
        (1, STRUCT << 24 | 0xFFFF, "type 2 is cut off"),
        (1, STRUCT << 24 | 2, "type 2 is cut off"),
        (1, 0, "unknown kind"),
        (1, 20 << 24, "unknown kind"),
        (1, STRUCT << 24 | 1 << 16 | 1, "unknown kind"),
        (3, 0x7FFFFFFF, "whose name is nowhere"),
        (4, 77, "has no type 77"),
        (5, 72, "has a member behind its end"),
    ],
)
def test_a_damaged_type_is_named(place: int, word: int, says: str) -> None:
    with pytest.raises(BtfError, match=says):
        one(spoilt(place, word), "outer.field")


def header(**changed: int) -> bytes:
    fields = {"magic": 0xEB9F, "version": 1, "flags": 0, "size": 24}
    fields |= {"types": 0, "types_size": 0, "strings": 0, "strings_size": 3} | changed
    return struct.pack("<HBBIIIII", *fields.values()) + b"\0y\0x"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no type information"),
        (b"\x7fELF" + bytes(60), "no type information"),
        (header(magic=0x9FEB)[:9], "header is cut off"),
        (header(version=2), "header of version 2"),
        (header(size=8), "header of version 1 and 8 bytes"),
        (header(types=2), "types at 2"),
        (header(types_size=3), "types at 0"),
        (header(types_size=400), "cut off after 28 bytes"),
        (header(size=0xFFFFFFFF), "cut off after 28 bytes"),
        (header(types=0xFFFFFFFC), "cut off after 28 bytes"),
        (header(strings_size=400), "cut off after 28 bytes"),
        (header(strings=0xFFFFFFFF), "cut off after 28 bytes"),
        (header(strings_size=0), "NUL"),
        (header(strings_size=4), "NUL"),
        (header(strings=1, strings_size=2), "NUL"),
        (header(types_size=4), "type 1 is cut off"),
    ],
)
def test_a_damaged_header_is_named(raw: bytes, says: str) -> None:
    with pytest.raises(BtfError, match=says) as caught:
        one(raw, "y.y")
    assert caught.value.on
    assert caught.value.cure


def answered_or_refused(raw: bytes) -> dict[str, int]:
    try:
        found = find(raw, ALL)
    except BtfError:
        return {}
    assert all(type(value) is int for value in found.values())
    return found


INFO_WORDS = [kind << 24 | count for kind in range(32) for count in (0, 1, 2, 0xFFFF)]
WORDS = st.one_of(
    st.integers(0, EVERYTHING.types + 1),
    st.integers(0, len(EVERYTHING.text) + 1),
    st.sampled_from(INFO_WORDS),
    st.sampled_from([0xFFFFFFFF, 1 << 31, 1 << 24]),
    st.integers(0, (1 << 32) - 1),
)
PLACES = st.integers(0, len(EVERYTHING.words) + 5)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.tuples(PLACES, WORDS), min_size=1, max_size=6), st.sampled_from("<>"))
def test_changed_words_are_answered_or_refused(changes: list[tuple[int, int]], order: str) -> None:
    raw = bytearray(EVERYTHING.bytes(order))
    for place, word in changes:
        struct.pack_into(order + "I", raw, 4 * place, word)
    answered_or_refused(bytes(raw))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"\x9f\xeb", b"\xeb\x9f"]), st.data())
def test_any_bytes_are_answered_or_refused(rest: bytes, magic: bytes, data: st.DataObject) -> None:
    answered_or_refused(magic + rest)
    whole = EVERYTHING.bytes()
    at = data.draw(st.integers(0, len(whole)))
    answered_or_refused(whole[:at] + rest + whole[at + len(rest) :])


def test_every_truncation_is_refused() -> None:
    whole = EVERYTHING.bytes()
    for length in range(len(whole)):
        with pytest.raises(BtfError):
            find(whole[:length], ALL)
