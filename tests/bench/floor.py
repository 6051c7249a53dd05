"""The least that a program at the same tracepoint costs: one that does nothing, one that counts."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator

from otel_killsnoop.tracer import bpf, layout

_NUMBERS = 65  # elements of the counting program's map


def _code(*instructions: tuple[int, int, int, int, int]) -> bytes:
    """instructions: operation, destination and source register, offset, immediate value."""
    return b"".join(
        struct.pack("<BBhi", operation, source << 4 | to, offset, value)
        for operation, to, source, offset, value in instructions
    )


_END = ((0xB7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0))  # r0 = 0; exit
_NOTHING = _code(*_END)


def _counting(numbers: int) -> bytes:
    """numbers[signal number]++, of a per-CPU array."""
    return _code(
        (0x61, 1, 1, 0, 0),  # r1 = the first argument, the signal's number
        (0x63, 10, 1, -4, 0),  # on the stack, for the look-up
        (0xBF, 2, 10, 0, 0),
        (0x07, 2, 0, 0, -4),  # r2 = its address
        (0x18, 1, 1, 0, numbers),
        (0, 0, 0, 0, 0),  # r1 = the map
        (0x85, 0, 0, 0, 1),  # r0 = bpf_map_lookup_elem(r1, r2)
        (0x15, 0, 0, 3, 0),  # none: to the end
        (0x79, 1, 0, 0, 0),
        (0x07, 1, 0, 0, 1),
        (0x7B, 0, 1, 0, 0),  # *r0 += 1
        *_END,
    )


@contextlib.contextmanager
def attached(counting: bool) -> Iterator[None]:
    """That program by tp_btf; `KernelError` where that is not to be had."""
    place = layout.of_kernel(None)["at_signal"]
    with contextlib.ExitStack() as opened:
        code = _NOTHING
        if counting:
            numbers = bpf.create_map(bpf.PERCPU_ARRAY, 4, 8, _NUMBERS)
            opened.callback(os.close, numbers)
            code = _counting(numbers)
        program = bpf.load_program(bpf.TRACING, code, "floor", place, bpf.TRACE_RAW_TP)
        opened.callback(os.close, program)
        opened.callback(os.close, bpf.attach(program))
        yield
