"""The contract with the kernel program, as the C compiler lays it out and as Python reads it."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from struct import unpack_from

import pytest

from otel_killsnoop import model
from otel_killsnoop.tracer import (
    causes,
    contract,
    counters,
    maps,
    program,
    raised,
    symbols,
)
from otel_killsnoop.tracer import compile as compile_step
from otel_killsnoop.tracer.members import TRACEPOINTS, WANTED

HEADER = (compile_step.SOURCES / "killsnoop.h").read_text("utf-8")
SYMBOLS = (compile_step.SOURCES / "symbols.h").read_text("utf-8")
_LOAD_64 = 0x18
WITHIN = "killsnoop_level"  # stands in a fork record, as pairs of numbers
# In a process of its own, for LLVM stays where it was used; and bcc warns, which is no fault here.
_COMPILE = """
import sys
from otel_killsnoop.tracer import compile
sys.stdout.write(compile.compiled(sys.stdin.read(), ["truth"])["truth"].hex())
"""


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


INLINE = ("killsnoop_party", "killsnoop_how")


@cache
def declared() -> dict[str, dict[str, str]]:
    """Every struct of the header: its members' names and types, INLINE ones' in line."""
    structs: dict[str, dict[str, str]] = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\n\};", without_comments(HEADER), re.DOTALL):
        members: dict[str, str] = {}
        for type_, member in re.findall(r"\s*([\w ]+?) (\w+)(?:\[\w+\])?;", body):
            struct = type_.removeprefix("struct ")
            if struct in INLINE:
                members |= {f"{member}.{inner}": one for inner, one in structs[struct].items()}
            else:
                members[member] = type_
        assert len(re.findall(";", body)) == len({one.partition(".")[0] for one in members})
        structs[name] = members
    return structs


@cache
def truth(*expressions: str) -> dict[str, int]:
    """What the C compiler makes of each, as an unsigned 64-bit number: one immediate load each."""
    loads = "".join(f"IS({expression});\n" for expression in expressions)
    text = f"""
        #include <linux/types.h>
        #include "killsnoop.bpf.c"
        #define IS(value) ({{ __u64 it; \\
            asm volatile("%0 = %1 ll" : "=r"(it) : "i"((__u64)(value))); sum += it; }})
        int truth(void *context) {{ __u64 sum = 0; {loads} return sum; }}
    """
    done = subprocess.run(
        [sys.executable, "-c", _COMPILE], input=text, capture_output=True, text=True, check=True
    )
    code = bytes.fromhex(done.stdout)
    found = [
        int.from_bytes(code[at + 4 : at + 8] + code[at + 12 : at + 16], "little")
        for at in range(0, len(code) - 8, 8)
        if code[at] == _LOAD_64
    ]
    return dict(zip(expressions, found, strict=True))


def test_the_table_has_every_struct_and_member_in_order() -> None:
    assert len(declared()) == len(re.findall(r"^struct \w+ \{", HEADER, re.MULTILINE)) == 16
    assert {name: list(members) for name, members in contract.LAYOUT.items()} == {
        name: list(members) for name, members in declared().items() if name != WITHIN
    }


def test_every_member_is_where_the_compiler_puts_it() -> None:
    asked = {}
    for name, members in contract.LAYOUT.items():
        for member, place in members.items():
            offset = f"__builtin_offsetof(struct {name}, {member})"
            size = f"sizeof(((struct {name} *)0)->{member})"
            asked[name, member] = (offset, size, place)
    answers = truth(*(one for offset, size, _ in asked.values() for one in (offset, size)))
    for where, (offset, size, place) in asked.items():
        assert place == (answers[offset], answers[size]), where


@pytest.mark.parametrize("name", contract.LAYOUT)
def test_every_struct_ends_where_the_compiler_ends_it(name: str) -> None:
    answers = truth(*(f"sizeof(struct {one})" for one in contract.LAYOUT))
    assert contract.whole(name).size == answers[f"sizeof(struct {name})"]
    assert contract.whole(name).size % 8 == 0


def test_every_number_is_read_as_signed_as_it_is_written() -> None:
    """Unpacked from bytes that are all ones, a signed member is below 0 and no other is."""
    for name in contract.LAYOUT:
        for member, type_ in declared()[name].items():
            if member.rpartition(".")[2].startswith("reserved") or type_ == "char":
                continue
            one = contract.run(name, member, member)
            values = one.unpack(b"\xff" * one.size)
            assert all((value < 0) == type_.startswith("__s") for value in values), (name, member)


def test_every_constant_is_the_same_on_both_sides() -> None:
    both = {
        "KILLSNOOP_CONTRACT": program.CONTRACT,
        "KILLSNOOP_NUMBERS": model.NUMBERS,
        "KILLSNOOP_COMM": len(symbols.key(b"")),
        "KILLSNOOP_COMMS": symbols.COMMS_IN_LINE,
        "KILLSNOOP_UIDS": symbols.UIDS,
        "KILLSNOOP_V1": 1 << 63,  # as model.Signal says
        "KILLSNOOP_SIGNAL": contract.SIGNAL,
        "KILLSNOOP_FORK": contract.FORK,
        "KILLSNOOP_EXEC": contract.EXEC,
        "KILLSNOOP_EXIT": contract.EXIT,
        "KILLSNOOP_OOM": contract.OOM,
        "KILLSNOOP_ATTEMPT": contract.ATTEMPT,
        "KILLSNOOP_CGROUP": contract.CGROUP,
        "KILLSNOOP_TTY": contract.LAYOUT["killsnoop_details"]["tty"][1],
        "KILLSNOOP_LEVELS": contract.LEVELS,
        "KILLSNOOP_SPAN": contract.LAYOUT["killsnoop_counts"]["full_span"][1] // 8,
        "KILLSNOOP_UNKNOWN": 0,
        "KILLSNOOP_ADDRESS_NONE": 0,
        "KILLSNOOP_ADDRESS_NULL": _number(causes._ADDRESSES, "null_page"),
        "KILLSNOOP_ADDRESS_OTHER": _number(causes._ADDRESSES, "other"),
        **{
            f"KILLSNOOP_{name.upper()}": _number(causes._DISPOSITIONS, name)
            for name in ("default", "ignored", "handled", "blocked")
        },
        "KILLSNOOP_INFO_NONE": raised.NONE,
        "KILLSNOOP_INFO_PRIV": raised.PRIV,
        "KILLSNOOP_INFO_GIVEN": raised.GIVEN,
        "KILLSNOOP_INTERRUPT": raised.INTERRUPT,
        "KILLSNOOP_COMPAT": raised.COMPAT,
        "KILLSNOOP_CALL": raised.CALL,
        "KILLSNOOP_TO_GROUP": raised.TO_GROUP,
        "KILLSNOOP_ENDED": raised.ENDED,
        "sizeof(struct killsnoop_counts)": counters.ALL_NUMBERS.size,
        "sizeof(struct killsnoop_table_counts)": counters.TABLE.size,
        "TABLE_PROGRAMS": len(counters.TABLE_PROGRAMS),
        **{name.upper(): place for place, name in enumerate(counters.TABLE_PROGRAMS)},
    }
    assert truth(*both) == both
    # And none is missing here, but the two bounds that user space has no word for.
    assert set(causes._DISPOSITIONS) == {1, 2, 3, 4}
    assert set(causes._ADDRESSES) == {1, 2}
    names = set(re.findall(r"\bKILLSNOOP_[A-Z0-9_]+\b", without_comments(HEADER)))
    assert names - set(both) == {
        "KILLSNOOP_H",
        "KILLSNOOP_ARGS",
        "KILLSNOOP_ARGS_SHORT",
        "KILLSNOOP_PATH",
    }


def _number(names: dict[int, str], name: str) -> int:
    return {one: number for number, one in names.items()}[name]


def test_an_exec_record_of_any_size_fits_what_it_is_made_in() -> None:
    sizes = truth("sizeof(struct killsnoop_exec) + KILLSNOOP_ARGS + KILLSNOOP_PATH")
    assert max(sizes.values()) <= maps._EXEC_BYTES <= 32768  # the most that a per-CPU value has


def test_each_counters_words_are_where_the_sums_look_for_them() -> None:
    """An element with every word its own place -> the sums, against the compiler's offsets."""
    columns = ("generated", "filtered", "folded", "lost", "submitted")
    offsets = [f"__builtin_offsetof(struct killsnoop_counts, {one})" for one in columns]
    starts = truth(*offsets)
    size = counters.ALL_NUMBERS.size
    element = b"".join((at // 8).to_bytes(8, "little") for at in range(0, size, 8))
    sums = counters.by_number([counters.ALL_NUMBERS.unpack(element)])
    for column, offset in zip(sums, offsets, strict=True):
        assert column == unpack_from(f"<{model.NUMBERS}Q", element, starts[offset])
    lost = truth("__builtin_offsetof(struct killsnoop_table_counts, lost)")
    words = tuple(range(0, counters.TABLE.size, 8))
    table = counters.table_lost(
        [counters.TABLE.unpack(_words(words))] * len(counters.TABLE_PROGRAMS)
    )
    assert set(table.values()) == set(lost.values())
    # Each word its own offset: the first word of a span is the turn.
    spans = ("refused_span", "full_span")
    first = truth(*(f"__builtin_offsetof(struct killsnoop_counts, {one})" for one in spans))
    words = counters.ALL_NUMBERS.unpack(
        b"".join(at.to_bytes(8, "little") for at in range(0, size, 8))
    )
    for at, span in zip(first.values(), (counters.refused_span, counters.full_span), strict=True):
        assert span([words], at) == (at + 8, at + 16)
    at = truth("__builtin_offsetof(struct killsnoop_table_counts, span)").popitem()[1]
    elements = [counters.TABLE.unpack(_words(tuple(range(0, counters.TABLE.size, 8))))]
    assert counters.table_span(elements, at, ("fork",)) == (at + 8, at + 16)


def _words(values: tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


def test_every_symbol_has_a_value_or_is_a_map() -> None:
    """Those that the programs use, those that the header declares: one set, with values."""
    magic, names = compile_step.symbol_names(SYMBOLS)
    assert len(names) == len(set(names))
    answers = truth("SYMBOL_MAGIC", *(f"SYMBOL_{name}" for name in names))
    assert list(answers.values()) == [magic, *range(len(names))]
    product = program.load()
    used = frozenset().union(*(one.symbols() for one in product.programs.values()))
    known = dict.fromkeys(WANTED, 8)
    given = symbols.values(known, symbols.Wishes(frozenset({9}), (b"one",), "memory"), "x86_64")
    assert used == set(names)
    # The one value that is no symbol: it goes into calls, see program.Program.casts.
    values = {name for name in names if not name.startswith("map_")} | {"function_cast"}
    assert values == set(given)
    assert all(0 <= value < 1 << 64 for value in given.values())


def test_a_filled_program_has_each_value_in_its_place_and_no_symbol_left() -> None:
    magic, names = compile_step.symbol_names(SYMBOLS)
    product = program.load()
    assert set(product.programs) == {
        f"on_{event}{kind}" for event in TRACEPOINTS for kind in ("", "_raw")
    }
    for name, one in product.programs.items():
        values = {symbol: (1 << 64) - 1 - place for place, symbol in enumerate(names)}
        filled = one.filled(values | {"function_cast": 77})
        assert len(filled) == len(one.code)
        assert program.places(filled, magic, names) == ()
        for index, symbol in one.places:
            low, high = (unpack_from("<I", filled, (index + more) * 8 + 4)[0] for more in (0, 1))
            assert high << 32 | low == values[symbol], (name, symbol)
            assert filled[index * 8 + 1] >> 4 == symbol.startswith("map_")
        changed = {at // 8 for at in range(len(filled)) if filled[at] != one.code[at]}
        places = {index + more for index, _ in one.places for more in (0, 1)}
        assert changed - places <= set(one.casts)
