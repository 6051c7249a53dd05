"""Run a program under a seccomp filter: seccomp_filter.py CALLS PROGRAM [ARG...]

CALLS: a file with the name of an allowed system call a line; every other fails with EPERM, as the
unit says. What the unit asks of systemd beside it is in the filter too: the families of sockets, no
namespaces, no memory that is written and executed. Made by libseccomp, which Debian's apt needs.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import sys
from pathlib import Path

ALLOW, FAIL = 0x7FFF0000, 0x00050000
NE, LE, EQ, GE, MASKED_EQ = 1, 3, 4, 5, 7
NAMESPACES = 0x7E020080  # CLONE_NEW*
WRITE_AND_EXECUTE = mmap.PROT_WRITE | mmap.PROT_EXEC
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp. of MASKED_EQ the mask comes first."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def load(names: list[str]) -> None:
    """Put the filter on this process; it stays over execve."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(FAIL | errno.EPERM)))

    def rule(name: str, *comparisons: Comparison, action: int = ALLOW) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # this machine has no such call
        compared = (Comparison * len(comparisons))(*comparisons)
        done = library.seccomp_rule_add_array(
            context, ctypes.c_uint32(action), number, len(comparisons), compared
        )
        if done < 0:
            raise OSError(-done, f"{os.strerror(-done)}: {name}")

    for name in names:
        match name:
            case "socket":
                for family in FAMILIES:
                    rule(name, Comparison(0, EQ, family))
            case "clone":
                rule(name, Comparison(0, MASKED_EQ, NAMESPACES, 0))
            case "clone3":  # its flags cannot be seen
                rule(name, action=FAIL | errno.ENOSYS)
            case "mmap":
                for protection in (0, mmap.PROT_WRITE, mmap.PROT_EXEC):
                    rule(name, Comparison(2, MASKED_EQ, WRITE_AND_EXECUTE, protection))
            case "mprotect":
                rule(name, Comparison(2, MASKED_EQ, mmap.PROT_EXEC, 0))
            case _:
                rule(name)
    if done := library.seccomp_load(context):
        raise OSError(-done, os.strerror(-done))


if __name__ == "__main__":
    load(Path(sys.argv[1]).read_text("ascii").split())
    os.execv(sys.argv[2], sys.argv[2:])
