"""What cannot be: one line each, with what failed, on what, and what to do; never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from real_collector import REPOSITORY
from running_agent import COMMAND, RunningAgent, unconfigured

from otel_killsnoop.tracer import program
from otel_killsnoop.tracer.layout import BTF

pytestmark = pytest.mark.kernel

USAGE, HOST = 2, 78
FAULT = re.compile(r"otel-killsnoop: (?P<what>[^:]+): (?P<on>.+) \((?P<cure>.+)\)")
SHIPS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """ask(command, *arguments, before=[...], VARIABLE=value): it ends by itself, and what it said.

    before: a command that runs the agent in its turn.
    """
    kept = unconfigured()

    def run(*arguments: str, before: list[str] | None = None, **variables: str) -> object:
        return subprocess.run(
            [*(before or []), *COMMAND, *arguments],
            env={**kept, "KILLSNOOP_SPOOL_DIR": str(tmp_path / "spool"), **variables},
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run  # type: ignore[return-value]


def faults(done: subprocess.CompletedProcess[str], status: int) -> list[re.Match[str]]:
    """The faults on standard error, each a line of three parts and nothing beside them."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    found = [FAULT.fullmatch(line) for line in done.stderr.splitlines()]
    assert all(found), done.stderr
    return [one for one in found if one is not None]


def host_faults(ask: Ask, *arguments: str, **more: object) -> list[str]:
    """What `run` says is wrong with this host; `check` says the same, and that the rest is well."""
    told = faults(ask("run", *arguments, **more), HOST)
    checked = ask("check", *arguments, **more)
    assert (checked.returncode, checked.stderr) == (HOST, "")
    lines = checked.stdout.splitlines()
    wrong = [line.split(None, 2) for line in lines if line.startswith("FAIL")]
    said = [one.group().removeprefix("otel-killsnoop: ") for one in told]
    assert len(wrong) == len(said)
    assert all(line.endswith(one) for (*_, line), one in zip(wrong, said, strict=True))
    assert all(line.startswith(("ok  ", "FAIL")) for line in lines)
    assert not any("attaches" in line for line in lines)  # it would only fail too
    return said


