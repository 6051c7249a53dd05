"""Who ships this: the agent's own resource attributes, from the host and the environment.

Reads the host's machine-id and name, OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME. The SDK is
imported when it is called, not before.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from otel_killsnoop import __version__
from otel_killsnoop.records.bounds import RESOURCE_ATTRIBUTES, RESOURCE_BYTES, utf8_text

NAME = "otel-killsnoop"
MACHINE_ID_PLACES = ("etc/machine-id", "var/lib/dbus/machine-id")

_log = logging.getLogger(__name__)


def agent_resource(root: Path | str) -> dict[str, str]:
    """The attributes of ``attributes.RESOURCE``, and what the environment adds and overrides.

    root: where the host's files are found.  ``host.id`` is absent where there is no machine-id;
    ``service.instance.id`` is then the host's name, so that it is the node's in any case.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    given = OTELResourceDetector().detect()
    kernel = os.uname()
    defaults = {
        "service.name": NAME,
        "service.version": __version__,
        "host.name": kernel.nodename,
        "os.type": "linux",
        "os.version": kernel.release,
        "telemetry.distro.name": NAME,
        "telemetry.distro.version": __version__,
    }
    if host_id := machine_id(Path(root)):
        defaults["host.id"] = host_id
    host = {**defaults, **given.attributes}
    defaults["service.instance.id"] = str(host.get("host.id") or host["host.name"])
    merged = Resource(defaults).merge(given)
    return bounded({name: str(value) for name, value in merged.attributes.items()}, set(defaults))


def machine_id(root: Path) -> str | None:
    """The host's machine-id, 32 hexadecimal digits; None where there is none (yet)."""
    for place in MACHINE_ID_PLACES:
        try:
            text = (root / place).read_text("ascii", "replace").strip()
        except OSError:
            continue  # that place may be missing, or not be mounted: the next one, or none
        if re.fullmatch("[0-9a-f]{32}", text):
            return text
    return None


def bounded(attributes: Mapping[str, str], ours: set[str]) -> dict[str, str]:
    """The attributes, as many as leave a record room; ``ours`` first, what is left out is logged.

    With more, or longer ones, Loki would drop each and every record.
    """
    kept: dict[str, str] = {}
    room = RESOURCE_BYTES
    left_out = []
    for name in sorted(attributes, key=lambda one: one not in ours):
        size = len(utf8_text(name)) + len(utf8_text(attributes[name]))
        if size > room or len(kept) == RESOURCE_ATTRIBUTES:
            left_out.append(name[:80])
            continue
        kept[name] = attributes[name]
        room -= size
    if left_out:
        _log.warning(
            "resource attributes left out: %s (records would be too long for their readers; "
            "give fewer or shorter ones in OTEL_RESOURCE_ATTRIBUTES)",
            ", ".join(left_out),
        )
    return kept
