"""The agent's own resource, from a root of our own and the environment."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from otel_killsnoop import __version__
from otel_killsnoop.records.attributes import RESOURCE
from otel_killsnoop.records.bounds import RESOURCE_ATTRIBUTES, RESOURCE_BYTES
from otel_killsnoop.records.resource import agent_resource

MACHINE_ID = "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(MACHINE_ID + "\n")
    return tmp_path


def test_the_defaults(root: Path) -> None:
    assert agent_resource(root) == {
        "service.name": "otel-killsnoop",
        "service.version": __version__,
        "service.instance.id": MACHINE_ID,
        "host.id": MACHINE_ID,
        "host.name": os.uname().nodename,
        "os.type": "linux",
        "os.version": os.uname().release,
        "telemetry.distro.name": "otel-killsnoop",
        "telemetry.distro.version": __version__,
    }
    assert agent_resource(root).keys() == {one.name for one in RESOURCE}


def test_the_environment_adds_and_overrides(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=prod,host.name=node%207,service.name=other,junk",
    )
    made = agent_resource(root)
    assert made["deployment.environment.name"] == "prod"
    assert made["host.name"] == "node 7"
    assert made["service.name"] == "other"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert agent_resource(root)["service.name"] == "mine"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "")
    assert agent_resource(root)["service.name"] == "otel-killsnoop"


def test_the_instance_is_the_node_however_it_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.id=i-0abc,host.name=seven")
    assert agent_resource(root)["service.instance.id"] == "i-0abc"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.id=i-0abc,service.instance.id=x")
    assert agent_resource(root)["service.instance.id"] == "x"
    (root / "etc/machine-id").unlink()
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=seven")
    made = agent_resource(root)
    assert made["service.instance.id"] == "seven"
    assert "host.id" not in made


@pytest.mark.parametrize("content", [b"", b"uninitialized\n", b"\xff" * 32, b"ABC", b"0" * 33])
def test_what_is_no_machine_id_is_none(root: Path, content: bytes) -> None:
    (root / "etc/machine-id").write_bytes(content)
    assert "host.id" not in agent_resource(root)
    (root / "var/lib/dbus").mkdir(parents=True)
    (root / "var/lib/dbus/machine-id").write_text(MACHINE_ID)
    assert agent_resource(root)["host.id"] == MACHINE_ID


def test_too_much_is_left_out_and_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = [f"custom.{n}=v" for n in range(60)] + [f"long={'x' * RESOURCE_BYTES}"]
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", ",".join(given))
    with caplog.at_level(logging.WARNING):
        made = agent_resource(root)
    assert len(made) == RESOURCE_ATTRIBUTES
    assert {one.name for one in RESOURCE} <= made.keys()
    assert "custom.59" in caplog.text
    assert "long" in caplog.text
    assert sum(len(k) + len(v) for k, v in made.items()) <= RESOURCE_BYTES
