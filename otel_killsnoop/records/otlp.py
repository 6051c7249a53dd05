"""OTLP's protobuf wire format, as far as log records need it: values in, bytes out.

A message that consists of length-delimited fields may be built by concatenation, so an attribute
encoded once can be put into any number of messages. Strings are given as bytes that must already
be valid UTF-8 (see ``bounds.utf8``); nothing here checks that again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct

RESOURCE_ATTRIBUTE = 1  # field number of Resource.attributes
RECORD_ATTRIBUTE = 6  # field number of LogRecord.attributes

Value = bytes | bool | int | float | tuple[bytes, ...] | tuple[int, ...]
"""What an attribute may hold: text as UTF-8, a truth value, a 64-bit integer, a double, or an
array of texts or of integers."""

_KEPT_VARINTS = 0x800  # lengths, mostly
_DOUBLE = Struct("<d").pack
_KEPT_LENGTHS = 512  # frames of longer values are made anew each time: they would fill memory


def varint(value: int) -> bytes:
    """A base-128 varint; negative numbers as protobuf's int64 has them (ten bytes)."""
    if 0 <= value < _KEPT_VARINTS:
        return _VARINTS[value]
    return _varint(value)


def _varint(value: int) -> bytes:
    if 0 <= value < 0x4000:
        return (value & 0x7F | 0x80 | value >> 7 << 8).to_bytes(2, "little")
    if 0 <= value < 0x200000:
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_VARINTS = tuple(
    bytes((n,)) if n < 0x80 else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(_KEPT_VARINTS)
)


def tag(number: int, wire_type: int) -> bytes:
    """The key in front of a field; wire_type 0 is a varint, 1 eight bytes, 2 length-delimited."""
    return varint(number << 3 | wire_type)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field: a submessage, a string, or bytes."""
    return tag(number, 2) + varint(len(payload)) + payload


class Key:
    """One attribute's name in one kind of message, and the encoder of its values.

    What stands before a value depends on the name and the value's length alone, so these frames
    are kept: an attribute then costs one look-up and one concatenation.
    """

    __slots__ = ("_frames", "_integer_frames", "_name_field", "_tag", "name")

    def __init__(self, name: str, message_field: int) -> None:
        self.name = name
        self._tag = tag(message_field, 2)
        self._name_field = field(1, name.encode())
        self._frames: dict[int, bytes] = {}
        self._integer_frames = [self._frame(1 + length) + b"\x18" for length in range(11)]

    def _frame(self, any_value_length: int) -> bytes:
        value_field = b"\x12" + varint(any_value_length)
        length = len(self._name_field) + len(value_field) + any_value_length
        return self._tag + varint(length) + self._name_field + value_field

    def string(self, value: bytes) -> bytes:
        """The attribute with this text, which is valid UTF-8."""
        length = len(value)
        frame = self._frames.get(length)
        if frame is None:
            value_head = b"\x0a" + varint(length)
            frame = self._frame(len(value_head) + length) + value_head
            if length < _KEPT_LENGTHS:
                self._frames[length] = frame
        return frame + value

    def integer(self, value: int) -> bytes:
        """The attribute with this integer (-2**63 to 2**63-1)."""
        digits = varint(value)
        return self._integer_frames[len(digits)] + digits

    def boolean(self, value: bool) -> bytes:
        """The attribute with this truth value."""
        return self._frame(2) + (b"\x10\x01" if value else b"\x10\x00")

    def double(self, value: float) -> bytes:
        """The attribute with this number."""
        return self._frame(9) + b"\x21" + _DOUBLE(value)

    def strings(self, values: Sequence[bytes]) -> bytes:
        """The attribute with an array of texts."""
        try:
            return self.array(b"".join([_ELEMENTS[len(value)] + value for value in values]))
        except IndexError:
            return self.array(b"".join(map(string_element, values)))

    def integers(self, values: Sequence[int]) -> bytes:
        """The attribute with an array of integers."""
        return self.array(b"".join(map(integer_element, values)))

    def array(self, elements: bytes) -> bytes:
        """The attribute with an array of these elements, encoded already."""
        size = varint(len(elements))
        length = 1 + len(size) + len(elements)
        size_of_value = varint(length)
        whole = varint(len(self._name_field) + 1 + len(size_of_value) + length)
        return b"".join(
            (self._tag, whole, self._name_field, b"\x12", size_of_value, b"\x2a", size, elements)
        )

    def encode(self, value: Value) -> bytes:
        """The attribute with whatever kind of value this is."""
        if isinstance(value, bytes):
            return self.string(value)
        if isinstance(value, bool):
            return self.boolean(value)
        if isinstance(value, int):
            return self.integer(value)
        if isinstance(value, float):
            return self.double(value)
        if value and isinstance(value[0], int):
            return self.integers(value)
        return self.strings(value)  # type: ignore[arg-type]  # a tuple holds one type only


def encode_all(
    keys: Mapping[str, Key], values: Iterable[tuple[str, Value]]
) -> tuple[bytes, list[Value]]:
    """The attributes one after another, as ``Key.encode`` gives them; and those that are arrays.

    It does without most of that one's calls, because most of the encoder's time is spent here.
    """
    parts: list[bytes] = []
    arrays: list[Value] = []
    for name, value in values:
        key = keys[name]
        if type(value) is bytes:
            frame = key._frames.get(len(value))
            if frame is None:
                parts.append(key.string(value))
            else:
                parts += (frame, value)
        elif type(value) is int:
            digits = varint(value)
            parts += (key._integer_frames[len(digits)], digits)
        else:
            parts.append(key.encode(value))
            arrays.append(value)
    return b"".join(parts), arrays


def string_element(value: bytes) -> bytes:
    """One text as an element of an array."""
    length = len(value)
    return (_ELEMENTS[length] if length < _KEPT_LENGTHS else _make_element(length)) + value


def integer_element(value: int) -> bytes:
    """One integer as an element of an array."""
    digits = varint(value)
    return _INTEGER_ELEMENTS[len(digits)] + digits


def _make_element(length: int) -> bytes:
    head = b"\x0a" + varint(length)
    return b"\x0a" + varint(len(head) + length) + head


_INTEGER_ELEMENTS = tuple(b"\x0a" + varint(1 + length) + b"\x18" for length in range(11))
_ELEMENTS = tuple(_make_element(length) for length in range(_KEPT_LENGTHS))
