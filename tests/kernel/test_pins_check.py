"""`check` says whether signals outlive a kill of the agent, and the cure where they do not."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bpf_objects import place_for_pins, used_by
from real_processes import RARE_NAME
from running_agent import COMMAND, RunningAgent
from unprivileged import CAP_BPF, CAP_PERFMON, NOBODY, public_copy, run_as_nobody

pytestmark = pytest.mark.kernel


@pytest.fixture
def pins() -> Iterator[Path]:
    with place_for_pins() as made:
        yield made


def check(path: Path | str, mode: str = "auto") -> tuple[int, str, str]:
    """The exit status, and mark and text of the line about pins."""
    environment = {name: one for name, one in os.environ.items() if "KILLSNOOP_" not in name}
    done = subprocess.run(
        [*COMMAND, "check", "--pin", mode, "--pin-dir", str(path)],
        env={name: one for name, one in environment.items() if not name.startswith("OTEL_")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    [line] = [one for one in done.stdout.splitlines() if one.split()[1] == "pins"]
    mark, _, text = line.split(None, 2)
    return done.returncode, mark, text


def test_on_and_nothing_of_the_trial_is_left(pins: Path) -> None:
    assert check(pins) == (0, "ok", f"on, in {pins}: signals outlive a kill of the agent")
    assert not list(pins.iterdir())


def test_off_by_wish(pins: Path) -> None:
    status, mark, text = check(pins, "off")
    assert (status, mark) == (0, "ok")
    assert text.startswith("off: ")


def test_off_where_there_is_no_bpffs_with_the_cure(tmp_path: Path, pins: Path) -> None:
    (pins / "link").symlink_to(pins)
    (pins / "wide").mkdir()
    (pins / "wide").chmod(0o777)
    for path, words in (
        (tmp_path, "--pin-dir"),
        (pins / "no" / "where", "mount -t bpf bpf /sys/fs/bpf"),
        (pins / "link", "--pin off"),
        (pins / "wide", "0700"),
    ):
        status, mark, text = check(path)
        assert (status, mark) == (0, "ok")
        assert text.startswith("off, signals do not outlive a kill of the agent: ")
        assert words in text
        assert str(path) in text


def test_an_agent_that_runs_is_told_and_so_is_one_that_was_killed(
    agent: RunningAgent, pins: Path
) -> None:
    variables = {"KILLSNOOP_PIN": "auto", "KILLSNOOP_PIN_DIR": str(pins)}
    agent.start("--print", "none", "-i", RARE_NAME, **variables)
    status, mark, text = check(pins)
    assert (status, mark) == (78, "FAIL")
    assert text.startswith(f"another agent is attached and owns the pins: {pins}")
    agent.stop(signal.SIGKILL)
    before = used_by(pins)
    status, mark, text = check(pins)
    assert (status, mark) == (0, "ok")
    assert text.endswith("an agent that was killed left some")
    assert used_by(pins) == before  # check adopts nothing
    agent.start("--print", "none", "-i", RARE_NAME, **variables)
    assert used_by(pins) == before
    assert agent.stop() == 0


def test_an_agent_that_cannot_pin_says_so_once_and_goes_on(
    agent: RunningAgent, tmp_path: Path
) -> None:
    agent.start("--print", "none", KILLSNOOP_PIN="auto", KILLSNOOP_PIN_DIR=str(tmp_path / "none"))
    assert agent.stop() == 0
    assert agent.log().count("pins: off: cannot pin") == 1
    assert "--pin-dir" in agent.log()


def test_another_user_needs_a_directory_of_its_own_and_no_more(pins: Path) -> None:
    text = (
        "from otel_killsnoop.tracer import load\n"
        f"options = load.Options(ring_size=1 << 16, pin_dir={str(pins)!r})\n"
        "first = load.attach(options)\nprint(first.origin, first.pinning)\nfirst.leave()\n"
        "second = load.attach(options)\nprint(second.origin)\nsecond.close()"
    )
    with public_copy() as top:
        refused = run_as_nobody(top, text, CAP_BPF, CAP_PERFMON)
        assert refused.stderr == ""
        assert refused.stdout.startswith("fresh off: ")
        os.chown(pins, NOBODY, NOBODY)
        done = run_as_nobody(top, text, CAP_BPF, CAP_PERFMON)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"fresh {pins}/1", "adopted"]
    assert not list(pins.iterdir())
