"""Options and KILLSNOOP_* variables -> Settings, and every way in which they can be wrong."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError

import pytest

from otel_killsnoop.errors import UsageError
from otel_killsnoop.options import OPTIONS, Option
from otel_killsnoop.settings import ConfigurationFaults, Settings, load

EMPTY = "''"  # how an empty value is shown
EVERYDAY = {17, 23, 28, 27, 26}
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}


def loaded(
    terminal: bool = False, environment: dict[str, str] | None = None, **values: object
) -> Settings:
    return load(values, environment or {}, terminal)


def faults(environment: dict[str, str] | None = None, **values: object) -> list[str]:
    with pytest.raises(ConfigurationFaults) as caught:
        load(values, environment or {}, False)
    assert all(isinstance(fault, UsageError) for fault in caught.value.faults)
    return [str(fault) for fault in caught.value.faults]


def test_the_defaults() -> None:
    assert loaded() == Settings(
        root="/",
        log_level="info",
        recorded=frozenset(range(1, 65)) - EVERYDAY,
        ignore_source_comm=(),
        ignore_results=frozenset(),
        ignore_source_uids=(),
        ignore_target_uids=(),
        ignore_target_comm=(),
        keep=None,
        attempts="auto",
        zero=False,
        max_tree_depth=8,
        list_process_interval=0.0,
        print="logfmt",
        args="redacted",
        redact_patterns=None,
        wrappers=(),
        spool_dir="/var/lib/otel-killsnoop",
        spool_limit=256 << 20,
        ring_size=16 << 20,
        pin_dir="/sys/fs/bpf/otel-killsnoop",
        burst=16,
        logs=None,
        metrics=None,
        metric_interval_ms=60_000,
        warnings=(),
    )


def test_settings_are_values() -> None:
    made = loaded()
    with pytest.raises(FrozenInstanceError):
        made.root = "/host"  # type: ignore[misc]
    assert not hasattr(made, "__dict__")


EXAMPLES = {
    "root": "/host",
    "log_level": "DEBUG",
    "exclude_signals": "HUP",
    "include_signals": "KILL,TERM",
    "ignore_source_comm": "bash,sh",
    "exclude": "source.uid=0 target.unit!=nginx.service",
    "include": 'signal=KILL target.comm="tmux: server"; result=refused',
    "attempts": "on",
    "max_tree_depth": "32",
    "list_process_interval": "1m30s",
    "max_list_process_threads": "4",
    "print": "json",
    "args": "full",
    "redact_patterns": "/etc/secret shapes",
    "wrappers": "doas,su-exec",
    "spool_dir": "/tmp/spool",
    "spool_limit": "1G",
    "fold_burst": "5",
    "ring_size": "64KiB",
    "pin": "off",
    "pin_dir": "/run/pins",
}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_variable_means_what_its_option_means(option: Option) -> None:
    text = EXAMPLES[option.key]
    by_flag = load({option.key: (text,) if option.repeatable else text}, {}, False)
    by_variable = loaded(environment={option.variable: text})
    assert by_flag != loaded()
    if option.name == "max-list-process-threads":
        assert by_flag.warnings == ("--max-list-process-threads does nothing here",)
        assert by_variable.warnings == ("KILLSNOOP_MAX_LIST_PROCESS_THREADS does nothing here",)
    else:
        assert by_variable == by_flag
        assert by_flag.warnings == ()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_empty_variable_is_unset_and_the_command_line_wins(option: Option) -> None:
    assert loaded(environment={option.variable: ""}) == loaded()
    text = EXAMPLES[option.key]
    given = {option.key: (text,) if option.repeatable else text}
    variable = {option.variable: "no such thing,"}
    assert load(given, variable, False) == load(given, {}, False)


def test_examples_are_read() -> None:
    values = {key: text for key, text in EXAMPLES.items() if key != "exclude_signals"}
    made = loaded(environment={f"KILLSNOOP_{key.upper()}": text for key, text in values.items()})
    assert (made.root, made.log_level, made.recorded) == ("/host", "debug", frozenset({9, 15}))
    assert (made.ignore_source_comm, made.max_tree_depth) == ((b"bash", b"sh"), 32)
    assert (made.list_process_interval, made.print, made.args) == (90.0, "json", "full")
    assert (made.spool_dir, made.spool_limit) == ("/tmp/spool", 1 << 30)
    assert made.ring_size == 64 << 10
    assert (made.attempts, made.zero) == ("on", False)
    assert made.keep is not None
    assert made.redact_patterns == "/etc/secret shapes"
    assert made.wrappers == ("doas", "su-exec")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4194304", 4 << 20),
        ("4194304B", 4 << 20),
        ("8192K", 8 << 20),
        ("8192KiB", 8 << 20),
        ("64m", 64 << 20),
        (" 64 MiB ", 64 << 20),
        ("2G", 2 << 30),
        ("2gib", 2 << 30),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert loaded(spool_limit=text).spool_limit == count


@pytest.mark.parametrize(
    "text", ["", "much", "-4MiB", "4MB", "4.5GiB", "1e9", "4TiB", "MiB", "9" * 5000, "٤MiB"]
)
def test_what_is_no_size(text: str) -> None:
    assert faults(spool_limit=text) == [
        f"not a size: --spool-limit {text or EMPTY} (give one such as 512KiB, 64MiB or 1GiB)"
    ]


def test_sizes_out_of_range() -> None:
    assert faults(spool_limit="4095KiB", ring_size="32K") == [
        "a size out of range: --spool-limit 4095KiB (give one from 4MiB to 1024TiB)",
        "a size out of range: --ring-size 32K (give one from 64KiB to 1GiB)",
    ]
    assert len(faults(ring_size="2G")) == 1
    assert len(faults(spool_limit="999999999999G")) == 1


def test_a_ring_is_a_power_of_two() -> None:
    assert loaded(ring_size="65536").ring_size == 64 << 10
    assert loaded(ring_size="1GiB").ring_size == 1 << 30
    assert faults(environment={"KILLSNOOP_RING_SIZE": "3MiB"}) == [
        "a size that is no power of two: KILLSNOOP_RING_SIZE=3MiB (the nearest are 2MiB and 4MiB)"
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("5", 5.0),
        ("2.5", 2.5),
        (".5", 0.5),
        ("5s", 5.0),
        ("500ms", 0.5),
        ("1m", 60.0),
        ("1h2m3.5s", 3723.5),
        ("24H", 86_400.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert loaded(list_process_interval=text).list_process_interval == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-5", "5d", "inf", "nan", "1e3", "5 5", "1m 30"])
def test_what_is_no_duration(text: str) -> None:
    assert faults(list_process_interval=text) == [
        f"not a duration: --list-process-interval {text or EMPTY} "
        "(give seconds, or one such as 500ms, 5s or 1m30s)"
    ]


@pytest.mark.parametrize("text", ["1ms", "0.001", "25h", "999999999"])
def test_durations_out_of_range(text: str) -> None:
    assert faults(list_process_interval=text) == [
        f"a duration out of range: --list-process-interval {text} "
        "(give 0 for off, or 0.1 to 86400 seconds)"
    ]


@pytest.mark.parametrize("text", ["-1", "33", "8.0", "deep", "", "9" * 5000])
def test_what_is_no_depth(text: str) -> None:
    assert faults(max_tree_depth=text) == [
        f"not a number that is possible here: --max-tree-depth {text or EMPTY} (give 0 to 32)"
    ]


def test_words() -> None:
    assert loaded(log_level="WARN").log_level == "warning"
    assert loaded(print=" JSON ").print == "json"
    assert loaded(attempts="OFF").attempts == "off"
    assert faults(log_level="loud", attempts="yes", print="xml", args="some") == [
        "no such choice: --log-level loud (give one of debug, info, warning, error, critical)",
        "no such choice: --attempts yes (give one of auto, on, off)",
        "no such choice: --print xml (give one of auto, tree, logfmt, json, none)",
        "no such choice: --args some (give one of redacted, full, none)",
    ]


def test_wrappers_are_names() -> None:
    assert loaded(wrappers=("doas, tini-static", "doas")).wrappers == ("doas", "tini-static")
    assert loaded(wrappers=("none",)).wrappers == ()
    assert faults(wrappers=("/usr/bin/doas,su", "bin/")) == [
        "a path where a name is wanted: --wrappers /usr/bin/doas (give doas)",
        "a path where a name is wanted: --wrappers bin/ (give the name alone)",
    ]


def test_paths_are_taken_as_they_are() -> None:
    path = os.fsdecode(b"/sp\xffool ")
    assert loaded(spool_dir=path).spool_dir == path
    assert loaded(redact_patterns=path).redact_patterns == path
    assert faults(root="", redact_patterns="", spool_dir="") == [
        "an empty path: --root '' (name a directory, or leave the option out)",
        "an empty path: --redact-patterns '' (name a file, or leave the option out)",
        "an empty path: --spool-dir '' (name a directory, or leave the option out)",
    ]


def test_all_faults_are_told_at_once() -> None:
    environment = {"KILLSNOOP_PRINT": "xml", "OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://collector"}
    told = faults(
        environment,
        ring_size="3M",
        include=("sinal=9",),
        exclude=("source.uid=x",),
        exclude_signals=("FOO,BAR",),
        ignore_source_comm=("x" * 16,),
    )
    assert [line.split(" (")[0] for line in told] == [
        "no such Unix signal: --exclude-signals FOO",
        "no such Unix signal: --exclude-signals BAR",
        f"a command name of 16 bytes matches nothing: --ignore-source-comm {'x' * 16}",
        "not a user id: --exclude source.uid=x",
        "no such key of a filter: --include sinal=9",
        "no such choice: KILLSNOOP_PRINT=xml",
        "a size that is no power of two: --ring-size 3M",
        "impossible endpoint, scheme ftp: OTEL_EXPORTER_OTLP_ENDPOINT=ftp://collector",
    ]


@pytest.mark.parametrize(
    ("asked", "terminal", "environment", "printed"),
    [
        ("auto", True, {}, "tree"),
        ("auto", False, {}, "logfmt"),
        ("auto", True, ENDPOINT, "tree"),
        ("auto", False, ENDPOINT, "none"),
        ("auto", False, ENDPOINT | {"OTEL_LOGS_EXPORTER": "none"}, "logfmt"),
        ("auto", False, ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, "logfmt"),
        ("auto", False, {"OTEL_METRICS_EXPORTER": "otlp"}, "logfmt"),
        ("auto", False, {"OTEL_LOGS_EXPORTER": "console"}, "logfmt"),
        ("auto", True, {"OTEL_LOGS_EXPORTER": "console"}, "tree"),
        ("auto", False, {"OTEL_LOGS_EXPORTER": "console,otlp"}, "logfmt"),
        ("json", True, ENDPOINT, "json"),
        ("tree", False, {}, "tree"),
        ("none", False, {"OTEL_LOGS_EXPORTER": "console"}, "none"),
    ],
)
def test_what_is_printed(
    asked: str, terminal: bool, environment: dict[str, str], printed: str
) -> None:
    assert loaded(terminal, environment, print=asked).print == printed


def test_nothing_to_be_seen_is_said() -> None:
    assert loaded(print="none").warnings == ("records are neither shipped nor printed",)
    assert loaded(environment=ENDPOINT, print="none").warnings == ()


def test_mistyped_variables_are_told() -> None:
    environment = {
        "KILLSNOOP_RINGSIZE": "1",
        "KILLSNOOP_EXCLUDE_SIGNAL": "9",
        "KILLSNOOP_print": "json",
        "KILLSNOOP_XYZZY": "",
        "KILLSNOOPY": "1",
        "HOME": "/root",
    }
    assert loaded(environment=environment).warnings == (
        "the variable 'KILLSNOOP_EXCLUDE_SIGNAL' is no option and is ignored: "
        "did you mean KILLSNOOP_EXCLUDE_SIGNALS?",
        "the variable 'KILLSNOOP_RINGSIZE' is no option and is ignored: "
        "did you mean KILLSNOOP_RING_SIZE?",
        "the variable 'KILLSNOOP_XYZZY' is no option and is ignored",
        "the variable 'KILLSNOOP_print' is no option and is ignored: did you mean KILLSNOOP_PRINT?",
    )


def test_the_links_of_a_kubernetes_service_are_no_mistakes() -> None:
    links = {
        "KILLSNOOP_SERVICE_HOST": "10.0.0.1",
        "KILLSNOOP_SERVICE_PORT": "4318",
        "KILLSNOOP_COLLECTOR_SERVICE_PORT_OTLP_HTTP": "4318",
        "KILLSNOOP_PORT": "tcp://10.0.0.1:4318",
        "KILLSNOOP_PORT_4318_TCP": "tcp://10.0.0.1:4318",
        "KILLSNOOP_PORT_4318_TCP_ADDR": "10.0.0.1",
    }
    assert loaded(environment=links).warnings == ()
