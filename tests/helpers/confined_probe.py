"""Tries what the unit should refuse, and what it must not, and prints how it went, as JSON.

A program: it runs under the unit, in the agent's place, with nothing but Python's own library.
"""

import ctypes
import json
import mmap
import os
import socket
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
_TRACE, _SIZE_OF_KERNEL_LOG = 16, 10
_PLACES = "/ /etc /usr /var /opt/otel-killsnoop /boot /proc/irq /proc/sys /sys/fs/cgroup".split()


def how(what: Callable[[], object]) -> str:
    """``done``, or the kernel's word for why not."""
    try:
        what()
    except OSError as error:
        return str(error.strerror)
    return "done"


def write(path: str) -> str:
    return how(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)))


def call(name: str, *arguments: int) -> str:
    """One of the C library's functions."""

    def made() -> None:
        if getattr(_libc, name)(*map(ctypes.c_long, arguments)) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return how(made)


def opened(family: int, kind: int) -> str:
    return how(lambda: socket.socket(family, kind).close())


def main() -> None:
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t") for line in file.read().splitlines())
    with open("/proc/self/limits") as file:
        [core] = (line.split()[4:6] for line in file if line.startswith("Max core file size"))
    found = {
        "bounding": int(status["CapBnd"], 16),
        "effective": int(status["CapEff"], 16),
        "no_new_privs": status["NoNewPrivs"],
        "uid": os.getuid(),
        "core": core,
        "read-only": [one for one in _PLACES if os.statvfs(one).f_flag & os.ST_RDONLY],
        "open to all": write("/srv/open/new"),
        "state": write("/var/lib/otel-killsnoop/new"),
        "cache": write("/var/cache/otel-killsnoop/new"),
        "mode": oct(os.stat("/var/lib/otel-killsnoop/new").st_mode & 0o777),
        "root's home": how(lambda: os.listdir("/root")),
        "homes": how(lambda: os.listdir("/home")),
        "tmp": os.listdir("/tmp"),
        "devices": os.listdir("/dev"),
        "inet": opened(socket.AF_INET, socket.SOCK_STREAM),
        "unix": opened(socket.AF_UNIX, socket.SOCK_DGRAM),
        "netlink": opened(socket.AF_NETLINK, socket.SOCK_RAW),
        "packet": opened(socket.AF_PACKET, socket.SOCK_RAW),
        "kill": how(lambda: os.kill(os.getpid(), 0)),
        "ptrace": call("ptrace", _TRACE, os.getppid(), 0, 0),
        "unshare": call("unshare", 0x10000000),  # CLONE_NEWUSER
        "kernel's log": call("klogctl", _SIZE_OF_KERNEL_LOG, 0, 0),
        "written code": how(
            lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close()
        ),
        "others": os.path.exists("/proc/1/stat"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
