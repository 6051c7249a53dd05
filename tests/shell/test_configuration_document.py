"""docs/configuration.md names what there is, with its defaults, and nothing else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from real_collector import REPOSITORY

from otel_killsnoop import errors, settings
from otel_killsnoop.cli import INTERRUPTED, NO_READER
from otel_killsnoop.environment import VARIABLES
from otel_killsnoop.filter_keys import KEYS, WORDS
from otel_killsnoop.options import OPTIONS

DOCUMENT = (REPOSITORY / "docs" / "configuration.md").read_text()


def tables() -> Iterator[list[str]]:
    """The cells of each row of its tables."""
    for line in DOCUMENT.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_document_has_every_option_with_its_variable_and_default() -> None:
    rows = [tuple(row[:3]) for row in tables() if row[0].startswith("`--")]
    assert rows == [
        (
            f"`{option.flag}`" + (f", `{option.short}`" if option.short else ""),
            f"`{option.variable}`",
            f"`{option.default}`" if option.default else "",
        )
        for option in OPTIONS
    ]


def test_the_document_has_no_option_that_does_not_exist() -> None:
    flags = set(re.findall(r"--[a-z][a-z-]*", DOCUMENT))
    assert flags == {option.flag for option in OPTIONS} | {"--help", "--version", "--live"}
    names = set(re.findall(r"KILLSNOOP_\w+", DOCUMENT))
    assert names == {option.variable for option in OPTIONS}


def test_the_document_has_the_words_and_bounds_of_options() -> None:
    rows = {row[0].split("`")[1]: row[3] for row in tables() if row[0].startswith("`--")}
    for flag, words in (
        ("--print", settings.PRINTS),
        ("--args", settings.ARGS),
        ("--attempts", settings.ATTEMPTS),
        ("--pin", settings.PINS),
        ("--log-level", settings.LOG_LEVELS),
    ):
        assert {f"`{word}`" for word in words} <= set(re.findall(r"`\w+`", rows[flag]))
    assert f"0 to {settings.DEEPEST}" in rows["--max-tree-depth"]
    assert "64KiB to 1GiB" in rows["--ring-size"]
    assert settings.RINGS == (64 << 10, 1 << 30)
    assert "4MiB or more" in rows["--spool-limit"]
    assert settings.SPOOLS[0] == 4 << 20


def filters() -> dict[str, str]:
    """Expression in its option -> where the document says it is decided, if it says so."""
    section = DOCUMENT.partition("## Filters")[2].partition("## Attempts")[0]
    shown = re.findall(r"--(?:ex|in)clude (?:\"[^\"]+\"|'[^']+')", section)
    decided = {row[1].strip("`"): row[0] for row in tables() if row[0] in PLACES}
    return dict.fromkeys(shown, "") | decided


PLACES = ("the kernel", "the agent", "both")


def test_the_document_has_the_keys_of_filters_and_their_words() -> None:
    start = DOCUMENT.index("| Key |")
    lines = DOCUMENT[start:].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    keys = {key: row[1] for row in rows for key in re.findall(r"[a-z.]+", row[0])}
    assert set(keys) == set(KEYS)
    for key, words in WORDS.items():
        said = set(re.findall(r"`([\w.]+)`", keys[key]))
        assert said <= set(words)
        assert key == "call" or said == set(words)


def test_the_documents_filters_are_decided_where_it_says() -> None:
    found = filters()
    assert set(found.values()) == {"", *PLACES}
    bare = settings.load({}, {}, False)
    for line, place in found.items():
        flag, expression = shlex.split(line)
        made = settings.load({flag.removeprefix("--"): (expression,)}, {}, False)
        in_kernel = made.recorded != bare.recorded or any(
            (
                made.ignore_source_comm,
                made.ignore_results,
                made.ignore_source_uids,
                made.ignore_target_uids,
                made.ignore_target_comm,
            )
        )
        decided = {(True, False): "the kernel", (False, True): "the agent", (True, True): "both"}
        assert place in ("", decided[in_kernel, made.keep is not None]), line


def test_the_document_has_every_otel_variable_and_no_other() -> None:
    rows = [row[0].strip("`") for row in tables() if row[0].startswith("`OTEL_")]
    assert len(rows) == len(set(rows))
    assert set(rows) == set(VARIABLES)
    named = set(re.findall(r"OTEL_\w+", DOCUMENT))
    assert named == set(VARIABLES)


def test_the_document_has_the_defaults_of_otel_variables() -> None:
    rows = {row[0].strip("`"): row[1].strip("`") for row in tables() if "`OTEL_" in row[0]}
    made = settings.load({}, {"OTEL_LOGS_EXPORTER": "otlp"}, False)
    assert made.logs is not None
    assert rows["OTEL_METRIC_EXPORT_INTERVAL"] == str(made.metric_interval_ms)
    assert rows["OTEL_EXPORTER_OTLP_PROTOCOL"] == made.logs.protocol
    assert rows["OTEL_EXPORTER_OTLP_TIMEOUT"] == f"{made.logs.timeout * 1000:g}"
    assert rows["OTEL_EXPORTER_OTLP_COMPRESSION"] == made.logs.compression


def test_the_documents_truth_table_is_true() -> None:
    start = DOCUMENT.index("| Exporter |")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT[start:].partition("\n\n")[0].splitlines()[2:]
    ]
    assert len(rows) == 6
    for exporter, *cells in rows:
        word = {"unset": "", "anything, `OTEL_SDK_DISABLED=true`": "otlp"}.get(
            exporter, exporter.strip("`")
        )
        for signal in ("logs", "metrics"):
            base = {
                f"OTEL_{signal.upper()}_EXPORTER": word,
                "OTEL_SDK_DISABLED": "true" if "DISABLED" in exporter else "",
            }
            own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
            for cell, endpoints in zip(
                cells, ([""], ["OTEL_EXPORTER_OTLP_ENDPOINT", own]), strict=True
            ):
                for endpoint in endpoints:
                    said = base | ({endpoint: "http://localhost:4318"} if endpoint else {})
                    made = settings.load({}, said, False)
                    shipped = getattr(made, signal) is not None
                    assert {"shipped": True, "not shipped": False}[cell] == shipped, said


def test_the_document_has_the_exit_codes() -> None:
    rows = {int(row[0]) for row in tables() if row[0].isdigit()}
    raised = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.KillsnoopError)
    }
    assert rows == raised | {0, INTERRUPTED, NO_READER}
