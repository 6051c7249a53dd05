"""What the host lacks for the agent, and the cure of each: before a start, and for `check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TextIO

from otel_killsnoop import privileges
from otel_killsnoop.errors import HostError, KernelError, KillsnoopError, PrivilegeError
from otel_killsnoop.settings import Settings

if TYPE_CHECKING:
    from otel_killsnoop.tracer.load import Tracer


class Finding(NamedTuple):
    """One thing that was looked at. text: how it is; fault: what is wrong with it, if anything."""

    subject: str
    text: str
    fault: KillsnoopError | None


def findings(settings: Settings, whole: bool = True) -> list[Finding]:
    """The quick looks, a millisecond in all: everything but loading the program.

    whole: False to look only whether the compiled program is there; who loads it reads it anyway.
    """
    looks: list[tuple[str, Callable[[], str]]] = [
        ("root", lambda: _root(settings.root)),
        ("kernel", _kernel),
        ("BTF", _btf),
        ("capabilities", _capabilities),
        ("kernel program", _program if whole else _program_is_there),
    ]
    if settings.redact_patterns is not None:
        looks.append(("patterns", lambda: _patterns(str(settings.redact_patterns))))
    if settings.logs is not None:
        looks.append(("spool", lambda: _spool(settings.spool_dir)))
    if whole:
        looks.append(("pins", lambda: _pins(settings.pin_dir)))
    return [look(subject, at) for subject, at in looks]


def faults(settings: Settings) -> list[KillsnoopError]:
    """All that keeps the agent from starting, as far as the quick looks see."""
    return [one.fault for one in findings(settings, whole=False) if one.fault is not None]


def report(settings: Settings, out: TextIO) -> int:
    """Print every finding, those of a trial load too; 0 when the agent can run here, else 78."""
    found = findings(settings)
    if all(one.fault is None for one in found):
        found.append(look("tracer", lambda: _trial(settings)))
    found.append(Finding("tracefs", "not needed: nothing of ours is a classic tracepoint", None))
    found.append(Finding("logs", _where(settings.logs is None, settings, "logs"), None))
    found.append(Finding("metrics", _where(settings.metrics is None, settings, "metrics"), None))
    status = tell(found, out)
    for warning in settings.warnings:
        out.write(f"note  {'settings':<14}  {warning}\n")
    return status


def tell(found: list[Finding], out: TextIO) -> int:
    """Print findings; 0 when none of them is a fault, else 78."""
    for one in found:
        mark = "ok  " if one.fault is None else "FAIL"
        out.write(f"{mark}  {one.subject:<14}  {one.fault or one.text}\n")
    return HostError.exit_code if any(one.fault for one in found) else 0


def look(subject: str, at: Callable[[], str]) -> Finding:
    """What `at` says, or the `KillsnoopError` that it raises."""
    try:
        return Finding(subject, at(), None)
    except KillsnoopError as error:
        return Finding(subject, "", error)


def _root(root: str) -> str:
    path = os.path.join(root, "proc", "self", "stat")
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        # Of another PID namespace than the mount's there is no `self`; then any process will do.
        if next(_processes(root), None) is None:
            what = f"cannot read the host's processes, {error.strerror}"
            cure = "name with --root where the host's /proc is mounted as `proc`"
            raise HostError(what, os.path.join(root, "proc"), cure) from error
    return f"{os.path.join(root, 'proc')} is readable"


def _processes(root: str) -> Iterator[str]:
    try:
        names = os.listdir(os.path.join(root, "proc"))
    except OSError:
        return
    for name in names:
        if name.isdecimal() and os.access(os.path.join(root, "proc", name, "stat"), os.R_OK):
            yield name


def _kernel() -> str:
    release = os.uname().release
    numbers = []
    for part in release.split(".")[:2]:
        digits = "".join(c for c in part if c.isdecimal())
        numbers.append(int(digits or 0))
    if tuple(numbers) < (5, 8):
        cure = "use Linux 5.8 or later: it has the ring buffer"
        raise KernelError("this kernel is too old", release, cure)
    return f"Linux {release} has the ring buffer"


def _btf() -> str:
    from otel_killsnoop.tracer.layout import BTF, no_btf

    try:
        with BTF.open("rb") as file:
            magic = file.read(2)
    except OSError as error:
        raise no_btf(error) from error
    if magic not in (b"\x9f\xeb", b"\xeb\x9f"):
        raise KernelError("this is no BTF", str(BTF), "mount the kernel's own sysfs there")
    return f"{BTF} is readable"


def _capabilities() -> str:
    effective = privileges.effective()
    missing = {privileges.BPF, privileges.PERFMON} - effective
    if missing and privileges.SYS_ADMIN not in effective:
        cure = "run as root, or grant them (container: --cap-add=BPF --cap-add=PERFMON)"
        raise PrivilegeError("a capability is missing", privileges.names(missing), cure)
    return "CAP_BPF and CAP_PERFMON are there"


def _program() -> str:
    from otel_killsnoop.tracer import program

    return f"build {program.load().tag}, contract {program.CONTRACT}"


def _program_is_there() -> str:
    from otel_killsnoop.tracer import program

    return str(program.PRODUCT) if program.PRODUCT.exists() else _program()


def _spool(path: str) -> str:
    from otel_killsnoop.shipping.directory import UNFINISHED, Directory

    with Directory(path) as directory:
        os.close(directory.lock())
        directory.write(UNFINISHED, b"can be written", durable=False)
        directory.unlink(UNFINISHED)
    return f"{path} is ours and writable"


def _pins(directory: str | None) -> str:
    """A fault only if another agent is pinned there."""
    if directory is None:
        return "off: what happens while no agent runs is not recorded"
    from otel_killsnoop.tracer import pins

    return pins.outlook(directory)


def _patterns(path: str) -> str:
    from otel_killsnoop.processes import patterns

    return f"{len(patterns.read(path))} patterns of secrets in {path}"


def _trial(settings: Settings) -> str:
    from otel_killsnoop.agent import tracer_options
    from otel_killsnoop.tracer import load

    with closing(load.attach(replace(tracer_options(settings), pin_dir=None))) as tracer:
        off = [name for name, on in tracer.features.items() if not on]
        without = f"; without: {', '.join(off)}" if off else ""
        back = f"; {tracer.fell_back}" if tracer.fell_back else ""
        return f"loads and attaches by {tracer.mode}{without}; {attempts(settings, tracer)}{back}"


def attempts(settings: Settings, tracer: Tracer) -> str:
    """How refused calls are seen on this kernel, or why not."""
    match tracer.attempts:
        case "fexit":
            return "refused calls are seen by fexit, at no cost to other calls"
        case "sys_exit":
            return "refused calls are seen by sys_exit, which costs every system call some 86 ns"
    if settings.attempts == "off":
        return "refused calls are not looked at"
    return "refused calls are not seen: no fexit on this kernel (--attempts on needs none)"


def _where(off: bool, settings: Settings, kind: str) -> str:
    if off:
        return "not shipped" + (f", printed as {settings.print}" if kind == "logs" else "")
    endpoint = settings.logs if kind == "logs" else settings.metrics
    assert endpoint is not None
    from otel_killsnoop.shipping.transport import shown

    return f"shipped to {shown(endpoint.url)} by {endpoint.protocol}"
