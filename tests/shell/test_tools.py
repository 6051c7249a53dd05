"""The scripts under tools/: what a person at a terminal, or without root, sees of them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from real_collector import REPOSITORY

TOOLS = REPOSITORY / "tools"
FOREGROUND = f"{sys.executable} {TOOLS / 'foreground.py'}"

# Ends well on the terminal's Ctrl-C; with a status of its own on SIGTERM.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def makefile(tmp_path: Path) -> Path:
    """A makefile that runs PROGRAM as `make run` runs the agent."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = tmp_path / "Makefile"
    path.write_text(f"run:\n\t@exec {FOREGROUND} {sys.executable} {program}\n")
    return path


def test_ctrl_c_under_make_is_no_error(makefile: Path) -> None:
    ours, theirs = pty.openpty()
    command = ["setsid", "--ctty", "make", "--no-print-directory", "-f", str(makefile), "run"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as make:
        output = b""
        while b"ready" not in output:
            output += os.read(ours, 1000)
        os.write(ours, b"\x03")
        assert make.wait(20) == 0
    output += os.read(ours, 1000)
    assert b"***" not in output
    os.close(ours)
    os.close(theirs)


def test_without_a_terminal_make_passes_sigterm_on(makefile: Path) -> None:
    with subprocess.Popen(
        ["make", "--no-print-directory", "-f", makefile, "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        # Not as a make within `make test`, which would say so first.
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    ) as make:
        assert make.stdout is not None
        assert make.stdout.readline() == "ready\n"
        make.terminate()
        _, errors = make.communicate(timeout=20)
    assert "run] Error 7" in errors  # the program's own status, by its own SIGTERM handler


def refusal(*command: str | Path, stdin: str = "", **environment: str) -> str:
    """The one line that a failing tool says."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.skipif(os.geteuid() != 0, reason="gives root up, so needs it")
def test_missing_packages_are_named_to_who_is_not_root() -> None:
    # By stdin: the checkout may lie where only root may look.
    line = refusal(
        *("setpriv", "--reuid=65534", "--clear-groups", "bash", "-s", "no-such-package"),
        stdin=(TOOLS / "packages").read_text(),
    )
    assert line == (
        "packages: missing: run as root: apt-get install --no-install-recommends no-such-package"
    )


def test_installed_packages_cost_no_word() -> None:
    done = subprocess.run([TOOLS / "packages", "bash", "dpkg"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_named_collector_must_exist() -> None:
    line = refusal(TOOLS / "collector", OTELCOL="/nowhere/otelcol")
    assert "OTELCOL=/nowhere/otelcol is no program" in line


def test_a_named_collector_is_taken_as_it_is() -> None:
    environment = {**os.environ, "OTELCOL": "/bin/true"}
    printed = subprocess.check_output([TOOLS / "collector"], env=environment, text=True)
    assert printed == "/bin/true\n"
