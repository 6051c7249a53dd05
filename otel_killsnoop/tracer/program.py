"""The compiled kernel program as data: instructions with places where symbols go.

A build product (otel_killsnoop/tracer/compile.py makes it): one JSON file for every kernel and
architecture. Nothing here touches the kernel.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from otel_killsnoop.errors import ProgramError

PRODUCT = Path(__file__).with_name("killsnoop.bpf.json")
CONTRACT = 5  # KILLSNOOP_CONTRACT of bpf/killsnoop.h
EVENTS = ("signal", "fork", "exec", "exit", "oom", "attempt", "cgroup")

_CURE = "make it with `make setup`, or python3 -m otel_killsnoop.tracer.compile"
_INSTRUCTION = Struct("<BBhi")
_SIZE = _INSTRUCTION.size
_LOAD_64 = 0x18  # BPF_LD | BPF_DW | BPF_IMM: a 64-bit immediate in two instructions
_MAP_REFERENCE = 1  # BPF_PSEUDO_MAP_FD as its source register
_CALL, _KERNEL_FUNCTION = 0x85, 2  # BPF_JMP | BPF_CALL, and BPF_PSEUDO_KFUNC_CALL as its source
_CAST = 0x7D01  # what bpf/helpers.h has in the place of bpf_rdonly_cast
_WORD = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Program:
    """One compiled function. places: (index of the instruction, name of the symbol) of each.

    casts: indexes of the calls of the kernel's function bpf_rdonly_cast.
    """

    name: str
    code: bytes
    places: tuple[tuple[int, str], ...]
    casts: tuple[int, ...] = ()

    def symbols(self) -> frozenset[str]:
        """The names that `filled` must be given."""
        return frozenset(name for _, name in self.places)

    def filled(self, values: Mapping[str, int]) -> bytes:
        """The instructions with every symbol's value in place.

        values: of each symbol an unsigned 64-bit number; of one that begins with ``map_`` a map's
        descriptor; ``function_cast`` is the BTF id of bpf_rdonly_cast, if ``set_cast``.
        `ProgramError` when one is missing.
        """
        code = bytearray(self.code)
        for index, name in self.places:
            value = values.get(name)
            if value is None:
                raise ProgramError(f"the program {self.name} has a symbol of no value", name, _CURE)
            at = index * _SIZE
            operation, registers, _, _ = _INSTRUCTION.unpack_from(code, at)
            if name.startswith("map_"):
                registers = registers & 0x0F | _MAP_REFERENCE << 4
            low, high = value & _WORD, value >> 32 & _WORD
            _INSTRUCTION.pack_into(code, at, operation, registers, 0, _signed(low))
            _INSTRUCTION.pack_into(code, at + _SIZE, 0, 0, 0, _signed(high))
        if values.get("set_cast"):
            function = values.get("function_cast", 0)
            if not function:
                raise ProgramError(f"the program {self.name} has no", "function_cast", _CURE)
            for index in self.casts:
                _INSTRUCTION.pack_into(
                    code, index * _SIZE, _CALL, _KERNEL_FUNCTION << 4, 0, function
                )
        return bytes(code)


@dataclass(frozen=True, slots=True)
class Product:
    """All programs of one build. tag: of the sources it was made of."""

    tag: str
    programs: Mapping[str, Program]


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def places(code: bytes, magic: int, names: list[str]) -> tuple[tuple[int, str], ...]:
    """Where symbols are in compiled instructions: immediates with ``magic`` as upper half."""
    found = []
    for index in range(len(code) // _SIZE - 1):
        operation, _, _, low = _INSTRUCTION.unpack_from(code, index * _SIZE)
        high = _INSTRUCTION.unpack_from(code, (index + 1) * _SIZE)[3]
        if operation == _LOAD_64 and high & _WORD == magic:
            found.append((index, names[low]))
    return tuple(found)


def casts(code: bytes) -> tuple[int, ...]:
    """Where compiled instructions call bpf_rdonly_cast."""
    return tuple(
        index
        for index in range(len(code) // _SIZE)
        if code[index * _SIZE] == _CALL
        and _INSTRUCTION.unpack_from(code, index * _SIZE)[3] == _CAST
    )


def load(path: Path = PRODUCT) -> Product:
    """The build product; `ProgramError` when it is missing, damaged or of another contract."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ProgramError("the compiled kernel program is missing", str(path), _CURE) from None
    except (OSError, ValueError) as error:
        raise ProgramError(f"cannot read the kernel program, {error}", str(path), _CURE) from error
    try:
        if content["contract"] != CONTRACT:
            what = f"the kernel program has contract {content['contract']}, not {CONTRACT}"
            raise ProgramError(what, str(path), _CURE)
        programs = {
            name: Program(
                name,
                base64.b64decode(one["code"], validate=True),
                tuple((int(index), str(symbol)) for index, symbol in one["places"]),
                tuple(int(index) for index in one["casts"]),
            )
            for name, one in content["programs"].items()
        }
        tag = str(content["tag"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"the kernel program is damaged, {type(error).__name__}: {error}"
        raise ProgramError(what, str(path), _CURE) from error
    wanted = {f"on_{event}{kind}" for event in EVENTS for kind in ("", "_raw")}
    if missing := wanted - set(programs):
        raise ProgramError(f"the kernel program lacks {', '.join(missing)}", str(path), _CURE)
    for one in programs.values():
        last = len(one.code) // _SIZE - 1
        indexes = [index for index, _ in one.places] + list(one.casts)
        if len(one.code) % _SIZE or any(not 0 <= index < last for index in indexes):
            raise ProgramError(f"the kernel program {one.name} is damaged", str(path), _CURE)
    return Product(tag, programs)
