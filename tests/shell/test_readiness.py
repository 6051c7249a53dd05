"""What the agent tells a service manager, by sd_notify(3)'s protocol, over real sockets."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_killsnoop.readiness import READY, STOPPING, tell


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket that NOTIFY_SOCKET names."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@killsnoop-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(name.replace("@", "\0"))
        one.setblocking(False)
        yield one


def test_who_asks_is_told(manager: socket.socket) -> None:
    for state in (READY, STOPPING):
        tell(state)
        assert manager.recv(100) == state.encode()


def test_nobody_else_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for value in (None, "", "vsock:2:1234"):
        if value is None:
            monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        else:
            monkeypatch.setenv("NOTIFY_SOCKET", value)
        tell(READY)
    assert caplog.records == []


def test_that_it_cannot_be_told_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with caplog.at_level(logging.WARNING):
        tell(READY)
    [line] = caplog.messages
    assert "READY=1" in line
    assert str(tmp_path / "nobody") in line
