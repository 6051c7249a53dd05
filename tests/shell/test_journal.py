"""The agent's own log: a line a message, whatever bytes processes and far sides put into it."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.journal import open_journal

HOSTILE = "a\x1b[31mred\x07\r\nFAKE ERROR\x00\x9b2J\u202eedoc\u2028\ud800\x7f"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What it writes, as long as the test runs."""
    root, ours = logging.getLogger(), logging.getLogger("otel_killsnoop")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    open_journal("debug")
    yield out
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.raiseExceptions = before[3]


def test_no_control_character_gets_through(written: io.StringIO) -> None:
    logging.getLogger("otel_killsnoop.x").warning("%s says %r", HOSTILE, HOSTILE)
    text = written.getvalue()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert text.split(" ", 2)[1] == "WARNING"
    assert "\\x1b[31mred\\x07\\r\\nFAKE ERROR" in text


def test_nor_from_the_packages_that_are_used(written: io.StringIO) -> None:
    logging.getLogger("urllib3.somewhere").error("header %s", HOSTILE)
    logging.getLogger("urllib3.somewhere").info("not told")
    assert written.getvalue()[:-1].isprintable()


def test_what_is_printable_stays_as_it_is(written: io.StringIO) -> None:
    logging.getLogger("otel_killsnoop.x").info("%s", "naïve 名前 'x' \\n")
    assert written.getvalue().endswith("INFO naïve 名前 'x' \\n\n")


def test_a_defect_of_ours_keeps_its_traceback(written: io.StringIO) -> None:
    try:
        raise RuntimeError("of ours")
    except RuntimeError:
        logging.getLogger("otel_killsnoop.x").exception("told")
    assert "Traceback" in written.getvalue()
    assert "RuntimeError: of ours" in written.getvalue()


@given(st.text(st.characters()))
def test_any_text_is_one_line_that_can_be_written(message: str) -> None:
    handler_of = logging.getLogger()
    before = handler_of.handlers[:]
    try:
        open_journal("info")
        (handler,) = handler_of.handlers
        record = logging.LogRecord("x", logging.INFO, "", 0, message, None, None)
        line = handler.format(record)
    finally:
        handler_of.handlers[:] = before
    assert line.isprintable()
    line.encode("utf-8")
