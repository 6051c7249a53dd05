"""The kernel's own list of bpf objects: what lives, whoever holds it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from otel_killsnoop.tracer import bpf

BPFFS = Path("/sys/fs/bpf")
_NEXT = {"program": 11, "map": 12, "link": 31}  # BPF_PROG_GET_NEXT_ID and kin


def alive() -> set[tuple[str, int]]:
    """(``program``, number) and so on of all there are on this host."""
    found = set()
    for kind, command in _NEXT.items():
        number = 0
        with contextlib.suppress(FileNotFoundError):
            while True:
                attributes = bpf.ctypes.create_string_buffer(number.to_bytes(4, "little"), 12)
                bpf._call(command, attributes)
                number = int.from_bytes(attributes.raw[4:8], "little")
                found.add((kind, number))
    return found


def used_by(pin_dir: Path) -> set[tuple[str, int]]:
    """The same of all that is pinned there."""
    found = set()
    for path in pin_dir.glob("*/*"):
        kind = path.name.split("_")[0]
        name = bpf.ctypes.create_string_buffer(os.fsencode(path))
        attributes = bpf.Struct("<QII").pack(bpf.ctypes.addressof(name), 0, 0)
        descriptor = bpf.call(7, attributes)  # BPF_OBJ_GET
        try:
            key = {"program": "prog_id", "map": "map_id", "link": "link_id"}[kind]
            lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
            [number] = [int(line.split()[1]) for line in lines if line.startswith(key)]
            found.add((kind, number))
        finally:
            os.close(descriptor)
    return found


@contextlib.contextmanager
def place_for_pins() -> Iterator[Path]:
    """A directory of the test's own under bpffs; what is left in it goes."""
    made = Path(tempfile.mkdtemp(prefix="killsnoop-tests-", dir=BPFFS))
    try:
        yield made
    finally:
        shutil.rmtree(made)
