"""Spool files that cannot be read, or are no files any more: set aside, counted, never a loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_killsnoop.model import Request
from otel_killsnoop.shipping.courier import PATIENCE, Courier
from otel_killsnoop.shipping.endpoint import Endpoint
from otel_killsnoop.shipping.spool import Spool
from otel_killsnoop.shipping.transport import connect


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def junk(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def followed_by_more(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def bomb(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 100)


def removed(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


DAMAGES = (emptied, cut, junk, followed_by_more, bomb, removed, a_directory, a_pipe, a_link)
TORN = (emptied, cut, followed_by_more)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_under_a_running_agent(
    tmp_path: Path,
    spool: Spool,
    http_destination: Any,
    said: Any,
    logs: Any,
    bodies: Any,
    damage: Callable[[Path], None],
) -> None:
    took: list[str] = []

    def rule(got: Any) -> Any:
        try:
            took.extend(bodies(got.plain()))
        except Exception:  # whatever the official classes raise for it
            return said(400)
        return said()

    http_destination.rule = rule
    for words in (("1", "2"), ("3", "4", "5"), ("6",)):
        spool.put(logs(words))
    damage(sorted((tmp_path / "spool").glob("*.otlp.gz"))[1])
    transport = connect(Endpoint("logs", "http/protobuf", http_destination.url))
    one = Courier(spool, transport, base=1.0, longest=30.0, hold=30.0)
    steps = 0
    while spool.files():
        one.step(20)
        steps += 1
        assert steps < 20, "a loop"
    transport.close()
    assert took == ["1", "2", "6"]
    # Junk of the right size is posted as it is: it is the destination who finds out.
    assert steps == (3 if damage is junk else 2 + PATIENCE)
    counts = spool.counts()
    assert (counts.delivered, counts.rejected, counts.on_disk) == (3, 3, 0)
    assert spool.set_aside_files == 1
    assert len(list((tmp_path / "spool" / "set-aside").iterdir())) == (damage is not removed)


@pytest.mark.parametrize("damage", [*TORN, a_directory, a_pipe])
def test_damaged_while_nobody_ran(
    tmp_path: Path, logs: Any, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "spool"
    with Spool(path) as spool:
        for words in (("1", "2"), ("3", "4", "5"), ("6",)):
            spool.put(logs(words))
    damage(sorted(path.glob("*.otlp.gz"))[1])
    torn = 3 if damage in TORN else 0  # what is no file of ours tells of no records
    for start in range(2):
        with Spool(path) as spool:
            counts = spool.counts()
            assert counts.on_disk == 3
            assert (counts.recovered, counts.rejected) == ((3, 0) if start else (3 + torn, torn))
            assert spool.set_aside_files == (0 if start else 1)
    assert len(list((path / "set-aside").iterdir())) == 1


@pytest.mark.parametrize("what", ["directory", "pipe"])
def test_the_name_of_unfinished_files_is_taken(tmp_path: Path, what: str) -> None:
    path = tmp_path / "spool"
    Spool(path).close()
    if what == "directory":
        (path / "unfinished.tmp").mkdir()
    else:
        os.mkfifo(path / "unfinished.tmp")
    with Spool(path) as spool:
        spool.put(Request(b"a", 4))
        assert (spool.counts().on_disk, spool.set_aside_files) == (4, 1)
