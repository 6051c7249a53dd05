"""The types of a BTF file, walked in order and only as far as somebody asks. Bytes only.

BTF has no index: types lie one after the other, each as long as its kind and count say. So they
are walked once, all that will be asked for is noted in passing, and the walk goes on only while a
question is open. Names are compared by their offset in the string section, where the kernel's BTF
holds each string once.

Source: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of the kernel.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Set

from otel_killsnoop.errors import BtfError

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)

_HEADER = 3  # words of every type: name, info, size or type
_EXTRA = {INT: 1, ARRAY: 3, VAR: 1, DECL_TAG: 1}  # words after the header
_EACH = {STRUCT: 3, UNION: 3, ENUM: 2, FUNC_PROTO: 2, DATASEC: 3, ENUM64: 3}
_MODIFIERS = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})
_ENUMS = frozenset({ENUM, ENUM64})
_ASKED_FOR = _ENUMS | {STRUCT, UNION, TYPEDEF, FUNC}

_SORTS = {TYPEDEF: "typedef", FUNC: "function"}

_UNUSED_BITS = 0x60FF0000  # of info
_DEEP = 64  # modifiers in a row, or anonymous members in each other: more can only be a circle
_CHUNK = 1024  # types walked between two looks at whether it is enough


def _damaged(on: str) -> BtfError:
    cure = "read /sys/kernel/btf/vmlinux again; if that does not help, report it with `uname -r`"
    return BtfError("the kernel's type information (BTF) is damaged", on, cure)


def _sections(raw: bytes) -> tuple[array[int], int, int]:
    """(the types as 32-bit words, first byte of the strings, first byte after them)."""
    order = {b"\x9f\xeb": "little", b"\xeb\x9f": "big"}.get(raw[:2])
    if order is None:
        cure = "it needs /sys/kernel/btf/vmlinux of a kernel built with CONFIG_DEBUG_INFO_BTF=y"
        raise BtfError("this is no type information (BTF)", f"it begins with {raw[:8]!r}", cure)
    if len(raw) < 24:
        raise _damaged(f"its header is cut off after {len(raw)} bytes")
    layout = ("<" if order == "little" else ">") + "BB5I"
    version, _, header, types, size, strings, room = struct.unpack_from(layout, raw, 2)
    first, start = header + types, header + strings
    if version != 1 or header < 24 or types % 4 or size % 4:
        raise _damaged(f"header of version {version} and {header} bytes, types at {types}")
    if max(first + size, start + room) > len(raw):
        raise _damaged(f"it is cut off after {len(raw)} bytes")
    if not room or raw[start] or raw[start + room - 1]:
        raise _damaged("its strings do not begin and end with a NUL")
    words = array("I")
    words.frombytes(memoryview(raw)[first : first + size])
    if order != sys.byteorder:
        words.byteswap()
    return words, start, start + room


class _Lengths(dict[int, int]):
    """Words of a type by its info word; negative for the kinds that can be asked for."""

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 31
        if info & _UNUSED_BITS or not INT <= kind <= ENUM64:
            what = "the kernel's type information (BTF) has a type of an unknown kind"
            raise BtfError(what, f"info {info:#010x}", "update otel-killsnoop, or report it")
        length = _HEADER + _EXTRA.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
        self[info] = -length if kind in _ASKED_FOR else length
        return self[info]


class Types:
    """The types as far as they were walked. Every method may raise `BtfError`.

    raw: the whole file.  names: of structs, unions, typedefs and functions that will be asked for.
    enumerators: likewise.
    """

    def __init__(self, raw: bytes, names: Set[str], enumerators: Set[str]) -> None:
        self._raw = raw
        self._words, self._strings, self._strings_end = _sections(raw)
        self._lengths = _Lengths()
        self._places = array("I", [0])  # index of the first word by type id; id 0 is void
        self._next = 0  # index of the word where the walk goes on
        self._offsets = {name: self._string(name) for name in names | enumerators}
        self._names = {self._offsets[name] for name in names} - {0}
        self._enumerators = {self._offsets[name] for name in enumerators} - {0}  # not noted yet
        self._noted: dict[tuple[str, int], int] = {}

    def _string(self, name: str) -> int:
        """The offset of a name in the string section, 0 if it is not there."""
        place = self._raw.find(b"\0%b\0" % name.encode(), self._strings, self._strings_end)
        return place + 1 - self._strings if place >= 0 else 0

    def noted(self, sort: str, name: str) -> int | None:
        """What there is of a name, walking on until it is known.

        sort: ``members`` (id of the first struct or union of that name that has any),
        ``typedef``, ``function`` (id of the first), ``enumerator`` (value of the first).
        """
        key = sort, self._offsets[name]
        while key[1] and key not in self._noted and self._walk():
            pass
        return self._noted.get(key)

    def kind(self, identity: int) -> tuple[int, int, int]:
        """(kind, count, size or type) of a type; of id 0, which is void, all are 0."""
        if not identity:
            return 0, 0, 0
        while identity >= len(self._places):
            if not self._walk():
                raise _damaged(f"it has no type {identity}")
        place = self._places[identity]
        _, info, third = self._words[place : place + _HEADER]
        return info >> 24 & 31, info & 0xFFFF, third

    def bare(self, identity: int) -> int:
        """A type without its typedefs, const, volatile, restrict and tags."""
        bare = identity
        for _ in range(_DEEP):
            kind, _, behind = self.kind(bare)
            if kind not in _MODIFIERS:
                return bare
            bare = behind
        raise _damaged(f"type {identity} stands for itself")

    def member(self, identity: int, name: str) -> tuple[int, int] | None:
        """(offset in bits, type id) of a member, at any anonymous depth.

        None if there is none, if it is a bit field, or if the type is no struct or union.
        """
        found = self._member(identity, b"%b\0" % name.encode(), set(), 0)
        return found[:2] if found and not found[2] else None

    def _member(
        self, identity: int, key: bytes, searched: set[int], depth: int
    ) -> tuple[int, int, bool] | None:
        """(offset in bits, type id, is it a bit field). searched: the types that have none such."""
        kind, count, size = self.kind(identity)
        if kind not in (STRUCT, UNION) or identity in searched:
            return None
        if depth > _DEEP:
            raise _damaged(f"type {identity} is a member of itself")
        place = self._places[identity]
        flag = self._words[place + 1] >> 31
        names = self._words[place + _HEADER : place + _HEADER + 3 * count : 3]
        has, start = self._raw.startswith, self._strings
        if count and start + max(names) >= self._strings_end:
            raise _damaged(f"type {identity} has a member whose name is nowhere")
        for named in (True, False):
            for index, offset in enumerate(names):
                if bool(offset) != named or (named and not has(key, start + offset)):
                    continue
                first = place + _HEADER + 3 * index
                inner, bits = self._words[first + 1], self._words[first + 2]
                # With the flag the highest byte is the width of a bit field, 0 for the others.
                shift, width = (bits & 0xFFFFFF, bits >> 24) if flag else (bits, 0)
                if shift > 8 * size:
                    raise _damaged(f"type {identity} has a member behind its end")
                if named:
                    return shift, inner, bool(width) or (not flag and self._is_narrow(inner))
                if found := self._member(self.bare(inner), key, searched, depth + 1):
                    return shift + found[0], *found[1:]
        searched.add(identity)
        return None

    def _is_narrow(self, identity: int) -> bool:
        """Whether an integer type is itself a bit field's, as older BTF has it."""
        bare = self.bare(identity)
        kind, _, size = self.kind(bare)  # in an integer follows shift << 16 | width
        return kind == INT and self._words[self._places[bare] + _HEADER] & 0xFF00FF != 8 * size

    def _walk(self) -> bool:
        """Go on over a chunk of types and note what is asked for; False at the end."""
        words, lengths, place, end = self._words, self._lengths, self._next, len(self._words)
        names, enumerators, add = self._names, self._enumerators, self._places.append
        if place == end:
            return False
        try:
            for _ in range(_CHUNK):
                add(place)
                info = words[place + 1]
                length = lengths[info]
                if length < 0:
                    length = -length
                    if words[place] in names or (enumerators and info >> 24 & 31 in _ENUMS):
                        self._note(place, info, length)
                place += length
                if place >= end:
                    break
        except IndexError:
            place = end + 1
        if place > end:
            raise _damaged(f"type {len(self._places) - 1} is cut off")
        self._next = place
        return True

    def _note(self, place: int, info: int, length: int) -> None:
        kind = info >> 24 & 31
        if kind not in _ENUMS:
            sort = _SORTS.get(kind) or ("members" if info & 0xFFFF else "empty")
            self._noted.setdefault((sort, self._words[place]), len(self._places) - 1)
            return
        each, first = _EACH[kind], place + _HEADER
        names = self._words[first : place + length : each]
        for name in self._enumerators.intersection(names):
            at = first + each * names.index(name)
            value, width = self._words[at + 1], 32 * (each - 1)
            if kind == ENUM64:
                value |= self._words[at + 2] << 32
            negative = info >> 31 and value >> (width - 1)
            self._noted["enumerator", name] = value - (1 << width) if negative else value
            self._enumerators.discard(name)
