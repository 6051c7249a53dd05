"""A ledger that is torn, damaged, foreign or in trouble: told, set aside, never an end."""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trouble import files_no_larger_than

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request
from otel_killsnoop.shipping.ledger import PLACE, sealed, unsealed
from otel_killsnoop.shipping.spool import Spool


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A spool with a history: 30 records put, 10 of them delivered, and a note."""
    path = tmp_path / "spool"
    with Spool(path) as spool:
        for number in range(3):
            spool.put(Request(b"request %d" % number, 10))
        entry = spool.oldest()
        assert entry is not None
        spool.acknowledge(entry)
        spool.note('{"mine": 4711}')
    return path


def pages(path: Path) -> list[tuple[int, int]]:
    """Generation and offset of the whole pages, the newest first."""
    content = (path / "ledger").read_bytes()
    found = [(unsealed(content[at : at + PLACE]), at) for at in (0, PLACE)]
    return sorted(((page["generation"], at) for page, at in found if page), reverse=True)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with (path / "ledger").open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_it_is_for_people_to_read_too(place: Path) -> None:
    _, at = pages(place)[0]
    line = (place / "ledger").read_bytes()[at : at + PLACE].split(b"\n")[1]
    page = json.loads(line)
    assert page["records"]["delivered"] == 10
    assert page["notes"] == {"mine": 4711}
    assert (place / "ledger").stat().st_mode & 0o777 == 0o600
    assert (place / "ledger").stat().st_size == 2 * PLACE


@pytest.mark.parametrize("cut", [0, 1, 9, 20, 100])
def test_a_torn_page_leaves_the_one_before(place: Path, cut: int) -> None:
    (_, newest), _ = pages(place)
    overwrite(place, newest + cut, bytes(PLACE - cut))
    with Spool(place) as spool:
        assert spool.set_aside_files == 0
        made = spool.accounts()
        assert (made.spooled, made.delivered, made.missing, made.recovered) == (30, 10, 0, 0)
        assert spool.notes == '{"mine": 4711}'


def emptied(path: Path) -> None:
    os.truncate(path / "ledger", 0)


def zeroed(path: Path) -> None:
    overwrite(path, 0, bytes(2 * PLACE))


def garbage(path: Path) -> None:
    overwrite(path, 0, os.urandom(2 * PLACE))


def a_directory(path: Path) -> None:
    (path / "ledger").unlink()
    (path / "ledger").mkdir()


def a_pipe(path: Path) -> None:
    (path / "ledger").unlink()
    os.mkfifo(path / "ledger")


def of_another(path: Path) -> None:
    os.chown(path / "ledger", 65534, 65534)


def of_tomorrow(path: Path) -> None:
    line = b'{"format": 2, "generation": 99999}\n'
    overwrite(path, 0, b"%08x %d\n%b" % (zlib.crc32(line), len(line), line))


def without_accounts(path: Path) -> None:
    overwrite(path, 0, sealed('"since": 1', 99_999))


def negative(path: Path) -> None:
    page = '"since": 1, "last": -1, "accepted": 1, "intent": null, "records": {}, "notes": {}'
    overwrite(path, 0, sealed(page, 99_999))


DAMAGES = [
    *(emptied, zeroed, garbage, a_directory, a_pipe, of_tomorrow, without_accounts, negative),
    pytest.param(
        of_another, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
    ),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_ledger_is_set_aside_and_the_accounts_begin_anew(
    place: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(place)
    for start in range(2):
        with Spool(place) as spool:
            assert spool.set_aside_files == (start == 0)
            made = spool.accounts()
            assert (made.recovered, made.on_disk, made.delivered) == (20, 20, 0)
            assert spool.notes == "{}"
            assert spool.oldest() is not None
    assert [one.name for one in (place / "set-aside").iterdir()] == ["ledger"]
    assert caplog.text.count("'ledger'") >= 1


def test_a_symbolic_link_in_its_place_is_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (place / "ledger").unlink()
    (place / "ledger").symlink_to(tmp_path / "precious")
    with pytest.raises(SpoolError, match="symbolic link"):
        Spool(place)
    assert (tmp_path / "precious").read_text() == "mine"


def test_removed_under_a_running_agent_it_is_made_again(place: Path) -> None:
    with Spool(place) as spool:
        (place / "ledger").unlink()
        spool.put(Request(b"one more", 5))
        spool.note("{}")
    with Spool(place) as spool:
        made = spool.accounts()
        assert (made.spooled, made.delivered, made.on_disk) == (35, 10, 25)


def test_not_written_for_a_while_is_said_once_and_stops_nothing(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Spool(place) as spool:
        with files_no_larger_than(0):
            for _ in range(3):
                spool.note('{"not": "kept"}')
            entry = spool.oldest()
            assert entry is not None
            spool.acknowledge(entry)
        assert caplog.text.count("costs the accounts what has changed") == 1
        spool.note('{"kept": 1}')
        assert caplog.text.count("is kept again") == 1
    with Spool(place) as spool:
        assert spool.accounts().delivered == 20
        assert spool.notes == '{"kept": 1}'


def test_a_page_that_is_too_large_leaves_the_one_before(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Spool(place) as spool:
        spool.note('{"mine": 1}')
        spool.note(json.dumps({"mine": "x" * PLACE}))
        spool.note(json.dumps({"mine": "y" * PLACE}))
        assert "does not fit" in caplog.text
        assert unsealed((place / "ledger").read_bytes()[pages(place)[0][1] :])
        spool.note('{"mine": 2}')
    with Spool(place) as spool:
        assert spool.notes == '{"mine": 2}'
        assert spool.accounts().spooled == 30


@settings(deadline=None, max_examples=300)
@given(junk=st.binary(max_size=300), at=st.integers(0, 200), whole=st.booleans())
def test_any_bytes_are_a_page_or_none(junk: bytes, at: int, whole: bool) -> None:
    line = sealed('"since": 1', 7)
    damaged = junk if whole else line[:at] + junk + line[at + len(junk) :]
    page = unsealed(damaged)
    assert page is None or damaged.startswith(line)
