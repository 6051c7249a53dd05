"""What stands around log records in an OTLP export request: resource, scope, lengths.

ExportLogsServiceRequest > ResourceLogs (resource, then ScopeLogs (scope, then the records)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_killsnoop import __version__
from otel_killsnoop.records.bounds import utf8_text
from otel_killsnoop.records.otlp import RESOURCE_ATTRIBUTE, Key, Value, field, tag, varint

SCOPE_NAME = "otel_killsnoop"

RESOURCE_LOGS = tag(1, 2)  # in ExportLogsServiceRequest
RESOURCE = tag(1, 2)  # in ResourceLogs
SCOPE_LOGS = tag(2, 2)  # in ResourceLogs
LOG_RECORD = tag(2, 2)  # in ScopeLogs

_SCOPE = field(1, field(1, SCOPE_NAME.encode()) + field(2, __version__.encode()))

# Tags and lengths of one group, whatever their values: four fields of at most 1 + 5 bytes.
GROUP_BYTES = len(_SCOPE) + 4 * 6


def resource_values(resource: Mapping[str, str | int]) -> list[tuple[str, Value]]:
    """The agent's own resource attributes, as values that can be encoded."""
    return [
        (name, value if isinstance(value, int) else utf8_text(value))
        for name, value in resource.items()
    ]


def uid(boot_id: str, sequence: int) -> bytes:
    """``log.record.uid`` of the record with this sequence."""
    return utf8_text(f"{boot_id}-{sequence:016x}")


class Envelope:
    """Puts records under the agent's resource.

    encoded: the resource's attributes; Loki counts at most as many bytes for them.
    """

    def __init__(self, resource: Mapping[str, str | int]) -> None:
        values = resource_values(resource)
        self.encoded = b"".join([Key(name, RESOURCE_ATTRIBUTE).encode(v) for name, v in values])

    def group(self, sides: Sequence[bytes], records: Sequence[bytes]) -> list[bytes]:
        """One ResourceLogs, in pieces.

        sides: encoded resource attributes.  records: encoded ScopeLogs.log_records fields, in
        pieces.
        """
        resource_length = len(self.encoded) + sum(map(len, sides))
        resource_head = RESOURCE + varint(resource_length)
        scope_length = len(_SCOPE) + sum(map(len, records))
        scope_head = SCOPE_LOGS + varint(scope_length)
        length = len(resource_head) + resource_length + len(scope_head) + scope_length
        head = RESOURCE_LOGS + varint(length) + resource_head
        return [head, self.encoded, *sides, scope_head, _SCOPE, *records]
