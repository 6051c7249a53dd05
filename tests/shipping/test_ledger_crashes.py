"""The accounts over all agents, when one is killed before and after every system call it makes.

What the next start says was put, delivered, rejected and evicted, by all agents together, is held
against what is on disk and what the killed one was able to do: exactly, at every single stop.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from killed_at import every_stop
from trouble import SmallDisk

from otel_killsnoop.model import Request, ShippingCounts
from otel_killsnoop.shipping.queue import BLOCK
from otel_killsnoop.shipping.spool import Spool

RECORDS = 7  # of each request

Tell = Callable[[int], None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def request(number: int) -> Request:
    return Request(b"request %d" % number, RECORDS)


def prepared(path: Path, count: int, limit: int = 1 << 20) -> Callable[[], None]:
    """Make the directory anew, with so many requests of an agent before."""

    def prepare() -> None:
        shutil.rmtree(path, ignore_errors=True)
        if count:
            with Spool(path, limit) as spool:
                for number in range(count):
                    spool.put(request(number))

    return prepare


def files(path: Path) -> int:
    return len(list(path.glob("*.otlp.gz")))


def accounts(path: Path, limit: int = 1 << 20) -> ShippingCounts:
    """Those that a start draws up; a second start says the same."""
    with Spool(path, limit) as spool:
        made = spool.accounts()
    with Spool(path, limit) as spool:
        again = spool.accounts()
    assert again == made, "a start changes what the one before has said"
    assert made.recovered + made.spooled == (
        made.delivered + made.rejected + made.evicted + made.missing + made.on_disk
    )
    assert made.on_disk == RECORDS * files(path)
    assert (made.recovered, made.missing) == (0, 0), "nobody else was here"
    return made


def test_puts(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place)
        for number in (1, 2, 3):
            spool.put(request(number))
            tell(number)

    seen = set()
    for death in every_stop(work, prepared(place, 1)):
        there = files(place)
        made = accounts(place)
        assert made.spooled == RECORDS * there
        assert there >= 1 + len(death.told)
        seen.add(there)
    assert seen == {1, 2, 3, 4}


def test_puts_that_evict(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place, 2 * BLOCK)
        for number in (3, 4):
            spool.put(request(number))
            tell(number)

    seen = set()
    for death in every_stop(work, prepared(place, 2)):
        done = len(death.told)
        made = accounts(place, 2 * BLOCK)
        put = made.spooled // RECORDS
        assert put in (2 + done, 3 + done)
        assert made.evicted == made.spooled - made.on_disk
        assert (made.delivered, made.rejected) == (0, 0)
        seen.add((put, made.evicted // RECORDS))
    assert seen == {(2, 0), (2, 1), (3, 1), (3, 2), (4, 2)}


def test_acknowledgements_and_refusals(place: Path) -> None:
    def work(tell: Tell) -> None:
        spool = Spool(place)
        for number, refused in enumerate((0, 2, RECORDS)):
            entry = spool.oldest()
            assert entry is not None
            spool.acknowledge(entry, refused)
            tell(number)
        entry = spool.oldest()
        assert entry is not None
        spool.set_aside(entry, "it is no request")
        tell(3)

    fates = {4: (0, 0), 3: (7, 0), 2: (12, 2), 1: (12, 9), 0: (12, 16)}
    seen = set()
    for death in every_stop(work, prepared(place, 4)):
        there = files(place)
        made = accounts(place)
        assert (made.delivered, made.rejected) == fates[there]
        assert made.evicted == 0
        assert 4 - there in (len(death.told), len(death.told) + 1)
        seen.add(there)
    assert seen == set(fates)


def test_a_start_that_finds_torn_files(place: Path) -> None:
    fill = prepared(place, 3)

    def before() -> None:
        fill()
        for one in sorted(place.glob("*.otlp.gz"))[:2]:
            one.write_bytes(b"torn")

    def work(tell: Tell) -> None:
        Spool(place).close()

    for _ in every_stop(work, before):
        made = accounts(place)
        assert (made.spooled, made.rejected, made.on_disk) == (21, 14, 7)


def test_files_that_somebody_took_or_brought(place: Path) -> None:
    prepared(place, 3)()
    first, second, _ = sorted(place.glob("*.otlp.gz"))
    first.unlink()
    with Spool(place) as spool:
        made = spool.accounts()
        assert (made.missing, made.recovered, made.on_disk) == (7, 0, 14)
    shutil.copy(second, first)
    with Spool(place) as spool:
        made = spool.accounts()
        assert (made.missing, made.recovered, made.on_disk) == (7, 7, 21)


def test_notes_are_those_of_the_accounts(place: Path) -> None:
    """What is noted after a put is never there without it, nor lost once noted."""

    def work(tell: Tell) -> None:
        spool = Spool(place)
        for number in range(1, 4):
            spool.put(request(number))
            spool.note(f'{{"put": {number}}}')
            tell(number)

    for death in every_stop(work, prepared(place, 0)):
        with Spool(place) as spool:
            noted = 0 if spool.notes == "{}" else int(spool.notes.split()[1][:-1])
            put = spool.accounts().spooled // RECORDS
        assert len(death.told) <= noted <= put <= noted + 1


@pytest.mark.kernel
def test_memory_of_a_full_disk_is_accounted_for(tmp_path: Path) -> None:
    """The ledger has its room beforehand: what only memory had is known to be gone."""
    disk = SmallDisk(tmp_path / "disk")
    place = disk.path / "spool"
    filler: list[Path] = []

    def before() -> None:
        for one in filler:
            one.unlink(missing_ok=True)
        prepared(place, 1)()
        filler[:] = [disk.fill()]

    def work(tell: Tell) -> None:
        spool = Spool(place, retry=0)
        for number in (1, 2):
            spool.put(request(number))
            tell(number)
        entry = spool.oldest()  # out of memory
        assert entry is not None
        spool.acknowledge(entry)
        tell(3)
        filler[0].unlink()
        spool.rescue()
        tell(4)

    seen = set()
    try:
        for death in every_stop(work, before):
            filler[0].unlink(missing_ok=True)
            there = files(place)
            made = accounts(place)
            done = len(death.told)
            assert made.on_disk == RECORDS * there
            total = (made.spooled + made.unspooled) // RECORDS - 1
            assert min(done, 2) <= total <= min(done + 1, 2)
            assert made.delivered in {0: (0,), 1: (0,), 2: (0, 7)}.get(done, (7,))
            if done == 4:
                assert (there, made.unspooled) == (2, 0)
            seen.add((total, made.unspooled // RECORDS, made.delivered // RECORDS))
    finally:
        disk.gone()
    assert seen >= {(1, 1, 0), (2, 2, 0), (2, 1, 1), (2, 0, 1)}
