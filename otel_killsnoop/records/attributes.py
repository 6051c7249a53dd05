"""The one table of every attribute of a log record and of every metric.

Nothing is encoded under a name that is not here, `otel-killsnoop fields` prints it, and
docs/fields.md is held to it by a test.
"""

from __future__ import annotations

from otel_killsnoop.records.accounting_attributes import ACCOUNTING as ACCOUNTING
from otel_killsnoop.records.attribute import Attribute as Attribute
from otel_killsnoop.records.log_attributes import EXIT as EXIT
from otel_killsnoop.records.log_attributes import LOG as LOG
from otel_killsnoop.records.metric_table import METRICS as METRICS
from otel_killsnoop.records.side_attributes import INITIATOR as INITIATOR
from otel_killsnoop.records.side_attributes import SIDE as SIDE

SOURCE = "killsnoop.source"
TARGET = "killsnoop.target"
EVENT_NAME = "killsnoop.signal"
EXIT_EVENT_NAME = "killsnoop.exit"
ACCOUNTING_EVENT_NAME = "killsnoop.accounting"
GAP_EVENT_NAME = "killsnoop.gap"

_A = Attribute

RESOURCE = (
    _A("service.name", "string", "Name of this agent.", "otel-killsnoop"),
    _A("service.version", "string", "Its version.", "0.1.0"),
    _A(
        "service.instance.id",
        "string",
        "The node: the host's id, else its name; the same after every restart.",
        "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b",
    ),
    _A("host.id", "string", "The host's machine-id.", "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b"),
    _A("host.name", "string", "The host's name.", "node-7"),
    _A("os.type", "string", "Always `linux`.", "linux"),
    _A("os.version", "string", "The running kernel's release.", "6.12.9-amd64"),
    _A("telemetry.distro.name", "string", "Who encoded this.", "otel-killsnoop"),
    _A("telemetry.distro.version", "string", "Its version.", "0.1.0"),
)
"""Of the agent. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME add to these and override them."""


def names() -> frozenset[str]:
    """Every name that a resource or a log record may have of us."""
    sides = {f"{prefix}.{one.name}" for prefix in (SOURCE, TARGET) for one in SIDE}
    sides |= {f"{SOURCE}.{one.name}" for one in INITIATOR}
    return frozenset({one.name for one in RESOURCE + LOG + EXIT + ACCOUNTING} | sides)
