"""The command ``otel-killsnoop``: arguments in, exit code out.

Imports nothing but what reads the configuration; what a command needs is imported when it has
been chosen, since the kernel program shall be attached as early as can be.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from otel_killsnoop import environment
from otel_killsnoop.errors import KillsnoopError
from otel_killsnoop.settings import ConfigurationFaults, load

INTERRUPTED = 130  # as a shell says it of a program that ended by SIGINT
NO_READER = 141  # and by SIGPIPE


def main() -> NoReturn:
    """Run the command of ``sys.argv`` and exit; see docs/configuration.md for the codes."""
    _mend_streams()
    try:
        status = _main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        # With a file name it is about something else than the standard output.
        if error.errno not in (errno.EPIPE, errno.ENOSPC) or error.filename is not None:
            raise
        # What is still buffered would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = NO_READER
        if error.errno == errno.ENOSPC:
            _say(f"cannot write: standard output ({error.strerror})")
            status = KillsnoopError.exit_code
    sys.exit(status)


def _main(arguments: Sequence[str]) -> int:
    try:
        command, values, live = "run", dict[str, object](), False
        # An agent is configured by its environment as a rule, and click takes 20 ms to import.
        if list(arguments) not in ([], ["run"]):
            from otel_killsnoop.arguments import parse

            parsed = parse(arguments)
            if parsed is None:
                return 0
            command, values, live = parsed
        return _run(command, values, live)
    except ConfigurationFaults as error:
        for fault in error.faults:
            _say(str(fault))
        return error.faults[0].exit_code
    except KillsnoopError as error:
        _say(str(error))
        return error.exit_code


def _run(command: str, values: dict[str, object], live: bool) -> int:
    if command == "fields":
        from otel_killsnoop.records.fields import fields_table

        sys.stdout.write(fields_table())
        return 0
    settings = load(values, os.environ, sys.stdout.isatty())
    environment.scrub(os.environ)
    if live:
        from otel_killsnoop import live as of_running

        return of_running.report(settings, sys.stdout)
    if command == "check":
        from otel_killsnoop.preflight import report

        return report(settings, sys.stdout)
    from otel_killsnoop.agent import run

    return run(settings)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody is left who could be told
        print(f"otel-killsnoop: {line}", file=sys.stderr, flush=True)


def _mend_streams() -> None:
    """Give closed standard descriptors a place: or the next file opened would become stdout."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
