"""What the terminal's tests share: a fixed time zone, and a way to print on a string."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from otel_killsnoop.model import Death, Joined
from otel_killsnoop.terminal.output import printer

UNIX_NS = 1_795_608_221_208_123_456  # 2026-11-25T12:03:41.208123456Z


@pytest.fixture
def three_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local time is UTC+3."""
    monkeypatch.setenv("TZ", "XXX-3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def shown() -> Callable[..., str]:
    """shown(kind, what, max_depth=8, flat=None, **of_printer): what a plain file gets of it.

    what: a joined signal, or a death.
    """

    def show(
        kind: str,
        what: Joined | Death,
        max_depth: int = 8,
        flat: dict[str, object] | None = None,
        **of_printer: Any,
    ) -> str:
        stream = io.StringIO()
        made = printer(kind, stream, max_depth, **of_printer)
        assert made is not None
        if isinstance(what, Death):
            made.print_death(what, UNIX_NS, flat)
        else:
            made.print(what, UNIX_NS, flat)
        made.flush()
        return stream.getvalue()

    return show
