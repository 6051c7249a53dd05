"""The running kernel's BTF: held to what must be so, and to a second parser.

The parser below takes everything apart in the plainest way and shares nothing with the reader.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

import pytest
from made_btf import (
    ARRAY,
    CONST,
    DATASEC,
    DECL_TAG,
    ENUM,
    ENUM64,
    FUNC,
    FUNC_PROTO,
    INT,
    RESTRICT,
    STRUCT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VOLATILE,
    one,
)

from otel_killsnoop.errors import BtfError
from otel_killsnoop.tracer.btf import find

pytestmark = pytest.mark.kernel

VMLINUX = "/sys/kernel/btf/vmlinux"

NAMES = (
    [f"task_struct.{m}" for m in "pid tgid flags comm cred group_leader real_parent".split()]
    + [f"task_struct.{m}" for m in "signal cgroups stack mm exit_code thread_pid".split()]
    + ["task_struct.start_boottime", "task_struct.real_start_time"]
    + ["task_struct.thread_info.status", "task_struct.thread_info.flags", "task_struct.se.load"]
    + ["task_struct.sched_reset_on_fork", "task_struct.in_execve", "task_struct.frozen"]
    + ["cred.uid", "cred.gid", "cred.uid.val", "pid.level", "pid.numbers", "upid.nr", "upid.ns"]
    + [f"signal_struct.{m}" for m in "pids flags group_exit_code live tty".split()]
    + ["css_set.dfl_cgrp", "css_set.subsys", "cgroup_subsys_state.cgroup", "cgroup.level"]
    + ["cgroup.kn", "kernfs_node.id", "kernfs_node.parent", "kernfs_node.__parent"]
    + ["mm_struct.arg_start", "mm_struct.arg_end", "linux_binprm.filename", "linux_binprm.argc"]
    + ["pt_regs.orig_ax", "pt_regs.di", "pt_regs.bx", "pt_regs.syscallno"]
    + [f"kernel_siginfo.si_{m}" for m in "signo errno code".split()]
    + ["struct task_struct", "struct sigval", "struct pid_t", "function do_exit", "function pid_t"]
    + [f"sizeof {m}" for m in "upid task_struct siginfo sigval no_such_struct_at_all".split()]
    + [
        f"{verb} btf_trace_{m}"
        for verb in ("typedef", "arguments")
        for m in (
            "signal_generate",
            "sched_process_fork",
            "sched_process_exec",
            "sched_process_exit",
            "sys_exit",
            "no_such_tracepoint",
        )
    ]
    + ["enumerator PIDTYPE_TGID", "enumerator memory_cgrp_id", "enumerator NO_SUCH_ENUMERATOR"]
    + ["enumerator BPF_MAP_TYPE_RINGBUF", "enumerator BPF_F_CURRENT_CPU"]
)


class Type(NamedTuple):
    kind: int
    flag: int
    name: str
    third: int
    rest: list[tuple[int, ...]]


class Plain:
    """A parser that decodes every type and name, and only then looks for anything."""

    def __init__(self, raw: bytes) -> None:
        size, types, types_size, strings, strings_size = struct.unpack_from("=5I", raw, 4)
        text = raw[size + strings : size + strings + strings_size]
        self.types = [Type(0, 0, "", 0, [])]
        at, end = size + types, size + types + types_size
        shapes = {INT: "I", ARRAY: "III", VAR: "I", DECL_TAG: "I", STRUCT: "III", UNION: "III"}
        shapes |= {ENUM: "II", FUNC_PROTO: "II", DATASEC: "III", ENUM64: "III"}
        self.text = text
        while at < end:
            name, info, third = struct.unpack_from("=III", raw, at)
            at += 12
            kind, count = info >> 24 & 31, info & 0xFFFF
            rest = []
            for _ in range(1 if kind in (INT, ARRAY, VAR, DECL_TAG) else count):
                shape = "=" + shapes[kind]
                rest.append(struct.unpack_from(shape, raw, at))
                at += struct.calcsize(shape)
            self.types.append(Type(kind, info >> 31, self.string(name), third, rest))

    def string(self, offset: int) -> str:
        return self.text[offset : self.text.index(b"\0", offset)].decode()

    def strip(self, number: int) -> Type:
        while self.types[number].kind in (TYPEDEF, CONST, VOLATILE, RESTRICT, TYPE_TAG):
            number = self.types[number].third
        return self.types[number]

    def members(self, record: Type) -> dict[str, tuple[int, int, bool]]:
        """All members with those of anonymous ones: name -> (bits, type, is a bit field)."""
        made: dict[str, tuple[int, int, bool]] = {}
        for name, inner, word in record.rest if record.kind in (STRUCT, UNION) else []:
            bits = word % (1 << 24) if record.flag else word
            target = self.strip(inner)
            if name:
                narrow = target.kind == INT and target.rest[0][0] % 256 != 8 * target.third
                field = word >= 1 << 24 if record.flag else narrow
                made[self.string(name)] = bits, inner, field
            else:
                for sub, (more, of, field) in self.members(target).items():
                    made[sub] = bits + more, of, field
        return made

    def answer(self, question: str) -> int | None:
        verb, _, rest = question.rpartition(" ")
        name, *path = rest.split(".")
        records = [t for t in self.types if t.kind in (STRUCT, UNION) and t.name == name and t.rest]
        if verb == "sizeof":
            return records[0].third if records else None
        if verb == "enumerator":
            for kind, flag, _, _, values in self.types:
                for key, low, *high in values if kind in (ENUM, ENUM64) else []:
                    if self.string(key) == name:
                        value = low + (high[0] << 32 if high else 0)
                        width = 64 if high else 32
                        return value - (1 << width) if flag and value >= 1 << width - 1 else value
            return None
        if verb == "struct":
            return next((i for i, t in enumerate(self.types) if t in records), None)
        if verb:
            kind = FUNC if verb == "function" else TYPEDEF
            ids = [i for i, t in enumerate(self.types) if t.kind == kind and t.name == name]
            if verb != "arguments" or not ids:
                return ids[0] if ids else None
            return len(self.strip(self.strip(ids[0]).third).rest) - 1
        total, record = 0, records[0] if records else None
        for step in path:
            if record is None or step not in self.members(record):
                return None
            bits, inner, field = self.members(record)[step]
            if field:
                return None
            total, record = total + bits, self.strip(inner)
        return total // 8


@pytest.fixture(scope="module")
def vmlinux() -> bytes:
    if not os.access(VMLINUX, os.R_OK):
        pytest.skip("this kernel has no BTF")
    with open(VMLINUX, "rb") as file:
        return file.read()


@pytest.fixture(scope="module")
def plain(vmlinux: bytes) -> Plain:
    return Plain(vmlinux)


def test_the_running_kernel_is_as_it_must_be(vmlinux: bytes) -> None:
    found = find(vmlinux, {name: [name] for name in NAMES})
    assert found["sizeof upid"] == 16
    assert found["task_struct.pid"] + 4 == found["task_struct.tgid"]
    assert [found[f"kernel_siginfo.si_{m}"] for m in ("signo", "errno", "code")] == [0, 4, 8]
    assert found["enumerator PIDTYPE_TGID"] == 1
    assert found["arguments btf_trace_signal_generate"] == 5
    assert found["arguments btf_trace_sched_process_fork"] == 2
    assert found["mm_struct.arg_start"] + 8 == found["mm_struct.arg_end"]


def test_a_plain_parser_agrees_on_what_is_asked_for(vmlinux: bytes, plain: Plain) -> None:
    expected = {name: plain.answer(name) for name in NAMES}
    found = find(vmlinux, {name: [name] for name in NAMES})
    assert found == {name: value for name, value in expected.items() if value is not None}
    for name in NAMES:
        assert one(vmlinux, name) == expected[name]


def test_a_plain_parser_agrees_on_every_fifth_struct(vmlinux: bytes, plain: Plain) -> None:
    first: dict[str, Type] = {}
    for record in plain.types:
        if record.kind in (STRUCT, UNION) and record.name and record.rest:
            first.setdefault(record.name, record)
    expected: dict[str, int | None] = {}
    for name, record in list(first.items())[::5]:
        expected[f"sizeof {name}"] = record.third
        for member, (bits, _, field) in plain.members(record).items():
            expected[f"{name}.{member}"] = None if field else bits // 8
    assert len(expected) > 5000
    found = find(vmlinux, {question: [question] for question in expected})
    assert found == {name: value for name, value in expected.items() if value is not None}


def test_the_running_kernels_btf_cut_anywhere(vmlinux: bytes) -> None:
    wanted = {name: [name] for name in NAMES}
    whole = find(vmlinux, wanted)
    (types_size,) = struct.unpack_from("=I", vmlinux, 12)
    for eighth in range(8):
        with pytest.raises(BtfError, match="cut off"):
            find(vmlinux[: len(vmlinux) * eighth // 8 + 24], wanted)
        # With a header that hides the cut, the types end early, in the middle of one or between.
        for more in range(0, 48, 4):
            cut = types_size * eighth // 8 // 40 * 4 + more
            raw = vmlinux[:12] + struct.pack("=I", cut) + vmlinux[16:]
            try:
                found = find(raw, wanted)
            except BtfError:
                continue
            assert found.items() <= whole.items()
