"""Everything that can be configured, read and checked once: values only, for the rest of the shell.

Cheap to import, as `cli` is: the kernel program is attached right after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from otel_killsnoop import environment as otel
from otel_killsnoop import quantities, selection
from otel_killsnoop.errors import UsageError
from otel_killsnoop.options import Given, given, unknown_variables
from otel_killsnoop.shipping.endpoint import Endpoint

if TYPE_CHECKING:
    from otel_killsnoop.matching import Filter

T = TypeVar("T")

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
PRINTS = ("auto", "tree", "logfmt", "json", "none")
ARGS = ("redacted", "full", "none")
ATTEMPTS = ("auto", "on", "off")
PINS = ("auto", "off")
DEEPEST = 32
INTERVALS = (0.1, 86_400.0)  # seconds
RINGS = (64 << 10, 1 << 30)  # bytes
BURSTS = 1_000_000  # a second
SPOOLS = (4 << 20, 1 << 50)  # bytes; the least holds some batches of a MiB


@dataclass(frozen=True, slots=True)
class Settings:
    """What one run of the agent shall do.

    root: where the host's ``/proc`` is found.  log_level: ``debug`` to ``critical``.  recorded:
    numbers of the Unix signals that are recorded, of 1 to 64; the others are only counted.
    ignore_source_comm: command names as the kernel has them, at most 15 bytes, whose signals are
    only counted.  ignore_results, ignore_source_uids, ignore_target_uids,
    ignore_target_comm: what the kernel leaves out besides, by its number of a result, by users
    and by the target's command name.
    keep: judges what is left of the filters after the kernel, None if nothing is.
    attempts: ``auto``, ``on`` or ``off``.  zero: whether calls that send signal 0 are recorded,
    never with attempts off.  max_tree_depth: ancestors of each side, 0 to 32.
    list_process_interval: seconds between re-reads of /proc, 0 for never.  print: ``tree``,
    ``logfmt``, ``json`` or ``none``.  args: ``redacted``, ``full`` or ``none``.  redact_patterns:
    path of a file with more patterns of secrets.  wrappers: names of more programs that are no
    initiators.  spool_dir, spool_limit: directory; bytes, at least 4 MiB.  ring_size: bytes, a
    power of two.  pin_dir: where the tracer is pinned, None for nowhere.  burst: repeats a second
    that are recorded singly, 0 for all.  logs, metrics: where they are shipped, None when they are
    not.  metric_interval_ms: between two exports.
    warnings: one line each, for whoever has a log to write them to.
    """

    root: str
    log_level: str
    recorded: frozenset[int]
    ignore_source_comm: tuple[bytes, ...]
    ignore_results: frozenset[int]
    ignore_source_uids: tuple[int, ...]
    ignore_target_uids: tuple[int, ...]
    ignore_target_comm: tuple[bytes, ...]
    keep: Filter | None
    attempts: str
    zero: bool
    max_tree_depth: int
    list_process_interval: float
    print: str
    args: str
    redact_patterns: str | None
    wrappers: tuple[str, ...]
    spool_dir: str
    spool_limit: int
    ring_size: int
    pin_dir: str | None
    burst: int
    logs: Endpoint | None
    metrics: Endpoint | None
    metric_interval_ms: int
    warnings: tuple[str, ...]


class ConfigurationFaults(Exception):  # noqa: N818  # not one error: it only carries them
    """All that is wrong with a configuration.

    faults: at least one, in the order of the options, those of OTEL_* variables last.
    """

    def __init__(self, faults: list[UsageError]) -> None:
        self.faults = faults
        super().__init__("; ".join(map(str, faults)))


def load(
    values: Mapping[str, object], environment: Mapping[str, str], is_terminal: bool
) -> Settings:
    """Read options and variables; raises ConfigurationFaults with all that is wrong.

    values: what the command line gave, by key of `options.OPTIONS` (text, a sequence of text for
    a repeatable one, None or nothing when not given). It wins over KILLSNOOP_* variables.
    is_terminal: whether standard output is one, for ``--print auto``.
    """
    said = given(values, environment)
    faults: list[UsageError] = []

    def one(key: str, read: Callable[[str], T], otherwise: T) -> T:
        return _one(said[key], read, otherwise, faults)

    root = one("root", _path, "/")
    log_level = one("log_level", _log_level, "info")
    wrong: list[UsageError] = []  # told in its place, but needed before
    asked = selection.filters(said["exclude"], said["include"], wrong)
    numbers = selection.recorded(said["include_signals"], said["exclude_signals"], asked, faults)
    ignored = selection.ignored_comms(said["ignore_source_comm"], faults)
    faults += wrong
    attempts = one("attempts", lambda text: quantities.word(text, ATTEMPTS), "auto")
    if attempts == "off":
        selection.check_zero(
            said["include_signals"], said["include"], asked, said["attempts"], faults
        )
        numbers -= {0}
    depth = one("max_tree_depth", lambda text: quantities.whole(text, 0, DEEPEST), 0)
    interval = one("list_process_interval", lambda text: quantities.seconds(text, *INTERVALS), 0.0)
    form = one("print", lambda text: quantities.word(text, PRINTS), "auto")
    args = one("args", lambda text: quantities.word(text, ARGS), "redacted")
    patterns = one("redact_patterns", _file, "") if said["redact_patterns"].texts else None
    wrappers = selection.names(said["wrappers"], faults)
    spool_dir = one("spool_dir", _path, "")
    spool_limit = one("spool_limit", lambda text: quantities.size(text, *SPOOLS), 0)
    burst = one("fold_burst", lambda text: quantities.whole(text, 0, BURSTS), 0)
    ring_size = one("ring_size", lambda text: quantities.power_of_two(text, *RINGS), 0)
    pin = one("pin", lambda text: quantities.word(text, PINS), "auto")
    pin_dir = one("pin_dir", _path, "")
    otlp = otel.read(environment)
    faults += otlp.faults
    if faults:
        raise ConfigurationFaults(faults)

    form = _resolved(form, is_terminal, otlp)
    warnings = unknown_variables(environment)
    if said["max_list_process_threads"].explicit:
        warnings.append(f"{said['max_list_process_threads'].origin} does nothing here")
    warnings += otlp.warnings
    if not numbers:
        warnings.append("no Unix signal is recorded: all are only counted")
    elif form == "none" and otlp.logs is None:
        warnings.append("records are neither shipped nor printed")
    return Settings(
        root,
        log_level,
        numbers - {0},
        tuple(dict.fromkeys((*ignored, *asked.comms))),
        asked.results,
        asked.source_uids,
        asked.target_uids,
        asked.target_comms,
        asked.keep,
        attempts,
        0 in numbers,
        depth,
        interval,
        form,
        args,
        patterns,
        wrappers,
        spool_dir,
        spool_limit,
        ring_size,
        None if pin == "off" else pin_dir,
        burst,
        otlp.logs,
        otlp.metrics,
        otlp.metric_interval,
        tuple(warnings),
    )


def _one(said: Given, read: Callable[[str], T], otherwise: T, faults: list[UsageError]) -> T:
    """The last value given for an option, read; with a fault `otherwise`, which nobody will see."""
    text = said.texts[-1]
    try:
        return read(text)
    except UsageError as fault:
        faults.append(UsageError(fault.what, said.on(text), fault.cure))
        return otherwise


def _path(text: str, kind: str = "directory") -> str:
    if not text:
        raise UsageError("an empty path", cure=f"name a {kind}, or leave the option out")
    return text


def _file(text: str) -> str:
    return _path(text, "file")


def _log_level(text: str) -> str:
    return quantities.word("warning" if text.strip().lower() == "warn" else text, LOG_LEVELS)


def _resolved(form: str, is_terminal: bool, otlp: otel.Otlp) -> str:
    """What ``auto`` means here."""
    if form != "auto":
        return form
    if is_terminal:
        return "tree"
    return "none" if otlp.logs is not None and not otlp.console else "logfmt"
