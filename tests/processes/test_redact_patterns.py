"""Patterns that users add: what they mask, how a file of them is read, and which are refused."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

from otel_killsnoop.errors import UsageError
from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.patterns import read
from otel_killsnoop.processes.redact import redactor

FILE = rb"""# our own
  # indented

badge-[0-9]{4}
--pin (\d+)
(?i)door=(\w+)/(\w+)
"""


@pytest.fixture
def patterns(tmp_path: pathlib.Path) -> tuple[re.Pattern[bytes], ...]:
    path = tmp_path / "patterns"
    path.write_bytes(b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n"))
    return read(str(path))


@pytest.mark.parametrize(
    ("args", "shown", "masked"),
    [
        ((b"app", b"badge-1234", b"x"), (b"app", b"***", b"x"), 1),
        ((b"app", b"a=badge-1234,badge-5678."), (b"app", b"a=***,***."), 2),
        ((b"app", b"--pin", b"77", b"--pin=77"), (b"app", b"--pin", b"***", b"--pin=77"), 1),
        ((b"app", b"DOOR=in/out"), (b"app", b"DOOR=***/***"), 2),
        # Together with what is secret anyway, also where both mean the same bytes.
        ((b"app", b"--token", b"badge-1234"), (b"app", b"--token", b"***"), 1),
        ((b"app", b"--token", b"abcdef", b"badge-1"), (b"app", b"--token", b"***", b"badge-1"), 1),
        ((b"app", b"nothing here"), (b"app", b"nothing here"), 0),
        ((), (), 0),
    ],
)
def test_a_users_patterns_mask_and_count(patterns, args, shown, masked) -> None:
    assert redactor("redacted", patterns)(args) == (shown, masked)


def test_a_pattern_that_reaches_over_arguments_masks_its_part_of_each() -> None:
    redact = redactor("redacted", [re.compile(rb"x y+ z")])
    assert redact((b"ax", b"yy", b"zb")) == ((b"a***", b"***", b"***b"), 3)


def test_other_modes_do_not_ask_them(patterns) -> None:
    args = (b"badge-1234 x", b"badge-1234")
    assert redactor("full", patterns)(args) == (args, 0)
    assert redactor("none", patterns)(args) == ((b"badge-1234",), 0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"(", "unterminated"),
        (b"a{2,1}", "min repeat"),
        (b"x*", "nothing at all"),
        (b"[z-a]", "bad"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(tmp_path: pathlib.Path, line, why) -> None:
    path = tmp_path / "patterns"
    path.write_bytes(b"# first\nfine\n" + line + b"\nfine\n")
    with pytest.raises(UsageError, match=re.escape(f"{path}, line 3")) as caught:
        Host("/", patterns=str(path))
    assert why in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="directory"):
        read(str(tmp_path))
    with pytest.raises(UsageError, match="null"):
        read("a\0b")


def test_the_host_masks_what_they_find_in_real_processes(tmp_path, world) -> None:
    path = tmp_path / "patterns"
    path.write_bytes(FILE)
    code = "import sys, time; print(flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, "--pin", "4711"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            host = Host("/", patterns=str(path))
            host.seed()
            entry = host.snapshot.look_up(process.pid)
            assert entry is not None
            assert entry.args[-1] == b"4711"
            start = entry.ticks * 10_000_000
            own = host.snapshot.look_up(os.getpid())
            assert own is not None
            signal = world.kill(
                os.getpid(), process.pid, source_start=own.ticks * 10_000_000, target_start=start,
                source_comm=own.comm, target_comm=entry.comm,
            )  # fmt: skip
            (joined,) = host.table.apply([signal], waited=1).joined
            assert joined.target is not None
            assert joined.target.process.args[-2:] == (b"--pin", b"***")
            assert host.table.counts().masked >= 1
        finally:
            process.kill()
