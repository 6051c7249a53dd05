"""The spool killed before and after every system call that it makes, one after the other.

What was said to be durable is there at the next start, once; what was decided stays decided; and
the next start works, whatever was left half done, and is killed in its turn at each of its calls.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_at import every_stop
from trouble import files_no_larger_than

from otel_killsnoop.model import Request
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.queue import BLOCK
from otel_killsnoop.shipping.spool import Spool

RECORDS = 7  # of each request; its body is its number

Tell = Callable[[int], None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def request(number: int) -> Request:
    return Request(b"request %d" % number, RECORDS)


def contents(path: Path, limit: int = 1 << 20) -> list[int]:
    """The numbers of the requests that a start finds, sent and acknowledged; the counts agree."""
    found = []
    with Spool(path, limit) as spool:
        counts = spool.counts()
        assert counts.recovered == counts.on_disk
        while (entry := spool.oldest()) is not None:
            found.append(int(unpack(spool.read(entry)).split()[1]))
            spool.acknowledge(entry)
        counts = spool.counts()
        assert (counts.recovered, counts.on_disk) == (counts.delivered, 0)
        assert counts.delivered == RECORDS * len(found)
    with Spool(path, limit) as spool:
        assert spool.counts().recovered == 0, "the second start finds something again"
    assert not (path / "unfinished.tmp").exists()
    return found


def prepared(path: Path, *numbers: int) -> Callable[[], None]:
    """Make the directory anew, with these requests in it."""

    def prepare() -> None:
        shutil.rmtree(path, ignore_errors=True)
        if numbers:
            with Spool(path) as spool:
                for number in numbers:
                    spool.put(request(number))

    return prepare


def test_put_from_the_making_of_the_directory_on(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place)
        for number in (1, 2):
            spool.put(request(number))
            tell(number)

    seen = set()
    for death in every_stop(work, prepared(place)):
        unfinished = (place / "unfinished.tmp").exists()
        found = contents(place)
        assert found[: len(death.told)] == death.told, "a put that had returned is lost"
        assert found in ([], [1], [1, 2])
        assert len(found) <= len(death.told) + 1
        seen.add((len(death.told), len(found), unfinished))
    # It was killed in all the places that there are: none, half a file, whole but not told, told.
    assert seen >= {(0, 0, False), (0, 0, True), (0, 1, False), (1, 1, True), (2, 2, False)}


def test_put_that_evicts(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place, limit=2 * BLOCK)
        for number in (3, 4):
            spool.put(request(number))
            tell(number)

    seen = set()
    for death in every_stop(work, prepared(place, 1, 2)):
        found = contents(place)
        done = len(death.told)
        # The oldest is gone before the new one is there; what was put last is never the victim.
        assert found in ([1, 2], [2], [2, 3], [3], [3, 4])
        assert set(death.told) <= set(found)
        assert found[-1] <= 2 + done + 1
        seen.add(tuple(found))
    assert seen == {(1, 2), (2,), (2, 3), (3,), (3, 4)}


def test_acknowledge(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place)
        for _ in range(2):
            entry = spool.oldest()
            assert entry is not None
            number = int(unpack(spool.read(entry)).split()[1])
            spool.acknowledge(entry)
            tell(number)

    seen = set()
    for death in every_stop(work, prepared(place, 1, 2, 3)):
        found = contents(place)
        assert found in ([1, 2, 3], [2, 3], [3])
        assert not set(death.told) & set(found), "what was acknowledged is sent again"
        # At most the one in flight is sent twice.
        assert 3 - len(found) in (len(death.told), len(death.told) + 1)
        seen.add((len(death.told), len(found)))
    assert seen == {(0, 3), (0, 2), (1, 2), (1, 1), (2, 1)}


def test_refused_and_set_aside(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place)
        entry = spool.oldest()
        assert entry is not None
        spool.keep_rejected(entry, 0, b"the record", "HTTP 400")
        spool.acknowledge(entry, 1)
        tell(1)
        entry = spool.oldest()
        assert entry is not None
        spool.set_aside(entry, "it is no request")
        tell(2)

    seen = set()
    for death in every_stop(work, prepared(place, 1, 2, 3)):
        kept = sorted(one.suffix for one in (place / "rejected").glob("0*"))
        aside = len(list((place / "set-aside").iterdir()))
        found = contents(place)
        assert found in ([1, 2, 3], [2, 3], [3])
        assert not set(death.told) & set(found)
        if 1 not in found:
            assert kept == [".gz", ".txt"], "given up without the evidence"
        assert aside == (found == [3]), "neither in the spool nor set aside"
        seen.add((len(death.told), len(found), len(kept), aside))
    assert {one[1:] for one in seen} >= {(3, 0, 0), (3, 1, 0), (3, 2, 0), (2, 2, 0), (1, 2, 1)}


def test_a_start_that_finds_everything_that_can_be_left(place: Path) -> None:
    fill = prepared(place, 1, 2)

    def before() -> None:
        fill()
        (place / "unfinished.tmp").write_bytes(b"half")
        torn = place / f"{5:020d}-{RECORDS}-500.otlp.gz"
        torn.write_bytes(b"torn")
        (place / "foreign").write_text("note")
        (place / f"{6:020d}-1-0.otlp.gz").touch()

    def work(tell: Tell) -> None:
        with Spool(place) as spool:
            tell(spool.counts().recovered)
            spool.put(request(3))
        tell(3)

    seen = set()
    for death in every_stop(work, before):
        with Spool(place) as spool:  # the next start finds the rest of what was left
            counts = spool.counts()
            assert counts.recovered - counts.rejected == counts.on_disk
            torn = counts.rejected
        assert len(list((place / "set-aside").iterdir())) == 3
        assert len(list((place / "rejected").iterdir())) == 0
        found = contents(place)
        assert found in ([1, 2], [1, 2, 3])
        assert (3 in found) or death.told[1:] == []
        if death.told:
            assert death.told[0] == 3 * RECORDS
        seen.add((torn, len(found)))
    assert seen == {(RECORDS, 2), (0, 2), (0, 3)}, "the torn one is counted once, by one start"


def test_what_was_held_in_memory_is_saved_or_was_never_said_to_be(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place, retry=0)
        with files_no_larger_than(0):
            for number in (2, 3):
                spool.put(request(number))
        assert spool.counts().in_memory == 2 * RECORDS
        spool.rescue()
        assert spool.counts().in_memory == 0
        tell(3)
        spool.put(request(4))
        tell(4)

    seen = set()
    for death in every_stop(work, prepared(place, 1)):
        found = contents(place)
        assert found in ([1], [1, 2], [1, 2, 3], [1, 2, 3, 4])
        assert len(found) >= {0: 1, 1: 3, 2: 4}[len(death.told)]
        seen.add(len(found))
    assert seen == {1, 2, 3, 4}
