"""What the terminal's tests share: a fixed time zone, and a way to print on a string."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator

import pytest

from otel_killsnoop.model import Joined
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
    """shown(kind, joined, max_depth=8, flat=None): what the printer writes to a plain file."""

    def show(
        kind: str, joined: Joined, max_depth: int = 8, flat: dict[str, object] | None = None
    ) -> str:
        stream = io.StringIO()
        made = printer(kind, stream, max_depth)
        assert made is not None
        made.print(joined, UNIX_NS, flat)
        made.flush()
        return stream.getvalue()

    return show
