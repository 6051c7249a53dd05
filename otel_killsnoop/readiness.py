"""What a service manager is told, where one asks: that the agent is attached, that it stops.

By sd_notify(3)'s protocol: a datagram of lines to the socket that NOTIFY_SOCKET names. Nobody
asks unless the unit has ``Type=notify``, and then nothing is said.
"""

from __future__ import annotations

import logging
import os
import socket

READY, STOPPING = "READY=1", "STOPPING=1"

_log = logging.getLogger(__name__)


def tell(state: str) -> None:
    """Say READY or STOPPING to whoever waits for it; that it cannot be said is logged."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address.startswith("@") else address  # @: not in a file system
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect(name)
            manager.send(state.encode())
    except OSError as error:
        _log.warning("cannot tell the service manager %s, %s: %s", state, error.strerror, address)
