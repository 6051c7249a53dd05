"""A process -> what is said of it: names and values, not yet bytes on the wire.

Names are those of ``attributes.SIDE``, without the ``killsnoop.source`` or ``.target`` in front.
The encoder and the terminal's JSON are both made of this, so they cannot differ. It is in parts,
because the encoder keeps those that many processes have in common.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter

from otel_killsnoop.model import Process
from otel_killsnoop.records.bounds import (
    NAME_BYTES,
    PATH_BYTES,
    WORD_BYTES,
    Limits,
    cut,
    cut_array,
    utf8,
    utf8_text,
)
from otel_killsnoop.records.otlp import Value

Named = list[tuple[str, Value]]


def name(process: Process) -> bytes:
    """The process's comm, as valid UTF-8."""
    return _bounded(process.comm, NAME_BYTES)


def label(name: bytes, pid: int) -> bytes:
    """``nginx[1234]``: how bodies and trees call a process."""
    return b"%b[%d]" % (name, pid)


def iso(unix_ns: int) -> str:
    """ISO 8601 in UTC with milliseconds, ``2026-11-24T16:17:38.123Z``; cut, not rounded."""
    return _iso(unix_ns).decode()


def precise(unix_ns: int) -> str:
    """The same with nanoseconds."""
    return f"{iso(unix_ns)[:-5]}.{unix_ns % 1_000_000_000:09d}Z"


def _iso(unix_ns: int) -> bytes:
    return b"%b.%03dZ" % (
        _to_the_second(unix_ns // 1_000_000_000),
        unix_ns // 1_000_000 % 1000,
    )


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def describe(
    process: Process, own_name: bytes, limits: Limits, boot_to_unix_ns: int
) -> tuple[Named, list[str]]:
    """What is said of the process itself, ``own_name`` its name, and the names of what was cut.

    Left out is what is unknown, and what repeats: the command when it is the first argument, the
    namespace's number when it is the host's, the cgroup when the container is known, how we know
    when it is by exec.
    """
    values = numbers(process, boot_to_unix_ns)
    values += program(process, own_name)
    shortened = add_arguments(values, process, limits)
    values += belonging(process)
    return values, shortened


def numbers(process: Process, boot_to_unix_ns: int) -> Named:
    """What no other process has in common with it."""
    values: Named = [("process.pid", process.pid)]
    if process.vpid and process.vpid != process.pid:
        values.append(("process.vpid", process.vpid))
    if process.parent_pid:
        values.append(("process.parent_pid", process.parent_pid))
    if process.start:
        values.append(("process.creation.time", _iso(process.start + boot_to_unix_ns)))
    return values


def program(process: Process, own_name: bytes) -> Named:
    """What it runs; it depends on ``program_key`` alone."""
    values: Named = [("process.executable.name", own_name)]
    if process.path:
        values.append(("process.executable.path", _bounded(process.path, PATH_BYTES)))
    return values


def belonging(process: Process) -> Named:
    """Whose it is, where it runs, how we know; it depends on ``belonging_key`` alone."""
    values: Named = [("process.user.id", process.uid)]
    add = values.append
    if process.user is not None:
        add(("process.user.name", _word(process.user)))
    if process.login_user is not None:
        add(("user.login", _word(process.login_user)))
    if process.login_uid is not None:
        add(("user.login_id", process.login_uid))
    if process.audit_session is not None:
        add(("session.id", process.audit_session))
    if process.container_id is not None:
        add(("container.id", _word(process.container_id)))
    elif process.cgroup is not None:
        add(("process.linux.cgroup", _bounded_text(process.cgroup, PATH_BYTES)))
    if process.pod_uid is not None:
        add(("k8s.pod.uid", _word(process.pod_uid)))
    if process.pod_qos is not None:
        add(("k8s.pod.qos_class", _word(process.pod_qos)))
    if process.systemd_unit is not None:
        add(("systemd.unit", _word(process.systemd_unit)))
    if process.known_from != "exec":
        add(("process.known_from", _word(process.known_from)))
    return values


said_of = attrgetter(*(one.name for one in fields(Process) if one.name not in ("gid", "ended")))
"""All that ``describe`` looks at, as one value: that a process has ended is not said of itself."""


program_key = attrgetter("comm", "path")
"""What ``program`` looks at."""

belonging_key = attrgetter(
    "uid",
    "user",
    "login_user",
    "login_uid",
    "audit_session",
    "container_id",
    "cgroup",
    "pod_uid",
    "pod_qos",
    "systemd_unit",
    "known_from",
)
"""What ``belonging`` looks at."""


# Processes are many, but their names, programs, users and places are few.
@lru_cache(maxsize=512)
def _bounded(raw: bytes, limit: int) -> bytes:
    return cut(utf8(raw), limit)


@lru_cache(maxsize=512)
def _bounded_text(text: str, limit: int) -> bytes:
    return cut(utf8_text(text), limit)


def _word(text: str) -> bytes:
    return _bounded_text(text, WORD_BYTES)


def add_arguments(values: Named, process: Process, limits: Limits) -> list[str]:
    """Add command, arguments, line, title and count; return the names of what was cut."""
    args = process.args
    shortened = []
    if len(args) == 1 and process.args_count > 1 and not process.args_cut:
        # The others were withheld on purpose (--args none): what is left is the command alone.
        values.append(("process.command", cut(utf8(args[0]), limits.line or PATH_BYTES)))
    elif args:
        raw = b" ".join(args)
        texts = args if raw.isascii() else tuple([utf8(one) for one in args])
        # Nothing grows to more than six times its size in JSON: most need not be looked at closer.
        fits = 6 * len(raw) + 3 * len(args) < limits.arguments
        shown = texts if fits else cut_array(texts, limits.arguments)
        if shown:
            values.append(("process.command_args", shown))
        if process.args_cut or shown is not texts:
            shortened.append("process.command_args")
        line, whole = _cut_line(raw, limits.line)
        if limits.line:
            values.append(("process.command_line", line))
        if process.args_cut or not whole:
            shortened.append("process.command_line")
    if process.title is not None:
        title, whole = _cut_line(process.title, limits.line)
        if limits.line:
            values.append(("process.title", title))
        if not whole:
            shortened.append("process.title")
    if process.args_count:
        values.append(("process.args_count", process.args_count))
    return shortened


def add_initiator(values: Named, shortened: list[str], initiator: Process, limits: Limits) -> None:
    """Add what is said of a source's initiator."""
    values.append(("initiator.pid", initiator.pid))
    values.append(("initiator.name", name(initiator)))
    line, whole = command_line(initiator.args, limits.line)
    if line:
        values.append(("initiator.command_line", line))
    if not whole:
        shortened.append("initiator.command_line")


def command_line(args: tuple[bytes, ...], limit: int) -> tuple[bytes, bool]:
    """The arguments joined by spaces in at most ``limit`` bytes, and whether that is all."""
    return _cut_line(b" ".join(args), limit)


def _cut_line(raw: bytes, limit: int) -> tuple[bytes, bool]:
    if len(raw) <= limit and raw.isascii():
        return raw, True
    # A little more than fits, so that a character cut in two lies beyond the limit.
    line = utf8(raw[: limit + 4])
    if len(line) <= limit and len(raw) <= limit + 4:
        return line, True
    return cut(line, limit), False
