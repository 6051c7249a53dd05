"""A host of its own for tests of the unit: a real systemd as process 1, and its journal.

It has its own processes, mounts, cgroups and name. Its files are this host's, with an overlay in
memory over them: what is installed there is gone with it. What is the kernel's own (/sys,
/proc/sys) is read-only, so nothing that systemd does at a boot reaches this host; the network is
shared, so that a Collector on this host is in reach. This host's processes are in /host/proc.

As a program, in the new namespaces, it mounts all that and becomes systemd:

    real_systemd.py PLACE REPOSITORY

Tests get it by `Host`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
from real_collector import REPOSITORY, wait_until

SYSTEMD = "/lib/systemd/systemd"
TARGET = "tests.target"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class Host:
    """place: an empty directory for its file system.  start() boots it, stop() ends it.

    Up to then its processes are this host's too, under numbers of this host's.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._cgroup = _hierarchy() / f"killsnoop-tests-{os.getpid()}"
        self._outer: subprocess.Popen[bytes] | None = None
        self._first = 0

    def start(self) -> None:
        """Boot, and return when systemd has done what it does at a boot."""
        self._cgroup.mkdir()
        me = str(Path(__file__).resolve())
        enter = f'echo $$ > {self._cgroup}/cgroup.procs && exec "$@"'
        with (self._place / "console").open("wb") as console:
            self._outer = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig=KILL", "sh", "-c", enter, "sh"),
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup"),
                    *("--uts", "--ipc", "--propagation=private", sys.executable, me),
                    *(str(self._place), str(REPOSITORY)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        wait_until(self._is_up, 60, "systemd to be up", self._console)

    def stop(self) -> None:
        """End all its processes; its files go with them."""
        if self._outer is not None:
            self._outer.kill()  # and with it process 1, and with that all others
            self._outer.wait()
            self._outer = None
        wait_until(self._is_empty, 20, f"{self._cgroup} to be left")

    def run(self, *command: str | Path, check: bool = True, **environment: str) -> str:
        """What a command printed in there, on both streams; with `check`, its failure is ours."""
        done = subprocess.run(
            ["nsenter", f"--target={self._first}", *("-m", "-p", "-C", "-u", "-i"), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """A file in there; directories that are missing are made."""
        file = Path(f"/proc/{self._first}/root{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        """A file in there."""
        return Path(f"/proc/{self._first}/root{path}").read_text()

    def property(self, unit: str, name: str) -> str:
        """Of a unit, as ``systemctl show`` has it."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit)

    def pid(self, unit: str) -> int:
        """The number that this host gives the main process of a unit; 0 when it has none."""
        inner = int(self.property(unit, "MainPID"))
        for one in psutil.Process(self._first).children(recursive=True):
            lines = Path(f"/proc/{one.pid}/status").read_text().splitlines()
            if any(line.split() == ["NSpid:", str(one.pid), str(inner)] for line in lines):
                return one.pid
        return 0

    def journal(self, unit: str) -> str:
        """What a unit logged, and systemd about it."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def _is_up(self) -> bool:
        assert self._outer is not None
        assert self._outer.poll() is None, self._console()
        if not self._first:
            for child in psutil.Process(self._outer.pid).children():
                if child.exe() == os.path.realpath(SYSTEMD):
                    self._first = child.pid
        return bool(self._first) and self.run("systemctl", "is-active", TARGET, check=False) == (
            "active"
        )

    def _console(self) -> str:
        return (self._place / "console").read_text(errors="replace")

    def _is_empty(self) -> bool:
        """Remove the cgroups from the leaves up; False while somebody is left in one."""
        if not self._cgroup.exists():
            return True
        try:
            for directory, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(directory)
        except OSError:
            return False
        return True


def _hierarchy() -> Path:
    """Where cgroup v2 is mounted, and a new cgroup may be made for processes."""
    for words in map(str.split, Path("/proc/self/mounts").read_text().splitlines()):
        if words[2] == "cgroup2":
            return Path(words[1])
    raise AssertionError("cgroup v2 is not mounted on this host")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _overlay(below: str, place: Path, name: str, on: Path) -> None:
    upper, work = place / f"{name}-upper", place / f"{name}-work"
    upper.mkdir()
    work.mkdir()
    _mount(
        "-t", "overlay", "-o", f"lowerdir={below},upperdir={upper},workdir={work}", name, str(on)
    )


def _leave_out_other_services(root: Path) -> None:
    """What this host starts at a boot: kernel modules, timers, sockets, a look through /tmp."""
    for place in ("etc", "lib"):
        for wanted in (root / place / "systemd" / "system").glob("*.wants"):
            shutil.rmtree(wanted)
    (root / "etc" / "systemd" / "system" / TARGET).write_text(
        "[Unit]\nRequires=basic.target systemd-journald.service\nAfter=basic.target\n"
    )


def boot(place: Path, repository: Path) -> None:
    """Make the file system, go into it, and become systemd."""
    memory = place / "memory"
    memory.mkdir()
    _mount("-t", "tmpfs", "tmpfs", str(memory))
    root = memory / "root"
    root.mkdir()
    _overlay("/", memory, "root", root)
    inside = root / str(repository).lstrip("/")
    inside.mkdir(parents=True, exist_ok=True)
    _overlay(str(repository), memory, "repository", inside)
    # In a container these are mounts of their own, so not in the overlay.
    for name in ("resolv.conf", "hosts"):
        text = Path("/etc", name).read_text() if Path("/etc", name).exists() else ""
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text)
    (root / "etc" / "fstab").write_text("")
    _leave_out_other_services(root)
    for place in ("etc", "opt", "var/cache", "var/lib"):  # of an agent that this host has
        shutil.rmtree(root / place / "otel-killsnoop", ignore_errors=True)
    (root / "usr" / "bin" / "otel-killsnoop").unlink(missing_ok=True)

    (root / "host" / "proc").mkdir(parents=True)
    _mount("--bind", "/proc", str(root / "host" / "proc"))
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("--bind", str(root / "proc" / "sys"), str(root / "proc" / "sys"))
    _mount("-o", "remount,bind,ro", str(root / "proc" / "sys"))
    _mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    _mount("-t", "cgroup2", "cgroup2", str(root / "sys" / "fs" / "cgroup"))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root / "dev"))
    for name in _DEVICES:
        (root / "dev" / name).touch()
        _mount("--bind", f"/dev/{name}", str(root / "dev" / name))
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd")):
        (root / "dev" / name).symlink_to(target)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root / "run"))

    (root / "run" / "before").mkdir()
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "run/before"], check=True)
    os.chroot(".")
    subprocess.run(["umount", "--lazy", "/run/before"], check=True)
    os.execve(
        SYSTEMD,
        [SYSTEMD, "--system", f"--unit={TARGET}", "--log-target=journal-or-kmsg"],
        {"container": "tests", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


if __name__ == "__main__":
    boot(Path(sys.argv[1]), Path(sys.argv[2]))
