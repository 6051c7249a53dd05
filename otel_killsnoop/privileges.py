"""What this process may do: all that it will not need is given up once the program is attached.

The only user of capset(2) and prctl(2), by the C library's own functions. Both are about the
calling thread, and threads inherit from the one that starts them: so before any is started.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from struct import Struct
from typing import NamedTuple

DAC_READ_SEARCH, SETPCAP, SYS_PTRACE, SYS_ADMIN, PERFMON, BPF = 2, 8, 19, 21, 38, 39
NAMES = {
    DAC_READ_SEARCH: "CAP_DAC_READ_SEARCH",
    SETPCAP: "CAP_SETPCAP",
    SYS_PTRACE: "CAP_SYS_PTRACE",
    SYS_ADMIN: "CAP_SYS_ADMIN",
    PERFMON: "CAP_PERFMON",
    BPF: "CAP_BPF",
}

# include/uapi/linux/capability.h and prctl.h
_VERSION_3 = 0x20080522
_HEADER = Struct("=Ii")
_DATA = Struct("=6I")  # effective, permitted, inheritable: the low halves, then the high ones
_CAPBSET_READ, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 23, 24, 38
_LOW = 0xFFFFFFFF

_libc = ctypes.CDLL(None, use_errno=True)


class Need(NamedTuple):
    """What must work from now on. capabilities: each alone is enough for it, the least one first.

    works: whether it does, asked with and without them.
    """

    capabilities: tuple[int, ...]
    works: Callable[[], bool]


def give_up(needs: Iterable[Need]) -> frozenset[int]:
    """Keep a capability only where a need fails without it and works with it; what is left.

    no_new_privs is set, so that no program that is executed gets any back. OSError when the
    kernel, or a filter before it, refuses that.
    """
    _prctl(_SET_NO_NEW_PRIVS, 1)
    permitted = held()
    if SETPCAP in permitted:
        _empty_the_bounding_set()
    kept: set[int] = set()
    for need in needs:
        for more in ((), *((one,) for one in need.capabilities if one in permitted)):
            _set(kept.union(more), permitted)
            if need.works():
                kept.update(more)
                break
    _set(kept, kept)
    return frozenset(kept)


def held() -> frozenset[int]:
    """The capabilities that this thread is permitted."""
    return _sets()[1]


def effective() -> frozenset[int]:
    """Those of them that are in force."""
    return _sets()[0]


def _sets() -> tuple[frozenset[int], frozenset[int]]:
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION_3, 0))
    data = ctypes.create_string_buffer(_DATA.size)
    _checked(_libc.capget(header, data))
    now, ever, _, now_high, ever_high, _ = _DATA.unpack(data.raw)
    return numbers(now | now_high << 32), numbers(ever | ever_high << 32)


def numbers(mask: int) -> frozenset[int]:
    """The numbers of the bits that are set."""
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def names(capabilities: Iterable[int]) -> str:
    """``CAP_BPF and CAP_PERFMON``; ``no capability`` when there is none."""
    named = sorted(NAMES.get(one, f"capability {one}") for one in capabilities)
    return " and ".join(named) or "no capability"


def _set(effective: Iterable[int], permitted: Iterable[int]) -> None:
    now, ever = (sum(1 << bit for bit in some) for some in (effective, permitted))
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION_3, 0))
    data = _DATA.pack(now & _LOW, ever & _LOW, 0, now >> 32, ever >> 32, 0)
    _checked(_libc.capset(header, data))


def _empty_the_bounding_set() -> None:
    for capability in range(64):
        if _libc.prctl(_CAPBSET_READ, ctypes.c_ulong(capability), *_zeros(3)) < 0:
            return  # the kernel has no more
        _prctl(_CAPBSET_DROP, capability)


def _zeros(count: int) -> list[ctypes.c_ulong]:
    return [ctypes.c_ulong(0)] * count  # prctl(2) looks at all of them, as longs


def _prctl(option: int, argument: int) -> None:
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), *_zeros(3)))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def readable(paths: Iterable[str]) -> bool:
    """Whether these files, and all that Python may import later, are not denied to us.

    What is not there at all is no matter of privilege.
    """
    for path in (*paths, *sys.path):
        try:
            os.close(os.open(path or ".", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except PermissionError:
            return False
        except OSError:
            continue
    return True
