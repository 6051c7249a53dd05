"""The command line, by click: arguments in, the command and its options out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from otel_killsnoop import __version__
from otel_killsnoop.errors import UsageError
from otel_killsnoop.options import OPTIONS, Option

PROGRAM = "otel-killsnoop"

HELP = """Who killed my process? Every Unix signal on this host, with both process trees, to the
terminal or as OpenTelemetry logs.

\b
run     record signals; what is done when no command is given
check   what this host lacks for it, and the cure; takes the options of run;
        with --live what the agent that runs here may do
fields  every attribute and metric, as Markdown

Options may stand before or after the command. Each is an environment variable as well:
--ring-size is KILLSNOOP_RING_SIZE. Lists are given by commas, or by repeating the option. Where
logs and metrics are shipped is said by OpenTelemetry's own variables."""

EPILOG = """\b
Examples:
  otel-killsnoop                       # all but the everyday ones, as trees
  otel-killsnoop -i KILL,TERM          # only these two
  otel-killsnoop -e none --print json  # all, one JSON object a line
  otel-killsnoop check -r /host        # is all there, inside a container?
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 otel-killsnoop
                                       # to a Collector on this host"""


def _option(option: Option) -> click.Option:
    default = f"  [default: {option.default}]" if option.default else ""
    return click.Option(
        [name for name in (option.short, option.flag) if name],
        metavar=option.value,
        multiple=option.repeatable,
        help=option.help + default,
    )


# One command with a word, not a group: so options may stand on either side of the word.
_COMMAND = click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(
    click.Command(
        PROGRAM,
        params=[
            click.Argument(
                ["command"], type=click.Choice(("run", "check", "fields")), default="run"
            ),
            *map(_option, OPTIONS),
            click.Option(["--live"], is_flag=True, help="Of check: how the agent runs here."),
        ],
        help=HELP,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
)


class Parsed(NamedTuple):
    """command: ``run``, ``check`` or ``fields``.  values: for `settings.load`.

    live: whether ``check`` shall look at the agent that runs instead.
    """

    command: str
    values: dict[str, object]
    live: bool


def parse(arguments: Sequence[str]) -> Parsed | None:
    """What was asked for; None when it was help or the version, which are then printed.

    `UsageError` for what is no option or command.
    """
    try:
        # Not click's own main(): it has other ideas of Ctrl-C and of closed pipes.
        with _COMMAND.make_context(PROGRAM, list(arguments)) as context:
            values = dict(context.params)
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        said = error.format_message().rstrip(".")
        cure = f"{PROGRAM} --help lists what there is"
        raise UsageError(said[:1].lower() + said[1:], cure=cure) from error
    command, live = str(values.pop("command")), bool(values.pop("live"))
    if live and command != "check":
        raise UsageError(f"no option of {command}", "--live", f"say {PROGRAM} check --live")
    return Parsed(command, values, live)
