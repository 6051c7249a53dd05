"""Records as the kernel program writes them: bpf/killsnoop.h, laid out by ctypes as C does it.

Read from the header itself, so that what tests build is the contract and no second copy of it.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_TEXT = re.sub(
    r"/\*.*?\*/",
    "",
    (Path(__file__).parents[2] / "bpf" / "killsnoop.h").read_text(),
    flags=re.DOTALL,
)

CONSTANTS = {
    name: int(value) for name, value in re.findall(r"(KILLSNOOP_\w+)(?: = |[ \t]+)(\d+)\b", _TEXT)
}
"""Every number that the header gives a name."""

_TYPES: dict[str, type] = {
    "__u8": ctypes.c_uint8,
    "char": ctypes.c_uint8,
    "__u32": ctypes.c_uint32,
    "__s32": ctypes.c_int32,
    "__u64": ctypes.c_uint64,
}


def _read() -> dict[str, type[ctypes.Structure]]:
    made: dict[str, type[ctypes.Structure]] = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\n\};", _TEXT, re.DOTALL):
        fields = []
        for member in filter(None, map(str.strip, body.split(";"))):
            kind, own, length = re.fullmatch(
                r"(?:struct )?(\w+) (\w+)(?:\[(\w+)\])?", member
            ).groups()
            one = made.get(kind) or _TYPES[kind]
            fields.append((own, one * (CONSTANTS.get(length) or int(length)) if length else one))
        made[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return made


STRUCTS = _read()
"""By name; a struct's members have the header's names."""


def places(struct: type[ctypes.Structure], at: int = 0, prefix: str = "") -> dict[str, tuple]:
    """Member -> (offset, size); a struct's within as ``source.start``."""
    made = {}
    for name, kind in struct._fields_:
        place = getattr(struct, name)
        if issubclass(kind, ctypes.Structure):
            made |= places(kind, at + place.offset, f"{prefix}{name}.")
        else:
            made[prefix + name] = (at + place.offset, place.size)
    return made


def record(struct: str, **members: object) -> ctypes.Structure:
    """A struct by its name without ``killsnoop_``; what is not given is 0. Bytes fill arrays."""
    made = STRUCTS[f"killsnoop_{struct}"]()
    if f"KILLSNOOP_{struct.upper()}" in CONSTANTS:
        made.kind = CONSTANTS[f"KILLSNOOP_{struct.upper()}"]
    how = {name for name, _ in STRUCTS["killsnoop_how"]._fields_} - {"reserved"}
    for name, value in members.items():
        if hasattr(made, "how") and name in how:
            setattr(made.how, name, value)
        elif isinstance(value, bytes | tuple):
            getattr(made, name)[: len(value)] = value
        else:
            setattr(made, name, value)
    return made


def party(pid: int = 4711, comm: bytes = b"pkill", **changes: int) -> ctypes.Structure:
    """A thread of the process ``pid`` that is not its first."""
    usual = {"start": pid * 1000, "pid": pid, "tid": pid + 1, "uid": 33, "gid": 34}
    usual |= {"vpid": 7, "flags": 0x400000, "cgroup": 77}
    return record("party", **{**usual, "comm": comm, **changes})


def signal(**changes: object) -> ctypes.Structure:
    """A SIGKILL from pkill to nginx by kill(2) on x86_64."""
    usual = {"time": 123, "source": party(), "target": party(1234, b"nginx"), "number": 9}
    usual |= {"call": 62, "info": 2, "group": 1, "bits": 4, "argument": 1234, "disposition": 1}
    return record("signal", **{**usual, **changes})


def detailed(details: dict[str, object], **changes: object) -> bytes:
    """A signal that the kernel raised: by itself, in no call, unless told otherwise."""
    usual = {"info": 1, "call": -1, "argument": 0, "detailed": 1}
    return bytes(signal(**{**usual, **changes})) + bytes(record("details", **details))


def execution(
    argv: bytes, path: bytes, total: int | None = None, argc: int = 1, **changes: object
) -> bytes:
    """A whole exec record; total: bytes of argv that there are, if not those carried."""
    own = {"argc": argc, "time": 5, "self": party(), "args_size": len(argv)}
    own |= {"args_total": len(argv) if total is None else total, "path_size": len(path)}
    own |= {"old_tid": 4711, "login_uid": 0xFFFFFFFF, "session": 0xFFFFFFFF}
    return bytes(record("exec", **{**own, **changes})) + argv + path
