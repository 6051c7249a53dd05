"""config/otel-killsnoop.service, by systemd's own judgement of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from confinement import UNIT, unit
from real_collector import REPOSITORY

SYSUSERS = REPOSITORY / "config" / "otel-killsnoop.sysusers"
MOST = 2.0  # of 10, which is a service that may do anything


@pytest.fixture(scope="module", autouse=True)
def systemd() -> None:
    """Its tools alone: nothing of it is started."""
    subprocess.run([REPOSITORY / "tools" / "packages", "systemd"], check=True)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False
    )


def test_it_is_exposed_to_little() -> None:
    done = analyze("security", "--offline=true", UNIT)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) <= MOST, done.stdout


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """The one thing changed is the program's path: it need not be installed here."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/otel-killsnoop", "/bin/true"))
    done = analyze("verify", "--man=no", copy)
    assert (done.returncode, done.stderr) == (0, "")
    copy.write_text(copy.read_text().replace("ProtectClock=", "ProtectTime="))
    assert "ProtectTime" in analyze("verify", "--man=no", copy).stderr


def test_its_user_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", SYSUSERS], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "etc" / "passwd").read_text().startswith(f"{unit()['User']}:")


def test_it_leaves_the_agent_what_it_needs() -> None:
    """What would score better still, and would make it blind or mute."""
    settings = unit()
    assert settings["CapabilityBoundingSet"] == settings["AmbientCapabilities"]
    assert set(settings["AmbientCapabilities"].split()) == {"CAP_BPF", "CAP_PERFMON"}
    assert settings["ProtectProc"] == "default"
    assert settings["ProcSubset"] == "all"
    assert {"PrivateUsers", "PrivateNetwork", "PrivatePIDs"}.isdisjoint(settings)
    assert {"AF_INET", "AF_INET6"} <= set(settings["RestrictAddressFamilies"].split())
    assert settings["StateDirectory"] == "otel-killsnoop"
    assert settings["StateDirectoryMode"] == settings["CacheDirectoryMode"] == "0700"
    assert set(settings["RestartPreventExitStatus"].split()) == {"2", "78"}
