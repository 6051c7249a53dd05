"""System call numbers -> names, per machine: only the calls that some cause is told by.

Numbers as in the kernel's own tables (arch/x86/entry/syscalls, arch/arm/tools,
asm-generic/unistd.h), which never change.
"""

from __future__ import annotations

from collections.abc import Mapping

SENDERS = frozenset(
    {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}
)
"""The calls by which a process sends a Unix signal."""

WRITERS = frozenset(
    "write writev pwrite64 pwritev pwritev2 sendfile sendfile64 splice tee vmsplice".split()
)
SOCKET_WRITERS = frozenset({"sendto", "sendmsg", "sendmmsg"})
HANGERS = frozenset({"ioctl", "close", "close_range", "dup2", "dup3", "vhangup"})
"""Calls that can hang a terminal up; the last reference to it goes by one of those that close."""

QUEUERS = frozenset({"mq_timedsend", "mq_timedsend_time64"})

# The same on every machine: these are newer than the common numbering.
_COMMON = {424: "pidfd_send_signal", 426: "io_uring_enter", 436: "close_range"}
_TIME64 = {418: "mq_timedsend_time64"}


def _table(text: str) -> dict[int, str]:
    words = text.split()
    return dict(zip(map(int, words[1::2]), words[::2], strict=True))


_X86_64 = _COMMON | _table(
    """
    kill 62  tkill 200  tgkill 234  rt_sigqueueinfo 129  rt_tgsigqueueinfo 297
    write 1  writev 20  pwrite64 18  pwritev 296  pwritev2 328  sendfile 40
    splice 275  tee 276  vmsplice 278  sendto 44  sendmsg 46  sendmmsg 307
    ioctl 16  close 3  dup2 33  dup3 292  vhangup 153  ptrace 101  mq_timedsend 242
    """
)

# Programs of the x32 ABI mark each number with bit 30, and have two senders of their own.
_X32 = {1 << 30 | number: name for number, name in _X86_64.items() if name in SENDERS}
_X32 |= {1 << 30 | 524: "rt_sigqueueinfo", 1 << 30 | 536: "rt_tgsigqueueinfo"}

_I386 = (
    _COMMON
    | _TIME64
    | _table(
        """
    kill 37  tkill 238  tgkill 270  rt_sigqueueinfo 178  rt_tgsigqueueinfo 335
    write 4  writev 146  pwrite64 181  pwritev 334  pwritev2 379  sendfile 187  sendfile64 239
    splice 313  tee 315  vmsplice 316  sendto 369  sendmsg 370  sendmmsg 345
    ioctl 54  close 6  dup2 63  dup3 330  vhangup 111  ptrace 26  mq_timedsend 279
    """
    )
)

_GENERIC = _COMMON | _table(
    """
    kill 129  tkill 130  tgkill 131  rt_sigqueueinfo 138  rt_tgsigqueueinfo 240
    write 64  writev 66  pwrite64 68  pwritev 70  pwritev2 287  sendfile 71
    splice 76  tee 77  vmsplice 75  sendto 206  sendmsg 211  sendmmsg 269
    ioctl 29  close 57  dup3 24  vhangup 58  ptrace 117  mq_timedsend 182
    """
)

_ARM = (
    _COMMON
    | _TIME64
    | _table(
        """
    kill 37  tkill 238  tgkill 268  rt_sigqueueinfo 178  rt_tgsigqueueinfo 363
    write 4  writev 146  pwrite64 181  pwritev 362  pwritev2 393  sendfile 187  sendfile64 239
    splice 340  tee 342  vmsplice 343  sendto 290  sendmsg 296  sendmmsg 374
    ioctl 54  close 6  dup2 63  dup3 358  vhangup 111  ptrace 26  mq_timedsend 276
    """
    )
)

_NATIVE = {"x86_64": _X86_64 | _X32, "aarch64": _GENERIC, "riscv64": _GENERIC}
_COMPAT = {"x86_64": _I386, "aarch64": _ARM}


def table(machine: str, compat: bool) -> Mapping[int, str] | None:
    """Names by number for ``os.uname().machine`` (compat: its 32-bit programs), None if unknown."""
    return (_COMPAT if compat else _NATIVE).get(machine)
