"""Text that is shown can steer no terminal, and a quoted argument is what bash reads back."""

from __future__ import annotations

import io
import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.terminal.printable import (
    quoted,
    takes_ascii_only,
    visible,
    without_surrogates,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx: worker", "nginx: worker"),
        ("日本é", "日本é"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x7f", "\\x7f"),
        ("\x9b1m", "\\u009b1m"),
        ("\u202eabc", "\\u202eabc"),
        ("\u2028", "\\u2028"),
        ("\u200d", "\\u200d"),
        ("\udcff", "\\udcff"),
        ("\U000e0001", "\\U000e0001"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_what_may_not_be_shown_is_written_as_an_escape(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_beyond_ascii_is_escaped_for_a_stream_that_cannot_take_it() -> None:
    assert visible("né日\U0001f600", ascii_only=True) == "n\\u00e9\\u65e5\\U0001f600"
    assert quoted("né", ascii_only=True) == "$'n\\u00e9'"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("-9", "-9"),
        ("", "''"),
        ("nginx: worker", "'nginx: worker'"),
        ("it's", "'it'\\''s'"),
        ("日本", "日本"),
        ("$HOME", "'$HOME'"),
        ("~", "'~'"),
        ("a\nb", "$'a\\nb'"),
        ("\x1b'\\", "$'\\x1b\\'\\\\'"),
    ],
)
def test_arguments_are_quoted_only_where_a_shell_needs_it(argument: str, expected: str) -> None:
    assert quoted(argument) == expected


ARGUMENT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(ARGUMENT, min_size=1, max_size=20), st.booleans())
@settings(max_examples=60, deadline=None)
def test_bash_reads_back_the_same_arguments(arguments: list[str], ascii_only: bool) -> None:
    line = " ".join(quoted(one, ascii_only) for one in arguments)
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"],
        check=True,
        capture_output=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    assert done.stdout.decode().split("\0")[:-1] == arguments


@given(st.text(st.characters()))
def test_visible_text_is_printable_and_can_be_encoded(text: str) -> None:
    assert visible(text).isprintable()
    assert quoted(text).isprintable()
    assert (visible(text, ascii_only=True) + quoted(text, ascii_only=True)).isascii()
    assert without_surrogates(text).encode().decode() == without_surrogates(text)


def test_lone_surrogates_become_the_replacement_character_and_nothing_else_changes() -> None:
    assert without_surrogates("a\udcffb\ud83d") == "a\ufffdb\ufffd"
    assert without_surrogates("é\U0001f600") == "é\U0001f600"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", False), ("UTF8", False), ("utf-16", False), ("ascii", True), ("latin-1", True)],
)
def test_only_unicode_streams_take_more_than_ascii(encoding: str, expected: bool) -> None:
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding) as stream:
        assert takes_ascii_only(stream) is expected


def test_a_stream_without_an_encoding_takes_all() -> None:
    assert takes_ascii_only(io.StringIO()) is False
