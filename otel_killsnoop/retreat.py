"""The agent's way down from what attaching takes to what running takes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from otel_killsnoop import privileges
from otel_killsnoop.privileges import Need
from otel_killsnoop.settings import Settings

_log = logging.getLogger(__name__)


def retreat(settings: Settings, answers: Callable[[], bool]) -> None:
    """Keep what the rest of a run needs, as a rule nothing. For a process of one thread.

    answers: whether the kernel answers about the tracer that is attached.
    """
    files = [
        path
        for end in (settings.logs, settings.metrics)
        if end is not None
        for path in (end.certificate, end.client_key, end.client_certificate)
        if path is not None
    ]
    needs = [
        Need((privileges.BPF, privileges.SYS_ADMIN), answers),
        Need((privileges.DAC_READ_SEARCH,), lambda: privileges.readable(files)),
    ]
    if settings.list_process_interval:
        # For the executables of processes that are not there yet: nothing to be tried before.
        needs.append(Need((privileges.SYS_PTRACE,), _may_look_into_others))
    try:
        kept = privileges.give_up(needs)
    except OSError as error:
        _log.warning("privileges cannot be given up and are kept: %s", error.strerror)
    else:
        _log.debug("runs on with %s", privileges.names(kept))


def _may_look_into_others() -> bool:
    return privileges.SYS_PTRACE in privileges.effective()
