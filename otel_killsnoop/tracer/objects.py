"""Maps, programs and links by their names under bpffs, and what the kernel says of them.

Structures are those of include/uapi/linux/bpf.h; failures are `OSError`, as in `bpf`.
"""

from __future__ import annotations

import ctypes
from struct import Struct
from typing import NamedTuple

from otel_killsnoop.tracer import bpf

_PIN, _GET, _INFO = 6, 7, 15
_PIN_ATTR = Struct("<QII")
_INFO_ATTR = Struct("<IIQ")
_INFO_BYTES = 256
_MAP = Struct("<IIIIII")
_PROGRAM = Struct("<II8s")
_PROGRAM_MAPS = 52  # nr_map_ids, and the address for them: offset in struct bpf_prog_info
_MOST_MAPS = 64


class MapInfo(NamedTuple):
    """What a map was made with. identity: the kernel's number of it, never used again."""

    kind: int
    identity: int
    key_size: int
    value_size: int
    entries: int
    flags: int


class ProgramInfo(NamedTuple):
    """identity: the kernel's number.  tag: its hash.  maps: the numbers of the maps it uses."""

    identity: int
    tag: bytes
    maps: frozenset[int]


def pin(descriptor: int, path: str) -> None:
    """Give a map, program or link a name: it lives on when nobody holds it."""
    _named(_PIN, path, descriptor)


def get(path: str) -> int:
    """A descriptor of what is pinned there."""
    return _named(_GET, path, 0)


def _named(command: int, path: str, descriptor: int) -> int:
    name = ctypes.create_string_buffer(path.encode())
    return bpf.call(command, _PIN_ATTR.pack(ctypes.addressof(name), descriptor, 0))


def map_info(descriptor: int) -> MapInfo:
    """What kind of map it is."""
    return MapInfo._make(_MAP.unpack_from(_info(descriptor)))


def program_info(descriptor: int) -> ProgramInfo:
    """Which program it is."""
    maps = ctypes.create_string_buffer(4 * _MOST_MAPS)
    asked = bytearray(_INFO_BYTES)
    Struct("<IQ").pack_into(asked, _PROGRAM_MAPS, _MOST_MAPS, ctypes.addressof(maps))
    found = _info(descriptor, bytes(asked))
    _, identity, tag = _PROGRAM.unpack_from(found)
    count = min(int.from_bytes(found[_PROGRAM_MAPS : _PROGRAM_MAPS + 4], "little"), _MOST_MAPS)
    return ProgramInfo(identity, tag, frozenset(Struct(f"<{count}I").unpack_from(maps.raw)))


def program_of_link(descriptor: int) -> int:
    """The number of the program that a link attaches."""
    return int.from_bytes(_info(descriptor)[8:12], "little")


def _info(descriptor: int, asked: bytes = b"") -> bytes:
    info = ctypes.create_string_buffer(asked, _INFO_BYTES)
    bpf.call(_INFO, _INFO_ATTR.pack(descriptor, len(info), ctypes.addressof(info)))
    return info.raw
