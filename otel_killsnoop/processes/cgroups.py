"""cgroup ids -> places, under a root.

An id is the inode number of the cgroup's directory; bit 63 says that it is of a v1 hierarchy:
``memory``, or the first there is of memory, pids and cpu. The quick way is to read
/proc/PID/cgroup of a process that is in it and to look whether that directory has that number.
Where that fails (the process is gone or has moved) the hierarchy is walked. A walk costs about
0.1 ms a directory, so the next one waits for twenty times as long as the last one took, and an id
that was not found is not looked for again before the next walk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from otel_killsnoop.processes.places import Place, place

V1 = 1 << 63
_CONTROLLERS = ("memory", "pids", "cpu")
_SHARE = 20  # a walk takes at most one part in so many of the time
_STAYS = 60.0  # seconds that one that is gone is held: records that name it may be on their way
_LIMIT = 65536  # places held: more than the cgroups of any host at a time


class Cgroups:
    """Places by cgroup id and by path, each made once and then the same object.

    clock: seconds, never going back.
    """

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = os.path.join(root, "proc")
        self._mounts = _mounts(os.path.join(root, "sys/fs/cgroup"))
        self._v1_number = v1_number(self._proc)
        self._clock = clock
        self._by_id: dict[int, Place] = {}
        self._by_path: dict[str, Place] = {}
        self._unknown: dict[int, int] = {}  # id -> the walk that did not find it
        self._gone: dict[int, float] = {}  # id -> when a walk missed it first
        self._walks = {False: 0, True: 0}
        self._next_walk = {False: clock(), True: clock()}

    def at(self, path: str) -> Place:
        """The place that a path means."""
        known = self._by_path.get(path)
        if known is None:
            if len(self._by_path) >= _LIMIT:
                self._by_path.clear()
            known = self._by_path[path] = place(path)
        return known

    def of(self, identity: int, pid: int) -> Place | None:
        """The place of a cgroup id; pid: a process that is thought to be in it now.

        None if it cannot be told: the cgroup is gone, or no hierarchy is mounted to ask.
        """
        known = self._by_id.get(identity)
        if known is not None:
            return known
        path = self._ask(identity, pid)
        if path is not None:
            return self._learn(identity, path)
        v1 = bool(identity & V1)
        if v1 not in self._mounts:
            return None
        if self._unknown.get(identity) == self._walks[v1] and self._clock() < self._next_walk[v1]:
            return None
        if self._clock() >= self._next_walk[v1]:
            self._walk(v1)
        known = self._by_id.get(identity)
        if known is None:
            if len(self._unknown) >= _LIMIT:
                self._unknown.clear()
            self._unknown[identity] = self._walks[v1]
        return known

    def learn(self, identity: int, hierarchy: int, path: bytes) -> None:
        """Take over what the kernel said of a new cgroup: its id, hierarchy's number and path."""
        if hierarchy == 0:
            self._learn(identity, os.fsdecode(path))
        elif hierarchy == self._v1_number:
            self._learn(identity | V1, os.fsdecode(path))

    def _learn(self, identity: int, path: str) -> Place:
        if len(self._by_id) >= _LIMIT:
            self._by_id.clear()
        found = self._by_id[identity] = self.at(path)
        return found

    def _ask(self, identity: int, pid: int) -> str | None:
        """The path in /proc/PID/cgroup, if it has that id (where no mount can tell: as it is)."""
        try:
            with open(f"{self._proc}/{pid}/cgroup", "rb") as file:
                path = path_in(file.read(), bool(identity & V1))
        except OSError:
            return None
        mount = self._mounts.get(bool(identity & V1))
        if path is None or mount is None:
            return path.replace("/..", "") or "/" if path is not None else None
        try:
            number = os.stat(mount + path).st_ino
        except (OSError, ValueError):
            return None
        return path if number == identity & ~V1 and "/.." not in path else None

    def _walk(self, v1: bool) -> None:
        """Learn all ids of a hierarchy, and forget those that are gone for long."""
        began = self._clock()
        found = dict(_directories(self._mounts[v1]))
        bit = V1 if v1 else 0
        gone = [i for i in self._by_id if (i & V1) == bit and i & ~V1 not in found]
        others = {i: since for i, since in self._gone.items() if (i & V1) != bit}
        self._gone = others | {i: self._gone.get(i, began) for i in gone}
        for identity in gone:
            if began - self._gone[identity] >= _STAYS:
                del self._by_id[identity], self._gone[identity]
        for number, path in found.items():
            if number | bit not in self._by_id:
                self._learn(number | bit, path)
        self._unknown.clear()
        self._walks[v1] += 1
        now = self._clock()
        self._next_walk[v1] = now + max(0.05, (now - began) * _SHARE)


def v1_number(proc: str) -> int | None:
    """The number of the v1 hierarchy that says where processes run, None where v2 is alone."""
    for pid in ("1", "self"):
        try:
            with open(f"{proc}/{pid}/cgroup", "rb") as file:
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        found: dict[str, int] = {}
        for line in lines:
            number, _, rest = line.partition(":")
            if number.isdecimal():
                found |= dict.fromkeys(rest.partition(":")[0].split(","), int(number))
        return next((found[name] for name in _CONTROLLERS if name in found), None)
    return None


def path_in(raw: bytes, v1: bool) -> str | None:
    """The path of one hierarchy in /proc/PID/cgroup: v2's, or that of the first v1 controller."""
    found: dict[str, str] = {}
    for line in raw.decode("utf-8", "surrogateescape").split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number:
            found |= dict.fromkeys(controllers.split(","), path)
    wanted = _CONTROLLERS if v1 else ("",)
    return next((found[name] for name in wanted if name in found), None)


def _mounts(top: str) -> dict[bool, str]:
    """Where the hierarchies are mounted: v1's under True, v2's under False; absent if not there.

    v2 alone is mounted at the top, beside v1 at ``unified``.
    """
    mounts: dict[bool, str] = {}
    for path in (top, f"{top}/unified"):
        if os.path.exists(f"{path}/cgroup.controllers"):
            mounts[False] = path
            break
    for name in _CONTROLLERS:
        # v2's own directories may have such names, but not this file of v1.
        if os.path.exists(f"{top}/{name}/tasks"):
            mounts[True] = f"{top}/{name}"
            break
    return mounts


def _directories(mount: str) -> list[tuple[int, str]]:
    """(inode number, path from the mount) of every directory of a hierarchy, itself included."""
    try:
        found = [(os.stat(mount).st_ino, "/")]
    except OSError:
        return []
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(mount + path) as listing:
                for child in listing:
                    if child.is_dir(follow_symlinks=False):
                        below = f"{path}/{child.name}"
                        found.append((child.inode(), below))
                        waiting.append(below)
        except OSError:
            continue  # removed meanwhile
    return found
