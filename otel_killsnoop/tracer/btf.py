"""Names -> offsets, sizes, type ids and values, by the running kernel's BTF. Bytes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from otel_killsnoop.tracer.btf_types import FUNC_PROTO, PTR, Types

_Question = tuple[str, str, list[str]]  # verb, name of a type or enumerator, path of members


def find(raw: bytes, wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The value of each name, by the first of its alternatives that this kernel has.

    raw: the content of /sys/kernel/btf/vmlinux.  A name of which no alternative exists is absent
    from the result.  An alternative is one of
    ``task_struct.thread_info.status``: byte offset of a member, also of one in an anonymous
    struct or union; a bit field counts as missing.  ``sizeof upid``: bytes of a struct or union.
    ``typedef T``, ``function F``, ``struct S`` (or union): its type id.  ``arguments T``: T is a
    pointer to a function: how many parameters that has after its first.  ``enumerator E``: its
    value.
    `BtfError` if the bytes read on the way are not BTF; what lies behind the last answer is not
    looked at.  ValueError for an alternative of another form.
    """
    questions = {name: [_question(one) for one in many] for name, many in wanted.items()}
    asked = [one for many in questions.values() for one in many]
    types = Types(
        raw,
        names={name for verb, name, _ in asked if verb != "enumerator"},
        enumerators={name for verb, name, _ in asked if verb == "enumerator"},
    )
    found: dict[str, int] = {}
    for name, alternatives in questions.items():
        for verb, subject, path in alternatives:
            value = _ANSWERS[verb](types, subject, path)
            if value is not None:
                found[name] = value
                break
    return found


def _question(text: str) -> _Question:
    verb, _, subject = text.rpartition(" ")
    subject, *path = subject.split(".")
    verb = verb or "offset"
    if verb not in _ANSWERS or bool(path) != (verb == "offset") or not all([subject, *path]):
        raise ValueError(f"not a question to BTF: {text!r}")
    return verb, subject, path


def _offset(types: Types, subject: str, path: list[str]) -> int | None:
    identity, bits = types.noted("members", subject) or 0, 0
    for name in path:
        found = types.member(types.bare(identity), name)
        if found is None:
            return None
        bits, identity = bits + found[0], found[1]
    return None if bits & 7 else bits >> 3


def _sizeof(types: Types, subject: str, path: list[str]) -> int | None:
    identity = types.noted("members", subject)
    return None if identity is None else types.kind(identity)[2]


def _typedef(types: Types, subject: str, path: list[str]) -> int | None:
    return types.noted("typedef", subject)


def _function(types: Types, subject: str, path: list[str]) -> int | None:
    return types.noted("function", subject)


def _struct(types: Types, subject: str, path: list[str]) -> int | None:
    return types.noted("members", subject)


def _arguments(types: Types, subject: str, path: list[str]) -> int | None:
    kind, _, function = types.kind(types.bare(types.noted("typedef", subject) or 0))
    if kind != PTR:
        return None
    kind, count, _ = types.kind(types.bare(function))
    return count - 1 if kind == FUNC_PROTO and count else None


def _enumerator(types: Types, subject: str, path: list[str]) -> int | None:
    return types.noted("enumerator", subject)


_ANSWERS: dict[str, Callable[[Types, str, list[str]], int | None]] = {
    "offset": _offset,
    "sizeof": _sizeof,
    "typedef": _typedef,
    "function": _function,
    "struct": _struct,
    "arguments": _arguments,
    "enumerator": _enumerator,
}
