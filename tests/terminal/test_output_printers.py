"""The door of the room: kinds, whole lines, and streams as they really are."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from any_signals import any_signals, deaths
from hypothesis import given, settings
from made_signals import death, joined, lineage, process

from otel_killsnoop.errors import UsageError
from otel_killsnoop.model import Death, Joined
from otel_killsnoop.terminal.output import KINDS, printer

Shown = Callable[..., str]
PRINTING = [kind for kind in KINDS if kind != "none"]
ONE = joined(
    lineage(process(comm="né".encode())), lineage(process(args=("日本".encode(), b"\xff")))
)
FLAT: dict[str, object] = {"body": "né"}


class Calls(io.StringIO):
    """Remembers what it was asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, text: str) -> int:
        self.calls.append("write")
        return super().write(text)

    def flush(self) -> None:
        self.calls.append("flush")
        super().flush()


def test_none_is_no_printer() -> None:
    assert printer("none", io.StringIO(), 8) is None


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"xml.*tree, logfmt, json, none"):
        printer("xml", io.StringIO(), 8)


@pytest.mark.parametrize("kind", PRINTING)
def test_only_json_asks_for_the_flat_dict(kind: str) -> None:
    made = printer(kind, io.StringIO(), 8)
    assert made is not None
    assert made.needs_flat is (kind == "json")


@pytest.mark.parametrize("kind", PRINTING)
def test_each_is_one_write_and_flushing_is_the_callers(kind: str) -> None:
    stream = Calls()
    made = printer(kind, stream, 8)
    assert made is not None
    made.print(ONE, 0, FLAT)
    made.print_death(death(lineage(process())), 0, FLAT)
    made.flush()
    assert stream.calls == ["write", "write", "flush"]
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize("kind", PRINTING)
@given(one=any_signals() | deaths())
@settings(max_examples=150, deadline=None)
def test_no_control_character_reaches_the_stream(
    shown: Shown, kind: str, one: Joined | Death
) -> None:
    shown_process = (one.target or lineage(process())).process
    texts = [shown_process.user or "", shown_process.comm.decode("latin-1")]
    written = shown(kind, one, 3, {"body": texts}, initiator=lambda side: shown_process)
    assert written.endswith("\n")
    lines = written[:-1].split("\n")
    assert all(line.isprintable() for line in lines)
    assert kind == "tree" or len(lines) == 1
    assert written.encode().decode() == written


@pytest.mark.parametrize("kind", PRINTING)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_stream_of_any_encoding_takes_it(kind: str, encoding: str) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, errors="strict") as stream:
        made = printer(kind, stream, 8)
        assert made is not None
        made.print(ONE, 0, FLAT)
        made.flush()
        written = raw.getvalue().decode(encoding)
    assert ("né" in written) is (encoding == "utf-8")
    assert encoding == "utf-8" or "n\\u00e9" in written


@pytest.mark.parametrize("kind", PRINTING)
def test_a_reader_that_is_gone_is_told_to_the_caller(kind: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", encoding="utf-8")
    made = printer(kind, stream, 8)
    assert made is not None
    try:
        made.print(ONE, 0, FLAT)
        with pytest.raises(BrokenPipeError):
            made.flush()
    finally:
        with contextlib.suppress(BrokenPipeError):
            stream.close()


@pytest.mark.parametrize(("kind", "loaded"), [("tree", True), ("logfmt", False), ("json", False)])
def test_rich_is_loaded_for_the_tree_alone(kind: str, loaded: bool) -> None:
    program = (
        "import sys\n"
        "from otel_killsnoop.terminal.output import printer\n"
        "assert 'rich' not in sys.modules\n"
        f"printer({kind!r}, sys.stdout, 8)\n"
        "print('rich' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.decode().strip() == str(loaded)
