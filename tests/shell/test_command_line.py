"""The command as a person or a service manager runs it: streams, exit codes, help."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from real_collector import REPOSITORY

from otel_killsnoop import __version__
from otel_killsnoop.cli import INTERRUPTED, NO_READER
from otel_killsnoop.options import OPTIONS
from otel_killsnoop.records.fields import fields_table

COMMAND = [sys.executable, "-c", "from otel_killsnoop.cli import main; main()"]

# In the place of the agent, which is not what is tested here: says what it was given.
BEHIND = """
import sys, types
from otel_killsnoop.cli import main
from otel_killsnoop import errors

def behind(settings, out=None):
    print(settings.print, *sorted(settings.recorded), flush=True)
    {body}

for module, name in (("agent", "run"), ("preflight", "report")):
    sys.modules["otel_killsnoop." + module] = made = types.ModuleType(module)
    setattr(made, name, behind)
main()
"""


def environment(**variables: str) -> dict[str, str]:
    """Ours, without what would configure the agent; on a terminal of 80 columns."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "KILLSNOOP_"))}
    return kept | {"COLUMNS": "80"} | variables


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def behind(
    *arguments: str, body: str = "return 0", **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEHIND.format(body=body), *arguments],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_version() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"otel-killsnoop {__version__}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_option_with_its_default_and_ends_in_examples(flag: str) -> None:
    done = command(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    flat = re.sub(r"-\s+", "-", " ".join(done.stdout.split()))
    for option in OPTIONS:
        names = f"{option.short}, {option.flag}" if option.short else option.flag
        assert f" {names} {option.value} " in flat
        if option.default:
            assert f"[default: {option.default}]" in flat
    assert "Examples:" in done.stdout.splitlines()[-7]


def examples() -> Iterator[str]:
    """The command lines that --help ends in."""
    for line in command("--help").stdout.partition("Examples:\n")[2].splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield text


def test_the_examples_of_help_are_valid() -> None:
    lines = list(examples())
    assert len(lines) == 5
    for line in lines:
        words = line.split()
        at = words.index("otel-killsnoop")
        variables = dict(word.split("=", 1) for word in words[:at])
        done = behind(*words[at + 1 :], **variables)
        assert (done.returncode, done.stderr) == (0, ""), line


@pytest.mark.parametrize(
    "arguments",
    [
        ("--print", "json", "-i", "KILL"),
        ("run", "--print", "json", "-i", "KILL"),
        ("--print", "json", "run", "-i", "KILL"),
        ("--print", "json", "-i", "KILL", "run"),
        ("check", "--print=json", "-iKILL"),
        ("--print", "json", "check", "--include-signals", "KILL"),
    ],
)
def test_options_stand_before_or_after_the_command(arguments: tuple[str, ...]) -> None:
    done = behind(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "json 9\n", "")


def test_lists_by_commas_and_by_repeating() -> None:
    assert behind("-i", "KILL", "-i", "TERM,1").stdout == "logfmt 1 9 15\n"
    assert behind(KILLSNOOP_INCLUDE_SIGNALS="KILL,TERM").stdout == "logfmt 9 15\n"


def test_what_a_command_returns_is_the_exit_code() -> None:
    assert behind("check", body="return 78").returncode == 78
    assert behind("run", body="return 1").returncode == 1


@pytest.mark.parametrize(
    ("raised", "code"),
    [("KillsnoopError", 1), ("UsageError", 2), ("KernelError", 78), ("SpoolError", 78)],
)
def test_an_error_is_one_line_and_its_own_exit_code(raised: str, code: int) -> None:
    done = behind("-iHUP", body=f"raise errors.{raised}('no\\nway', 'here', 'go there')")
    assert (done.returncode, done.stdout) == (code, "logfmt 1\n")
    assert done.stderr == "otel-killsnoop: no\\x0away: here (go there)\n"


def test_interrupting_is_quiet() -> None:
    done = behind("-iHUP", body="import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "logfmt 1\n", "")


def test_a_terminal_is_noticed() -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", BEHIND.format(body="return 0"), "-iHUP"]
    subprocess.run(program, env=environment(), stdout=theirs, check=True)
    assert os.read(ours, 100) == b"tree 1\r\n"
    os.close(ours)
    os.close(theirs)


def test_the_sdk_finds_its_variables_gone() -> None:
    done = behind(
        "-iHUP",
        body="import os; print(*sorted(name for name in os.environ if name[:5] == 'OTEL_'))",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://localhost:4318",
        OTEL_METRICS_EXEMPLAR_FILTER="bad",
        OTEL_SERVICE_NAME="mine",
    )
    assert done.stdout == "none 1\nOTEL_SERVICE_NAME\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prnt", "json"), "otel-killsnoop: no such option"),
        (("--print",), "otel-killsnoop: option '--print' requires an argument"),
        (("stop",), "otel-killsnoop: invalid value for '[run|check|fields]': 'stop'"),
        (("run", "check"), "otel-killsnoop: got unexpected extra argument"),
        (("--a\nb",), "otel-killsnoop: no such option"),
    ],
)
def test_a_mistyped_command_line_is_one_line_with_a_hint(
    arguments: tuple[str, ...], said: str
) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(said)
    assert line.endswith("(otel-killsnoop --help lists what there is)")


