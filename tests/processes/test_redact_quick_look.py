"""The quick look at arguments: what it lets pass without reading it holds nothing to be masked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.processes import reader
from otel_killsnoop.processes.redact import redact
from otel_killsnoop.processes.sensitive import PROGRAMS, may_hold

SECRET = b"hunter2XyZ"
SCRIPTS = [
    b"kill -9 %d",
    b"echo; read line",
    b'for one in *; do gzip "$one"; done',
    b"cd /srv && ls",
]


@pytest.mark.parametrize(
    "before", [b"", b"x; ", b"x|", b"(", b"$(", b"'", b'"', b"\t", b"/usr/bin/"]
)
@pytest.mark.parametrize("after", [b" ", b"\n"])
def test_a_program_that_takes_secrets_is_seen_wherever_it_begins(before, after) -> None:
    script = before + b"mysql" + after + b"-p" + SECRET
    assert may_hold(script)
    (_, _, shown), masked = redact((b"sh", b"-c", script))
    assert SECRET not in shown
    assert masked == 1


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_every_such_program_is_seen(name: bytes) -> None:
    assert may_hold(b"\0".join((b"/opt/" + name, b"x")))
    assert may_hold(b"exec " + name)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_usual_script_needs_no_reading(script: bytes) -> None:
    assert not may_hold(b"\0".join((b"sh", b"-c", script)))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [b" ", b"'", b'"', b"=", b":", b"-", b"--", b"/", b"://", b"$(", b";", b".", b"_",
                 b"pa", b"ss", b"wo", b"rd", b"wd", b"ke", b"y", b"to", b"ken", b"http", b"login",
                 b"zip", b"-P", b"-p", b"eyJ", b"AKIA", b"bob", b"\xff", b"a1B2"]
            ),
            st.binary(max_size=6),
        ),
        max_size=24,
    ).map(b"".join)
)  # fmt: skip
def test_what_it_lets_pass_holds_nothing_when_it_is_read(text: bytes) -> None:
    if not may_hold(text):
        reader.clean.clear()
        args = (b"sh", b"-c", text + b" @")  # a sign for which all of it is read
        assert may_hold(args[-1])
        assert redact(args) == (args, 0)


def test_what_was_read_before_is_judged_the_same() -> None:
    clean = (b"sh", b"-c", b"grep -r password src; ls", b"1")
    secret = (b"sh", b"-c", b"app --password " + SECRET, b"1")
    for _ in range(3):
        assert redact(clean) == (clean, 0)
        assert redact(secret) == ((b"sh", b"-c", b"app --password ***", b"1"), 1)
    # The same text is a secret where another argument says so.
    assert redact((b"app", b"--password", clean[2])) == ((b"app", b"--password", b"***"), 1)


def test_nothing_secret_is_remembered_and_what_is_has_a_bound() -> None:
    for number in range(3 * reader.MOST):
        redact((b"sh", b"-c", b"grep password %d" % number))
        redact((b"sh", b"-c", b"app --password " + SECRET + b" %d" % number))
    redact((b"sh", b"-c", b"grep password " + b"x " * reader.LONGEST))
    assert 0 < len(reader.clean) <= reader.MOST
    assert not any(SECRET in one for one in reader.clean)
    assert max(map(len, reader.clean)) <= reader.LONGEST
