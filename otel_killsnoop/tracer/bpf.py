"""The system call bpf(2), a function for each of its commands. The only file that makes it.

Numbers and structures are those of include/uapi/linux/bpf.h. Every descriptor is close-on-exec
(the kernel makes bpf descriptors so). Failures are `OSError`, with the call's errno, but for
`load_program`, which has more to say.
"""

from __future__ import annotations

import ctypes
import errno
import os
from struct import Struct

from otel_killsnoop.errors import KernelError, PrivilegeError

HASH, ARRAY, PERCPU_ARRAY, ARRAY_OF_MAPS, RINGBUF = 1, 2, 6, 12, 27
MMAPABLE = 1 << 10
RAW_TRACEPOINT, TRACING = 17, 26
TRACE_RAW_TP, TRACE_FEXIT = 23, 25  # attach types of TRACING programs: tp_btf, a function's end

_MAP_CREATE, _MAP_UPDATE, _PROG_LOAD, _RAW_TRACEPOINT_OPEN, _INFO = 0, 2, 5, 17, 15
_LOOKUP_BATCH, _DELETE_BATCH = 24, 27
_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
_MAP_ATTR = Struct("<7I16s")
_UPDATE_ATTR = Struct("<I4xQQQ")
_PROG_ATTR = Struct("<IIQQIIQII16sIIIIQIIQII")
_OPEN_ATTR = Struct("<QI4x")
_INFO_ATTR = Struct("<IIQ")
_BATCH_ATTR = Struct("<QQQQIIQQ")
_BATCH_COUNT = 32  # offset of the count in it, which the kernel writes
_INFO_BYTES = 256
_RECURSION_MISSES = 208  # offset in struct bpf_prog_info, Linux 5.12 and later
_LOG_BYTES = 1 << 20
_LICENSE = ctypes.create_string_buffer(b"GPL")  # the helpers that read memory ask for it

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def _number() -> int:
    machine = os.uname().machine
    found = _NUMBERS.get(machine)
    if found is None:
        raise KernelError(
            "no system call number of bpf(2) is known", machine, "use another machine"
        )
    return found


def call(command: int, attributes: bytes) -> int:
    """bpf(2) by the number of a command, for `objects`."""
    return _call(command, ctypes.create_string_buffer(attributes, len(attributes)))


def _call(command: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    while True:
        result: int = _syscall(
            ctypes.c_long(_number()), ctypes.c_long(command), buffer, ctypes.c_long(len(buffer))
        )
        if result >= 0:
            return result
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):  # a signal came while it was verified
            raise OSError(number, os.strerror(number))


def create_map(
    kind: int,
    key_size: int,
    value_size: int,
    entries: int,
    flags: int = 0,
    name: str = "",
    inner: int = 0,
) -> int:
    """A descriptor of a new map. inner: of ARRAY_OF_MAPS, a map such as it is to hold."""
    called = name.encode()[:15].ljust(16, b"\0")
    attributes = _MAP_ATTR.pack(kind, key_size, value_size, entries, flags, inner, 0, called)
    return call(_MAP_CREATE, attributes)


def update(descriptor: int, key: bytes, value: bytes) -> None:
    """Put an element into a map."""
    of_key = ctypes.create_string_buffer(key, len(key))
    of_value = ctypes.create_string_buffer(value, len(value))
    call(
        _MAP_UPDATE,
        _UPDATE_ATTR.pack(descriptor, ctypes.addressof(of_key), ctypes.addressof(of_value), 0),
    )


