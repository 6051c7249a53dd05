"""`check --live`: what the agent that runs here may do, and who may read what it keeps.

It is found by the lock of its spool directory, whose holder the kernel names in /proc/locks:
nobody else can pose as it, and nothing is left over of an agent that is gone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from otel_killsnoop import privileges
from otel_killsnoop.errors import HostError, PrivilegeError, SpoolError
from otel_killsnoop.preflight import Finding, look, tell
from otel_killsnoop.settings import Settings
from otel_killsnoop.shipping.directory import LOCK
from otel_killsnoop.shipping.spool import SET_ASIDE

# What `retreat` may keep.
MOST = frozenset(
    {privileges.BPF, privileges.SYS_ADMIN, privileges.DAC_READ_SEARCH, privileges.SYS_PTRACE}
)


def report(settings: Settings, out: TextIO) -> int:
    """Print how it is; 0 when all is as it should be, else 78."""
    found = [look("agent", lambda: _agent(settings))]
    if found[0].fault is None:
        for pid in holders(settings.spool_dir, settings.root):
            found += findings(Path(settings.root, "proc", str(pid)))
    found.append(look("spool", lambda: modes(settings.spool_dir)))
    return tell(found, out)


def holders(spool_dir: str, root: str = "/") -> list[int]:
    """The processes that hold the lock of a spool directory: one, or none.

    `SpoolError` when one may not look, or there is no lock.
    """
    path = os.path.join(spool_dir, LOCK)
    try:
        lock = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            inode, device = os.fstat(lock).st_ino, _device(lock)
        finally:
            os.close(lock)
        lines = Path(root, "proc", "locks").read_text("ascii").splitlines()
    except OSError as error:
        cure = "look as root or as the agent's user, and name its --spool-dir; without logs to ship"
        raise SpoolError(
            f"cannot look for the agent, {error.strerror}", path, f"{cure} it has none"
        ) from error
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    return [
        int(words[4])
        for words in map(str.split, lines)
        if words[1] == "FLOCK" and words[5] == wanted
    ]


def _device(descriptor: int) -> int:
    """The file system's number as the kernel's locks have it: stat's is another on btrfs."""
    facts = dict(
        line.split(":", 1)
        for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii").splitlines()
    )
    with open("/proc/self/mountinfo", "rb") as mounts:
        for mount in mounts:
            words = mount.split()
            if int(words[0]) == int(facts["mnt_id"]):
                major, minor = map(int, words[2].split(b":"))
                return os.makedev(major, minor)
    return os.fstat(descriptor).st_dev


def _agent(settings: Settings) -> str:
    pids = holders(settings.spool_dir, settings.root)
    if not pids:
        cure = "start one, or name its --spool-dir; an agent that ships no logs has none"
        raise HostError("no agent runs", settings.spool_dir, cure)
    return f"process {pids[0]} ships from {settings.spool_dir}"


def findings(process: Path) -> list[Finding]:
    """What a process may do. process: its directory in /proc."""
    statuses = list(_statuses(process))
    return [
        look("capabilities", lambda: _capabilities(process, statuses)),
        look("no_new_privs", lambda: _no_new_privs(process, statuses)),
        look("seccomp", lambda: _seccomp(statuses)),
    ]


def _statuses(process: Path) -> Iterator[dict[str, str]]:
    """/proc/PID/task/TID/status of each thread: capabilities are a thread's own."""
    for thread in process.glob("task/*/status"):
        try:
            lines = thread.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue  # it has ended
        yield {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _capabilities(process: Path, statuses: list[dict[str, str]]) -> str:
    masks = [int(one[kind], 16) for one in statuses for kind in ("CapEff", "CapPrm", "CapInh")]
    held = frozenset().union(*map(privileges.numbers, masks))
    if not statuses or held - MOST:
        more = privileges.names(held - MOST) if statuses else "nothing is known of it"
        cure = "restart it; its log says why it could not give them up"
        raise PrivilegeError(f"the agent holds more than it needs, {more}", str(process), cure)
    return f"{privileges.names(held)} is held by any of its {len(statuses)} threads"


def _no_new_privs(process: Path, statuses: list[dict[str, str]]) -> str:
    if not statuses or any(one.get("NoNewPrivs") != "1" for one in statuses):
        cure = "restart it; its log says why it could not be set"
        raise PrivilegeError("the agent could gain privileges", str(process), cure)
    return "set: what it executes can gain nothing"


def _seccomp(statuses: list[dict[str, str]]) -> str:
    on = all(one.get("Seccomp") == "2" for one in statuses)
    return "a filter is on" if on else "no filter; config/ has one for containers and for systemd"


def modes(spool_dir: str) -> str:
    """Who may read what is kept; `SpoolError` when that is anyone but its owner."""
    count = 0
    for directory, _, files in os.walk(spool_dir, onerror=_cannot_look):
        # What was set aside is as it was found, behind a directory that nobody else may enter.
        ours = [] if os.path.basename(directory) == SET_ASIDE else files
        for path in (directory, *(os.path.join(directory, name) for name in ours)):
            try:
                mode = stat.S_IMODE(os.lstat(path).st_mode)
            except FileNotFoundError:
                continue  # it was delivered meanwhile
            if mode & 0o077:
                cure = "take it from them: chmod go-rwx"
                raise SpoolError(f"others may use it, mode {mode:04o}", path, cure)
        count += len(ours)
    return f"{spool_dir} and the {count} files in it are their owner's alone"


def _cannot_look(error: OSError) -> None:
    cure = "look as root or as the agent's user, and name its --spool-dir"
    raise SpoolError(f"cannot be listed, {error.strerror}", str(error.filename), cure) from error
