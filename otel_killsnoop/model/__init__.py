"""The words every room speaks: events, processes, sides, batches, counts.

Values only. Nothing here reads a clock, a file or the kernel. Text that comes from outside
(command names, arguments, paths) is bytes until something is encoded or printed: any byte may
be in it. Times are nanoseconds; "boot" means CLOCK_BOOTTIME, "unix" means since 1970.
"""

from __future__ import annotations

from otel_killsnoop.model.counts import (
    LIVES,
    NUMBERS,
    Ended,
    KernelCounts,
    Request,
    ShippingCounts,
    TableCounts,
)
from otel_killsnoop.model.events import (
    Attempt,
    Cgroup,
    Event,
    Exec,
    Exit,
    Folded,
    Fork,
    Oom,
    Signal,
)
from otel_killsnoop.model.facts import Details, Facts, OomSizes
from otel_killsnoop.model.processes import Death, Joined, Process, Side

__all__ = [
    "LIVES",
    "NUMBERS",
    "Attempt",
    "Cgroup",
    "Death",
    "Details",
    "Ended",
    "Event",
    "Exec",
    "Exit",
    "Facts",
    "Folded",
    "Fork",
    "Joined",
    "KernelCounts",
    "Oom",
    "OomSizes",
    "Process",
    "Request",
    "ShippingCounts",
    "Side",
    "Signal",
    "TableCounts",
    "text",
]


def text(raw: bytes) -> str:
    """Valid text for any bytes: UTF-8, each bad byte becoming U+FFFD."""
    return raw.decode("utf-8", "replace")
