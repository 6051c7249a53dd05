"""The table of options, and where each one's value was given: command line or environment.

The one place that names them: the command line, the reading of settings and the test of
docs/configuration.md are made from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PREFIX = "KILLSNOOP_"

# What Kubernetes sets in each pod for a Service whose name begins with "killsnoop".
_SERVICE_LINK = re.compile(
    r"KILLSNOOP_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)",
    re.ASCII,
)


class Option(NamedTuple):
    """One option of `run` and `check`.

    name: without dashes in front.  short: its one-letter form, or nothing.  value: how help calls
    its value.  default: as one would write it; empty when there is none.  help: what it means.
    repeatable: takes several, by being given again; of a list, by commas too.
    """

    name: str
    short: str
    value: str
    default: str
    help: str
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """``--ring-size``."""
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """``ring_size``: its key among parsed values."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """``KILLSNOOP_RING_SIZE``."""
        return PREFIX + self.key.upper()


OPTIONS = (
    Option("root", "-r", "PATH", "/", "Where the host's /proc is found; /host in a container."),
    Option("log-level", "-l", "LEVEL", "info", "Of the agent's own log: debug to critical."),
    Option(
        *("exclude-signals", "-e", "SIGNALS", "CHLD,URG,WINCH,PROF,VTALRM"),
        "Not to be recorded (but counted): numbers, names, all or none.",
        repeatable=True,
    ),
    Option(
        *("include-signals", "-i", "SIGNALS", ""),
        "Record only these; all is 1 to 64, and 0 with attempts.",
        repeatable=True,
    ),
    Option(
        *("ignore-source-comm", "", "NAMES", "none"),
        "Commands whose signals are not recorded (but counted).",
        repeatable=True,
    ),
    Option(
        *("exclude", "", "FILTER", "none"),
        "Not to be recorded: as in 'signal=TERM,HUP source.comm=runc'; docs/configuration.md.",
        repeatable=True,
    ),
    Option(
        *("include", "", "FILTER", ""),
        "Record only what one of these holds for: as in 'target.unit=nginx.service'.",
        repeatable=True,
    ),
    Option(
        *("attempts", "", "WHEN", "auto"),
        "Record refused calls: auto (where that costs other calls nothing), on or off.",
    ),
    Option("max-tree-depth", "-d", "COUNT", "8", "Ancestors of each side, 0 to 32."),
    Option(
        *("list-process-interval", "", "DURATION", "0"),
        "Seconds (or 500ms, 5s, 1m) between re-reads of /proc, a safety net; 0 is off.",
    ),
    Option("max-list-process-threads", "", "COUNT", "", "Accepted, does nothing."),
    Option("print", "", "FORM", "auto", "tree, logfmt, json, none, or auto."),
    Option("args", "", "HOW", "redacted", "Arguments of processes: redacted, full or none."),
    Option(
        *("redact-patterns", "", "PATH", ""),
        "More secrets to mask: a file of regular expressions, one a line.",
    ),
    Option(
        *("wrappers", "", "NAMES", "none"),
        "More programs that pass a kill on for their parent, as sudo does.",
        repeatable=True,
    ),
    Option(
        *("spool-dir", "", "PATH", "/var/lib/otel-killsnoop"),
        "Where records wait on disk until they are delivered.",
    ),
    Option("spool-limit", "", "SIZE", "256MiB", "The most that they may take there."),
    Option("ring-size", "", "SIZE", "16MiB", "Memory between kernel and agent, a power of two."),
    Option(
        "pin", "", "WHEN", "auto", "Outlive a kill by pins: auto (where that is possible), off."
    ),
    Option(
        *("pin-dir", "", "PATH", "/sys/fs/bpf/otel-killsnoop"),
        "Where the pins are: a directory of one agent's, under a bpffs.",
    ),
    Option(
        *("fold-burst", "", "COUNT", "16"),
        "Repeats a second that are recorded singly; more share a record. 0: all singly.",
    ),
)


class Given(NamedTuple):
    """What was said for one option.

    texts: each time that it was given.  origin: ``--ring-size`` or ``KILLSNOOP_RING_SIZE``.
    explicit: False for the default.
    """

    texts: tuple[str, ...]
    origin: str
    explicit: bool

    def on(self, text: str) -> str:
        """Names one value of it in an error: ``--ring-size 5`` or ``KILLSNOOP_RING_SIZE=5``."""
        between = "=" if self.origin.startswith(PREFIX) else " "
        return self.origin + between + (text or "''")


def given(values: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, Given]:
    """What was said for each option, by key: command line, else variable, else default.

    values: text, a sequence of text, or None by key.  An empty variable is an unset one.
    """
    return {option.key: _given(option, values, environment) for option in OPTIONS}


def _given(option: Option, values: Mapping[str, object], environment: Mapping[str, str]) -> Given:
    value = values.get(option.key)
    if isinstance(value, Iterable) and not isinstance(value, str):
        texts = tuple(map(str, value))
    else:
        texts = () if value is None else (str(value),)
    if texts:
        return Given(texts, option.flag, True)
    if environment.get(option.variable, "").strip():
        return Given((environment[option.variable],), option.variable, True)
    return Given((option.default,) if option.default else (), option.flag, False)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """One line for each KILLSNOOP_* variable that is no option, with the nearest that is."""
    known = {option.variable.removeprefix(PREFIX) for option in OPTIONS}
    lines = []
    for name in sorted(environment):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known or _SERVICE_LINK.fullmatch(name):
            continue
        from difflib import get_close_matches  # late: hardly anyone mistypes, everyone waits

        near = get_close_matches(rest.upper(), known, n=1)
        hint = f": did you mean {PREFIX}{near[0]}?" if near else ""
        lines.append(f"the variable {name!r} is no option and is ignored{hint}")
    return lines