def entries(descriptor: int, key: int, value: int, most: int) -> list[tuple[bytes, bytes]]:
    """All keys and values of a hash map that nobody changes; sizes in bytes, at most so many."""
    keys = ctypes.create_string_buffer(key * most)
    values = ctypes.create_string_buffer(value * most)
    token = ctypes.create_string_buffer(max(key, 8))
    attributes = ctypes.create_string_buffer(
        _BATCH_ATTR.pack(
            0,
            ctypes.addressof(token),
            ctypes.addressof(keys),
            ctypes.addressof(values),
            most,
            descriptor,
            0,
            0,
        ),
        _BATCH_ATTR.size,
    )
    try:
        _call(_LOOKUP_BATCH, attributes)
    except OSError as error:
        if error.errno != errno.ENOENT:  # which says that these are all
            raise
    count = _batch_count(attributes)
    raw_keys, raw_values = keys.raw, values.raw
    return [
        (raw_keys[at * key : (at + 1) * key], raw_values[at * value : (at + 1) * value])
        for at in range(count)
    ]


def _batch_count(attributes: ctypes.Array[ctypes.c_char]) -> int:
    """How many elements the kernel says it has gone through."""
    return int.from_bytes(attributes.raw[_BATCH_COUNT : _BATCH_COUNT + 4], "little")


def delete(descriptor: int, keys: list[bytes]) -> None:
    """Delete these keys, and take them off the list: should it fail, those that are left stay."""
    while keys:
        joined = ctypes.create_string_buffer(b"".join(keys), sum(map(len, keys)))
        words = _BATCH_ATTR.pack(0, 0, ctypes.addressof(joined), 0, len(keys), descriptor, 0, 0)
        attributes = ctypes.create_string_buffer(words, len(words))
        try:
            _call(_DELETE_BATCH, attributes)
            keys.clear()
        except OSError as error:
            del keys[: _batch_count(attributes)]
            if error.errno != errno.ENOENT:
                raise
            del keys[:1]  # it is gone already


def load_program(
    kind: int, code: bytes, name: str, attach_btf_id: int = 0, attach_type: int = 0
) -> int:
    """A descriptor of a verified program.

    attach_btf_id, attach_type: of TRACING, the type id of the typedef btf_trace_* or of the
    function, and TRACE_*.  `PrivilegeError` for EPERM, else `KernelError` with the end of the
    verifier's log.
    """
    try:
        return _load(kind, code, name, attach_btf_id, attach_type, None)
    except OSError as error:
        if error.errno == errno.EPERM:
            what = f"the kernel does not let this process load the program {name}"
            cure = "run as root, or with CAP_BPF and CAP_PERFMON"
            raise PrivilegeError(what, "bpf(2)", cure) from error
    log = ctypes.create_string_buffer(_LOG_BYTES)
    try:
        return _load(kind, code, name, attach_btf_id, attach_type, log)
    except OSError as error:
        lines = log.value.decode("ascii", "replace").strip().splitlines()
        said = " | ".join(line.strip() for line in lines[-6:] if not line.startswith("processed"))
        what = f"the kernel refuses the program {name}, {error.strerror}"
        cure = "report it with `uname -r` and the words before this"
        raise KernelError(what, said or "without a reason", cure) from error


def _load(
    kind: int,
    code: bytes,
    name: str,
    attach_btf_id: int,
    attach_type: int,
    log: ctypes.Array[ctypes.c_char] | None,
) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    attributes = _PROG_ATTR.pack(
        kind,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(_LICENSE),
        1 if log is not None else 0,
        len(log) if log is not None else 0,
        ctypes.addressof(log) if log is not None else 0,
        0,
        0,
        name.encode()[:15].ljust(16, b"\0"),
        0,
        attach_type,
        *(0,) * 7,
        attach_btf_id,
    )
    return call(_PROG_LOAD, attributes)


def attach(program: int, tracepoint: str = "") -> int:
    """A descriptor of the link; without a name for a program of type TRACING."""
    name = ctypes.create_string_buffer(tracepoint.encode())
    place = ctypes.addressof(name) if tracepoint else 0
    return call(_RAW_TRACEPOINT_OPEN, _OPEN_ATTR.pack(place, program))


def recursion_misses(program: int) -> int:
    """How often the kernel skipped a program because it was running already; 0 before 5.12."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    call(_INFO, _INFO_ATTR.pack(program, len(info), ctypes.addressof(info)))
    return int.from_bytes(info.raw[_RECURSION_MISSES : _RECURSION_MISSES + 8], "little")
