r"""Signals as logfmt, by the keys of the seed tool, so that its users' LogQL keeps working.

That tool writes with Go's ``log/slog`` and reads with Loki's ``| logfmt --strict``. The two do not
agree on escapes: Go writes ``\a``, ``\v``, ``\x1b`` and ``\U000e0001``, for which Loki throws the
line away. So only escapes that both know are used: ``\b \f \n \r \t \" \\`` and ``\uNNNN``. For the
rest, characters above U+FFFF that may not be shown, the value has ``\U000e0001`` as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TextIO

from otel_killsnoop import unixsignals
from otel_killsnoop.model import Death, Details, Facts, Joined, Process, Side, text
from otel_killsnoop.terminal.circumstances import ending
from otel_killsnoop.terminal.gonames import go_name
from otel_killsnoop.terminal.output import Initiator, other_initiator
from otel_killsnoop.terminal.printable import shows, takes_ascii_only, without_surrogates

OWN_CHARACTERS = 16_384
ANCESTOR_CHARACTERS = 1_024
"""How long a command line may be, so that no usual line exceeds Loki's 256 KB."""

_ASKS_FOR_QUOTES = re.compile('[ "=\ufffd]')
_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


class LogfmtPrinter:
    """One line a signal: the seed tool's keys in its order, then ours. One line a death."""

    needs_flat = False

    def __init__(self, stream: TextIO, max_depth: int, initiator: Initiator) -> None:
        self._stream = stream
        self._initiator = initiator
        self._max_depth = max_depth
        self._ascii_only = takes_ascii_only(stream)

    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one line; ``flat`` is not looked at."""
        self._write(self._pairs(joined, unix_ns))

    def print_death(self, death: Death, unix_ns: int, flat: Mapping[str, object] | None) -> None:
        """Write one line; ``flat`` is not looked at."""
        self._write(self._pairs_of_death(death, unix_ns))

    def flush(self) -> None:
        """Hand on what is written."""
        self._stream.flush()

    def _write(self, pairs: Iterator[tuple[str, str]]) -> None:
        line = " ".join([f"{key}={quoted(value, self._ascii_only)}" for key, value in pairs])
        self._stream.write(line + "\n")

    def _pairs(self, joined: Joined, unix_ns: int) -> Iterator[tuple[str, str]]:
        signal, source, target = joined
        facts = signal.facts
        yield from _start(unix_ns, "snooped signal")
        yield "signal", str(facts.number)
        yield "signal.string", go_name(facts.number)
        if source is not None:
            yield from self._lineage("source", source)
        if target is not None:
            yield from self._lineage("target", target)
        yield "signal.name", facts.name
        yield "signal.code", facts.code
        yield "cause", facts.cause
        if facts.call is not None:
            yield "call", facts.call
        yield "result", facts.result
        if source is not None:
            yield from _users("source", source.process)
        if target is not None:
            yield from _users("target", target.process)
        yield from _more_facts(facts)
        if signal.details is not None:
            yield from _details(signal.details)
        if source is not None and (initiator := other_initiator(source, self._initiator)):
            yield from _process("source.initiator", initiator, OWN_CHARACTERS)

    def _pairs_of_death(self, death: Death, unix_ns: int) -> Iterator[tuple[str, str]]:
        number, code, core_dumped = ending(death)
        yield from _start(unix_ns, "process died")
        yield from self._lineage("target", death.target)
        yield "signal.name", unixsignals.name(number)
        yield "exit.code", str(code)
        yield "exit.core_dumped", "true" if core_dumped else "false"
        yield "exit.run_time", f"{death.run_time / 1e9:.6f}"
        yield from _users("target", death.target.process)

    def _lineage(self, key: str, side: Side) -> Iterator[tuple[str, str]]:
        """The process and its ancestors, each under one more ``.parent``."""
        yield from _process(key, side.process, OWN_CHARACTERS)
        for _ in range(self._max_depth):
            key += ".parent"
            if side.parent is None:
                # The seed tool names a parent by its number where it knows no more of it.
                if side.process.parent_pid > 0 and not side.complete:
                    yield f"{key}.pid", str(side.process.parent_pid)
                return
            side = side.parent
            yield from _process(key, side.process, ANCESTOR_CHARACTERS)


def quoted(value: str, ascii_only: bool = False) -> str:
    """The value as it stands after ``=``: in quotes where slog would put them."""
    if shows(value, ascii_only):
        if value and not _ASKS_FOR_QUOTES.search(value):
            return value
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    else:
        escaped = "".join([_character(c, ascii_only) for c in without_surrogates(value)])
    return f'"{escaped}"'


def _character(character: str, ascii_only: bool) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    if shows(character, ascii_only):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\\\U{code:08x}"


def _start(unix_ns: int, message: str) -> Iterator[tuple[str, str]]:
    yield "time", _rfc3339(unix_ns)
    yield "level", "INFO"
    yield "msg", message


def _users(key: str, process: Process) -> Iterator[tuple[str, str]]:
    yield f"{key}.uid", str(process.uid)
    if process.login_uid is not None:
        yield f"{key}.login", process.login_user or str(process.login_uid)


def _more_facts(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.disposition is not None:
        yield "disposition", facts.disposition
    if facts.forged:
        yield "forged", "true"
    if facts.address is not None:
        yield "fault.address", facts.address
    if facts.session is not None:
        yield "session.reason", facts.session
    if facts.error is not None:
        yield "error", facts.error


def _details(details: Details) -> Iterator[tuple[str, str]]:
    if details.tty:
        yield "tty", text(details.tty)
    if details.session_pid:
        yield "session.pid", str(details.session_pid)
    if details.namespace:
        yield "namespace", str(details.namespace)
    if details.argument is not None:
        yield "argument", str(details.argument)
    if details.repeats:
        yield "count", str(details.repeats)
    if details.group_size:
        yield "group.id", f"{details.group_id:016x}"
        yield "group.size", str(details.group_size)
    if details.oom is not None:
        for part, size in details.oom._asdict().items():
            yield f"oom.{part}", str(size)


def _process(key: str, process: Process, limit: int) -> Iterator[tuple[str, str]]:
    yield f"{key}.pid", str(process.pid)
    if process.args:
        yield f"{key}.cmdline", _go_slice(process.args, process.args_cut, limit)
    if process.comm:
        yield f"{key}.comm", text(process.comm)


def _go_slice(args: tuple[bytes, ...], cut: bool, limit: int) -> str:
    """``[a b c]``, as Go prints a slice; ends in ``...]`` when something is missing."""
    line = text(b" ".join(args))
    if cut or len(line) > limit:
        return f"[{line[:limit]}...]"
    return f"[{line}]"


def _rfc3339(unix_ns: int) -> str:
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
