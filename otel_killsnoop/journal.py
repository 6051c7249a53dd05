"""The agent's own log: one line a message on stderr, whatever bytes are in it."""

from __future__ import annotations

import logging
import sys
import time


class _OneLine(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The message in one line; a traceback, of a defect of ours, stays in its lines."""
        when = self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ")
        message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in record.getMessage())
        line = f"{when} {record.levelname} {message}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def open_journal(level: str) -> None:
    """Log from ``level`` (``debug`` to ``critical``) on; of other packages from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("otel_killsnoop").setLevel(level.upper())
    logging.raiseExceptions = False  # stderr may be closed; that must not become a traceback
