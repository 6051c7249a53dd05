"""Environment variables by the OpenTelemetry specification's rules of reading.

An empty value means unset. What cannot be meant is ignored with a warning, as if it were unset.
Words are taken whatever their case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

MOST = (1 << 31) - 1  # the largest whole number that the specification asks for


class Variables:
    """Reads variables from the environment and collects warnings.

    warnings: one line each, in the order in which they came up, none twice.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    def warn(self, line: str) -> None:
        """Add a warning, unless it is there already."""
        self._warnings[line] = None

    def text(self, name: str) -> str | None:
        """The value without blanks around it; None when there is nothing else."""
        return self._environment.get(name, "").strip() or None

    def word(self, name: str, known: Sequence[str]) -> str | None:
        """One of the known words."""
        value = self.text(name)
        return None if value is None else self._known(name, value, known)

    def words(self, name: str, known: Sequence[str]) -> frozenset[str]:
        """Those of a comma list that are known."""
        values = filter(None, map(str.strip, (self.text(name) or "").split(",")))
        return frozenset(filter(None, [self._known(name, value, known) for value in values]))

    def _known(self, name: str, value: str, known: Sequence[str]) -> str | None:
        if value.lower() in known:
            return value.lower()
        self.warn(f"{name}: {_shown(value)} is none of {', '.join(known)}, and is ignored")
        return None

    def boolean(self, name: str) -> bool | None:
        """True for ``true`` alone; other words than ``false`` count as false, with a warning."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in ("true", "false"):
            self.warn(f"{name}: {_shown(value)} is neither true nor false, and counts as false")
        return value.lower() == "true"

    def milliseconds(self, name: str, least: int = 0) -> int | None:
        """A whole number from `least` on."""
        value = self.text(name)
        if value is None:
            return None
        if re.fullmatch(r"[0-9]{1,10}", value, re.ASCII) and least <= int(value) <= MOST:
            return int(value)
        self.warn(
            f"{name}: {_shown(value)} is no whole number of milliseconds "
            f"from {least} to {MOST}, and is ignored"
        )
        return None


def _shown(value: str) -> str:
    """On one line, and not too long for it."""
    return repr(value if len(value) <= 40 else value[:40] + "...")