def in_mounts(*commands: str) -> list[str]:
    """Run the agent with mounts of its own, made by these commands."""
    script = " && ".join([*commands, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "mounts"]


# --- what was asked for ----------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("arguments", "variables", "on"),
    [
        (["-e", "NOPE"], {}, "--exclude-signals NOPE"),
        (["-i", "KILL,65"], {}, "--include-signals 65"),
        ([], {"KILLSNOOP_INCLUDE_SIGNALS": "SIGRTMIN+31"}, "KILLSNOOP_INCLUDE_SIGNALS=SIGRTMIN+31"),
        ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://there"}, "ftp://there"),
        ([], {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://there:99999"}, "http://there:99999"),
        ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "http://"),
        (["--ring-size", "5"], {}, "--ring-size 5"),
        (["--print", "\x1b[31m\n"], {}, "--print"),
        (["--max-tree-depth", "33"], {}, "--max-tree-depth 33"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_line(
    ask: Ask, command: str, arguments: list[str], variables: dict[str, str], on: str
) -> None:
    [fault] = faults(ask(command, *arguments, **variables), USAGE)
    assert on in fault["on"]


@pytest.mark.parametrize("command", ["run", "check"])
def test_all_faults_of_a_configuration_are_told_at_once(ask: Ask, command: str) -> None:
    told = faults(
        ask(
            *(command, "-e", "NOPE,KILL,NEITHER", "--ring-size", "5", "--print", "aloud"),
            KILLSNOOP_SPOOL_LIMIT="much",
            OTEL_EXPORTER_OTLP_ENDPOINT="there:4318",
        ),
        USAGE,
    )
    on = " ".join([fault["on"] for fault in told])
    for one in ("NOPE", "NEITHER", "5", "aloud", "much", "there:4318"):
        assert one in on
    assert len(told) == 6


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--ring-size"], ["walk"]])
def test_what_is_no_option_and_no_command(ask: Ask, arguments: list[str]) -> None:
    done = ask(*arguments)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--help" in done.stderr


# --- what the host lacks ---------------------------------------------------------------------


def test_a_root_without_processes(ask: Ask, tmp_path: Path) -> None:
    for root in (tmp_path / "nothing", tmp_path, Path("/dev/null")):
        [fault] = host_faults(ask, "--root", str(root))
        assert f"{root}/proc" in fault
        assert "--root" in fault


def test_no_capability_at_all(ask: Ask) -> None:
    [fault] = host_faults(ask, before=NOBODY)
    assert "CAP_BPF and CAP_PERFMON" in fault


@pytest.mark.parametrize(("held", "missing"), [("perfmon", "CAP_BPF"), ("bpf", "CAP_PERFMON")])
def test_one_capability_of_two(ask: Ask, held: str, missing: str) -> None:
    kept = [f"--inh-caps=+{held}", f"--ambient-caps=+{held}"]
    [fault] = host_faults(ask, before=[*NOBODY, *kept])
    assert f": {missing} (" in fault


@pytest.mark.parametrize("hidden", ["the file", "the directory"])
def test_a_kernel_without_btf(ask: Ask, hidden: str) -> None:
    mount = {
        "the file": f"mount --bind /dev/null {BTF}",
        "the directory": f"mount -t tmpfs none {BTF.parent}",
    }[hidden]
    [fault] = host_faults(ask, before=in_mounts(mount))
    assert str(BTF) in fault


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"not text \xff"])
def test_a_damaged_kernel_program(ask: Ask, tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    [fault] = host_faults(ask, before=in_mounts(f"mount --bind {damaged} {program.PRODUCT}"))
    assert str(program.PRODUCT) in fault


def test_a_spool_that_cannot_be_used(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    others, open_to_all, link = tmp_path / "others", tmp_path / "open", tmp_path / "link"
    for directory in (others, open_to_all):
        directory.mkdir(mode=0o700)
    os.chown(others, 65534, 65534)
    open_to_all.chmod(0o777)
    link.symlink_to(others)
    for path in (file, file / "below", others, open_to_all, link, Path("/proc/1/new")):
        [fault] = host_faults(ask, "--spool-dir", str(path), **SHIPS)
        assert str(path) in fault


def test_a_spool_on_a_read_only_file_system(ask: Ask, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "there").mkdir(parents=True, mode=0o700)
    before = in_mounts(f"mount --bind '{place}' '{place}'", f"mount -o remount,bind,ro '{place}'")
    for path in (place / "there", place / "new"):
        [fault] = host_faults(ask, "--spool-dir", str(path), before=before, **SHIPS)
        assert str(path) in fault


def test_a_spool_that_another_agent_uses(agent: RunningAgent, ask: Ask) -> None:
    agent.start("--print", "none", "-i", "none", **SHIPS)
    [fault] = host_faults(ask, "--spool-dir", str(agent.spool), **SHIPS)
    assert "another agent" in fault
    assert str(agent.spool) in fault
    assert not agent.is_gone()


def test_all_that_the_host_lacks_is_told_at_once(ask: Ask, tmp_path: Path) -> None:
    told = host_faults(
        ask,
        *("--root", str(tmp_path), "--spool-dir", "/dev/null"),
        before=[*in_mounts(f"mount -t tmpfs none {BTF.parent}"), *NOBODY],
        **SHIPS,
    )
    for line, on in zip(told, (str(tmp_path), str(BTF), "CAP_BPF", "/dev/null"), strict=True):
        assert on in line


# --- and when all is well --------------------------------------------------------------------


def test_patterns_that_cannot_be_read_are_told_before_anything_is_attached(
    ask: Ask, tmp_path: Path
) -> None:
    patterns = tmp_path / "patterns"
    patterns.write_text("fine\nnot fine[\n")
    [fault] = faults(ask("--redact-patterns", str(patterns)), USAGE)
    assert fault["on"] == f"{patterns}, line 2"
    [fault] = faults(ask("--redact-patterns", str(tmp_path / "none")), USAGE)
    assert str(tmp_path / "none") in fault["on"]


def test_check_finds_nothing_here_and_says_how_it_attaches(ask: Ask, tmp_path: Path) -> None:
    done = ask("check", **SHIPS)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    assert {mark for mark, *_ in lines} == {"ok"}
    by_subject = {subject: text for _, subject, text in lines}
    assert re.match(r"loads and attaches by (tp_btf|raw_tp)", by_subject["tracer"])
    assert str(tmp_path / "spool") in by_subject["spool"]
    assert "http://127.0.0.1:1/v1/logs" in by_subject["logs"]
    assert list((tmp_path / "spool").glob("[!l]*")) == []  # nothing but the lock is left


def test_check_without_a_destination_touches_no_spool(ask: Ask, tmp_path: Path) -> None:
    done = ask("check", "--print", "logfmt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "not shipped, printed as logfmt" in done.stdout
    assert not (tmp_path / "spool").exists()
