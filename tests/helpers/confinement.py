"""The agent as config/otel-killsnoop.service wants it run, as far as that goes without systemd.

By another user with the unit's capabilities, on a file system that is read-only but for the two
directories, under a filter of the unit's system calls. As a program, in a mount namespace of its
own, it does what only root can:

    confinement.py PLACE PROGRAM [ARG...]   # all read-only but PLACE/state, PLACE/cache, PLACE/pins

Tests get it by `Confinement`.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).resolve().parent
UNIT = HELPERS.parents[1] / "config" / "otel-killsnoop.service"
USER = 65534
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY, _BIND = 442, -100, 0x8000, 1, 4096


def unit(path: Path = UNIT) -> dict[str, str]:
    """The unit's settings; what is given several times is joined by blanks."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


class Confinement:
    """A place in `top`, a directory that anybody may enter, with a copy of the package in it.

    spool: the unit's StateDirectory.  command: runs the agent.  environment: what it needs for it.
    """

    def __init__(self, top: Path, packages: Path) -> None:
        self._top = top
        self.spool = top / "state"
        self.pins = top / "pins"
        settings = unit()
        self._prepare(settings)
        for directory in ("state", "cache", "packages"):
            (top / directory).mkdir(mode=0o700)
            os.chown(top / directory, USER, USER)
        (top / "calls").write_text("\n".join(settings["SystemCallFilter"].split()))
        for helper in ("seccomp_filter.py", "confinement.py"):
            shutil.copy(HELPERS / helper, top)
        held = settings["CapabilityBoundingSet"].lower().replace("cap_", "+").replace(" ", ",")
        self.python = os.path.realpath("/proc/self/exe")
        self.environment = {
            "PYTHONPATH": f"{top}:{top / 'packages'}",
            "KILLSNOOP_SPOOL_DIR": str(self.spool),
            "CACHE_DIRECTORY": str(top / "cache"),
            "KILLSNOOP_PIN_DIR": str(self.pins),
        }
        self.inside = [
            *("unshare", "--mount", "--propagation=private", self.python),
            *(str(top / "confinement.py"), str(top), str(packages)),
            *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"),
            *(f"--bounding-set=-all,{held}", f"--inh-caps=-all,{held}"),
            *(f"--ambient-caps=-all,{held}", self.python),
            *(str(top / "seccomp_filter.py"), str(top / "calls")),
        ]
        self.command = [
            *(*self.inside, self.python, "-B", "-c"),
            "from otel_killsnoop.cli import main; main()",
        ]

    def _prepare(self, settings: dict[str, str]) -> None:
        """Run the unit's ExecStartPre, for this place and this user."""
        program, option, script = shlex.split(settings["ExecStartPre"].lstrip("-+"))
        script = script.replace(settings["ReadWritePaths"].lstrip("-"), str(self.pins))
        own = f"{settings['User']}:{settings['Group']}"
        subprocess.run([program, option, script.replace(own, f"{USER}:{USER}")], check=True)

    def end(self) -> None:
        """Take the mount of the pins away, and with it what is pinned."""
        subprocess.run(["umount", self.pins], check=True)


def shut(place: str, packages: str) -> None:
    """All mounts read-only but the two directories; the packages where everybody gets to."""
    libc = ctypes.CDLL(None, use_errno=True)

    def done(result: int, what: str) -> None:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)

    def change(path: str, on: int, off: int, flags: int) -> None:
        attributes = (ctypes.c_uint64 * 4)(on, off, 0, 0)
        arguments = (path.encode(), ctypes.c_uint(flags), attributes, ctypes.sizeof(attributes))
        done(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, *arguments), path)

    for source, target in (
        (f"{place}/state", f"{place}/state"),
        (f"{place}/cache", f"{place}/cache"),
        (packages, f"{place}/packages"),
    ):
        done(libc.mount(source.encode(), target.encode(), None, _BIND, None), source)
    change("/", _RDONLY, 0, _AT_RECURSIVE)
    for name in ("state", "cache"):
        change(f"{place}/{name}", 0, _RDONLY, 0)
    if os.path.ismount(f"{place}/pins"):
        change(f"{place}/pins", 0, _RDONLY, 0)


if __name__ == "__main__":
    shut(sys.argv[1], sys.argv[2])
    os.execvp(sys.argv[3], sys.argv[3:])
