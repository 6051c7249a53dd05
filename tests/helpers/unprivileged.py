"""The tracer as another user runs it: a copy of the package where anybody can read it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import otel_killsnoop

NOBODY = 65534
CAP_PERFMON, CAP_BPF = 38, 39
_PACKAGE = Path(otel_killsnoop.__file__).parent
# Not the virtual environment's, which may be where others cannot go; it is the same program.
_PYTHON = Path(os.path.realpath("/proc/self/exe"))


@contextlib.contextmanager
def public_copy() -> Iterator[Path]:
    """A directory with the package and the kernel program's sources in it."""
    with tempfile.TemporaryDirectory(prefix="killsnoop-tests-") as made:
        top = Path(made)
        top.chmod(0o755)
        shutil.copytree(_PACKAGE, top / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(_PACKAGE.parent / "bpf", top / "bpf")
        yield top


def run_as_nobody(top: Path, text: str, *capabilities: int) -> subprocess.CompletedProcess[str]:
    """A Python text, by uid 65534 with these capabilities and no more."""
    caps = ",".join(["-all", *(f"+cap_{number}" for number in capabilities)])
    return subprocess.run(
        [
            "setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            f"--bounding-set={caps}",
            f"--inh-caps={caps}",
            f"--ambient-caps={caps}",
            *(_PYTHON, "-B", "-c", text),
        ],
        cwd=top,
        env={"PATH": os.defpath, "PYTHONPATH": str(top), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
