"""The rule of tests/conftest.py: where the kernel is required, a skip is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_collector import REPOSITORY

SUITE = """
import pytest

@pytest.mark.kernel
def test_called_skip():
    pytest.skip("no BTF here")

@pytest.mark.kernel
@pytest.mark.skipif(True, reason="not root")
def test_marked_skip():
    raise AssertionError

@pytest.mark.collector
@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    raise AssertionError

@pytest.mark.skip(reason="not about real things")
def test_other_skip():
    raise AssertionError

@pytest.mark.kernel
def test_that_runs():
    pass
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(REPOSITORY / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copytree(REPOSITORY / "tests" / "helpers", tmp_path / "tests" / "helpers")
    (tmp_path / "tests" / "test_suite.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, required: bool) -> str:
    environment = {**os.environ, "KILLSNOOP_REQUIRE_KERNEL": "1" if required else ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"]
    done = subprocess.run(
        command, cwd=suite, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout


def test_skips_of_real_things_fail_where_they_are_required(suite: Path) -> None:
    output = run(suite, required=True)
    assert " 2 failed, 1 passed, 1 skipped, 1 error in " in output.splitlines()[-1].replace("=", "")
    assert "test_called_skip must run here, but: Skipped: no BTF here" in output
    assert "test_marked_skip must run here, but: Skipped: not root" in output


def test_elsewhere_a_skip_is_a_skip(suite: Path) -> None:
    output = run(suite, required=False)
    assert " 1 passed, 3 skipped, 1 xfailed in " in output.splitlines()[-1].replace("=", "")


def test_a_module_that_skips_itself_whole_fails_too(suite: Path) -> None:
    module = "import pytest\npytest.skip('no root', allow_module_level=True)\n"
    (suite / "tests" / "test_whole.py").write_text(module)
    assert "1 error" in run(suite, required=True).splitlines()[-1]
    assert "4 skipped" in run(suite, required=False).splitlines()[-1]
