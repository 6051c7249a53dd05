"""BTF assembled by hand, for the tests of its reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from otel_killsnoop.tracer.btf import find

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)

Member = tuple[str, int, int]  # name, type id, offset word


class Assembler:
    """Writes BTF, one type a call; each call gives the new type's id."""

    def __init__(self) -> None:
        self.strings = {"": 0}
        self.text = b"\0"
        self.words: list[int] = []
        self.types = 0

    def name(self, text: str) -> int:
        if text not in self.strings:
            self.strings[text] = len(self.text)
            self.text += text.encode() + b"\0"
        return self.strings[text]

    def add(
        self, kind: int, name: str = "", third: int = 0, rest: Sequence[int] = (), each: int = 0
    ) -> int:
        count = len(rest) // each if each else 0
        flag = kind & 1 << 31
        self.words += [self.name(name), flag | (kind & 31) << 24 | count, third, *rest]
        self.types += 1
        return self.types

    def record(
        self,
        name: str,
        size: int,
        members: Sequence[Member],
        kind: int = STRUCT,
        flag: bool = False,
    ) -> int:
        rest = [word for one, of, at in members for word in (self.name(one), of, at)]
        return self.add(kind | flag << 31, name, size, rest, 3)

    def number(self, name: str, size: int, width: int | None = None, shift: int = 0) -> int:
        return self.add(INT, name, size, [shift << 16 | (8 * size if width is None else width)])

    def bytes(self, order: str = "<") -> bytes:
        types = struct.pack(f"{order}{len(self.words)}I", *self.words)
        head = (0xEB9F, 1, 0, 24, 0, len(types), len(types), len(self.text))
        return struct.pack(order + "HBBIIIII", *head) + types + self.text


def one(raw: bytes, question: str) -> int | None:
    return find(raw, {"it": [question]}).get("it")


def a_bit_of_everything() -> Assembler:
    """Every kind there is, and behind them what may be asked for."""
    made = Assembler()
    long = made.number("long", 8)
    letter = made.number("char", 1)
    made.add(FLOAT, "double", 8)
    made.add(FWD, "task_struct")
    made.record("task_struct", 0, [])
    array = made.add(ARRAY, third=0, rest=[letter, long, 16])
    status = made.record("thread_info", 16, [("flags", long, 0), ("status", long, 64)])
    const = made.add(CONST, third=made.add(TYPEDEF, "thread_info_t", status))
    tagged = made.add(TYPE_TAG, "percpu", made.add(VOLATILE, third=const))
    pointer = made.add(RESTRICT, third=made.add(PTR, third=status))
    deepest = made.record("", 8, [("si_code", long, 0), ("", letter, 0)])
    inner = made.record("", 16, [("si_pid", long, 0), ("", deepest, 64)], UNION)
    made.record(
        "task_struct",
        88,
        [
            ("pid", long, 0),
            ("info", tagged, 64),
            ("comm", array, 192),
            ("", inner, 320),
            ("link", pointer, 448),
            ("half", long, 516),
            ("last", long, 640),
        ],
    )
    made.record("task_struct", 8, [("pid", long, 8)])
    made.record(
        "flagged", 16, [("", inner, 0), ("bit", long, 1 << 24 | 8), ("plain", long, 64)], flag=True
    )
    narrow = made.number("unsigned", 4, width=3)
    shifted = made.number("shifted", 4, shift=8)
    made.record("older", 8, [("narrow", narrow, 0), ("shifted", shifted, 0), ("full", long, 0)])
    made.record("qualified", 16, [("", made.add(CONST, third=inner), 0)])
    made.record("sigval", 8, [("sival_int", long, 0)], UNION)
    proto = made.add(FUNC_PROTO, rest=[made.name("data"), long, made.name("a"), long, 0, 0], each=2)
    made.add(TYPEDEF, "btf_trace_it", made.add(PTR, third=proto))
    made.add(TYPEDEF, "btf_trace_number", long)
    made.add(TYPEDEF, "btf_trace_pointer", made.add(PTR, third=long))
    made.add(TYPEDEF, "btf_trace_nothing", made.add(PTR, third=made.add(FUNC_PROTO)))
    made.add(TYPEDEF, "btf_trace_record", made.add(PTR, third=status))
    # Its size is the number of a function's type, which must not be taken for it.
    made.add(TYPEDEF, "btf_trace_size", made.record("", proto, [("one", long, 0)]))
    made.add(FUNC, "it", proto)
    made.add(DECL_TAG, "kfunc", proto, [0xFFFFFFFF])
    variable = made.add(VAR, "counter", long, [1])
    made.add(DATASEC, ".data", 8, [variable, 0, 8], each=3)
    small = [made.name("PID"), 0, made.name("TGID"), 1, made.name("TOP"), 0xFFFFFFFF]
    made.add(ENUM, "pid_type", 4, small, each=2)
    made.add(ENUM | 1 << 31, "", 4, [made.name("LOW"), 0xFFFFFFFE, made.name("ONE"), 1], each=2)
    made.add(ENUM64, "", 8, [made.name("WIDE"), 5, 7], each=3)
    made.add(ENUM64 | 1 << 31, "", 8, [made.name("DEEP"), 0xFFFFFFFD, 0xFFFFFFFF], each=3)
    made.add(TYPEDEF, "last_of_all", long)
    return made


EVERYTHING = a_bit_of_everything()