@pytest.mark.parametrize("which", ["run", "check"])
def test_all_faults_are_told_one_a_line(which: str) -> None:
    done = command(
        *(which, "-e", "FOO", "--ring-size", "3M"),
        KILLSNOOP_PRINT="xml",
        OTEL_EXPORTER_OTLP_ENDPOINT="ftp://user:hunter2@collector",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=hunter2,hunter2",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.partition(" (")[0] for line in done.stderr.splitlines()] == [
        "otel-killsnoop: no such Unix signal: --exclude-signals FOO",
        "otel-killsnoop: no such choice: KILLSNOOP_PRINT=xml",
        "otel-killsnoop: a size that is no power of two: --ring-size 3M",
        "otel-killsnoop: impossible endpoint, scheme ftp: "
        "OTEL_EXPORTER_OTLP_ENDPOINT=ftp://***@collector",
    ]
    assert "hunter2" not in done.stderr


def test_fields_are_the_table_and_need_no_configuration() -> None:
    done = command("fields", KILLSNOOP_PRINT="xml")
    assert (done.returncode, done.stdout, done.stderr) == (0, fields_table(), "")


@pytest.mark.parametrize("argument", ["fields", "--help", "--version"])
def test_a_reader_that_has_gone_is_no_traceback(argument: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*COMMAND, argument], env=environment(), stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        _, said = process.communicate()
    assert (process.returncode, said) == (NO_READER, b"")


@pytest.mark.parametrize("argument", ["fields", "--help"])
def test_a_full_disk_is_one_line(argument: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, argument],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    line = "otel-killsnoop: cannot write: standard output (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_closed_streams_are_not_reused_for_files() -> None:
    """A service manager may close all three: the next file opened must not become stdout."""
    program = BEHIND.format(body="import os; return os.open('/dev/null', os.O_RDONLY)")
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', sys.executable, "-c", program],
        env=environment(),
        check=False,
    )
    assert done.returncode >= 3
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&- 2>&-', *COMMAND, "-x"], check=False)
    assert done.returncode == 2


def test_nothing_dear_is_imported_before_the_kernel_program_is_attached() -> None:
    """By name, not by time: each of these costs milliseconds in which signals would be missed."""
    code = """
import sys
before = set(sys.modules)
from otel_killsnoop import cli, settings
settings.load({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, False)
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
    # Isolated, without site: packages of the environment may import things of their own there.
    paths = [REPOSITORY, *(path for path in sys.path if path.endswith("site-packages"))]
    program = f"import sys; sys.path += {[str(path) for path in paths]!r}\n{code}"
    made = subprocess.check_output(
        [sys.executable, "-I", "-S", "-c", program], env=environment(), text=True
    )
    dear = "click rich urllib3 opentelemetry psutil logging socket ssl email http urllib grpc"
    assert "dataclasses" in made.split()
    assert not set(made.split()) & set(dear.split())
