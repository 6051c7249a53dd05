"""The lock files: what pyproject.toml asks for, each with hashes, and no place to fetch it from."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from real_collector import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCKS = sorted(REPOSITORY.glob("requirements*.lock"))
ENTRY = re.compile(
    r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)(?: ; [^\\\n]+)?"
    r"((?: *\\\n +--hash=sha256:[0-9a-f]{64})+)\n"
)


def locked(path: Path) -> dict[str, str]:
    """Name -> version of every entry."""
    return {
        canonicalize_name(name): version for name, version, _ in ENTRY.findall(path.read_text())
    }


def inputs(name: str) -> list[str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_there_are_four() -> None:
    assert [path.name for path in LOCKS] == [
        f"requirements{kind}.lock" for kind in ("-build", "-dev", "-sbom", "")
    ]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_is_a_version_with_its_hashes(path: Path) -> None:
    rest = ENTRY.sub("", path.read_text())
    assert rest.strip() == ""
    assert len(locked(path)) == len(ENTRY.findall(path.read_text()))


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", PROJECT["optional-dependencies"]["dev"]),
        ("requirements-build.lock", inputs("requirements-build.in")),
        ("requirements-sbom.lock", inputs("requirements-sbom.in")),
    ],
)
def test_what_is_asked_for_is_locked_at_a_version_that_will_do(
    lock: str, wanted: Iterable[str]
) -> None:
    held = locked(REPOSITORY / lock)
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in held, requirement
        assert requirement.specifier.contains(held[name], prereleases=True), (name, held[name])


def test_the_build_back_end_is_locked() -> None:
    system = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]
    held = locked(REPOSITORY / "requirements-build.lock")
    for requirement in map(Requirement, system["requires"]):
        assert requirement.specifier.contains(held[canonicalize_name(requirement.name)])


def test_the_agent_is_tested_with_the_versions_that_it_is_installed_with() -> None:
    tested = locked(REPOSITORY / "requirements-dev.lock")
    for name, version in locked(REPOSITORY / "requirements.lock").items():
        assert tested[name] == version


def test_the_sbom_names_what_is_locked_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    subprocess.run([REPOSITORY / "tools" / "sbom", out], check=True)
    document = json.loads(out.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == PROJECT["name"]
    assert document["metadata"]["component"]["version"]
    components = document["components"]
    named = {canonicalize_name(one["name"]): one["version"] for one in components}
    assert named == locked(REPOSITORY / "requirements.lock")
    for one in components:
        [place] = one["externalReferences"]
        assert place["hashes"]
        assert place["url"].startswith("/")
