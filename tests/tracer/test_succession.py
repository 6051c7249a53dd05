"""Rings in a row: nothing twice, nothing missing, and the same again after a kill."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator

import pytest
from made_ring import Writer, made_ring

from otel_killsnoop.tracer import contract
from otel_killsnoop.tracer.ring import Ring
from otel_killsnoop.tracer.succession import APART, Part, Succession

MS = 1_000_000
OLD_MADE, NEW_MADE = 1 << 40, (1 << 40) + 1000 * MS  # boot ns
_SIZE = contract.LAYOUT["killsnoop_signal"]["how.argument"]
_LENGTH = sum(_SIZE)
_NUMBER_AT = contract.LAYOUT["killsnoop_signal"]["how.number"][0]


def signal(time: int, thread: int, number: int = 9) -> bytes:
    """A signal record of that time; what else it says is all the thread's."""
    raw = bytearray(_LENGTH)
    struct.pack_into("=IIQQ", raw, 0, contract.SIGNAL, 0, time, thread)
    struct.pack_into("=i", raw, _NUMBER_AT, number)
    return bytes(raw)


@contextlib.contextmanager
def rings(count: int = 2) -> Iterator[tuple[list[Writer], list[Ring]]]:
    with contextlib.ExitStack() as opened:
        made = [opened.enter_context(made_ring(1 << 20)) for _ in range(count)]
        yield [writer for writer, _ in made], [ring for _, ring in made]


def heir(ring: list[Ring], until: int, retired: list[int] | None = None) -> Succession:
    told = [] if retired is None else retired
    made_at = [OLD_MADE, NEW_MADE, NEW_MADE + 500 * MS][: len(ring)]
    parts = [Part(*one) for one in zip(ring, made_at, strict=True)]
    return Succession(parts, until, lambda: told.append(1))


def read_all(one: Succession, limit: int = 7) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while records := one.read(limit):
        found += records
        one.commit()
    return found


def times(records: list[tuple[int, bytes]]) -> list[int]:
    return [struct.unpack_from("=8xQ", payload)[0] for _, payload in records]


def test_the_older_ring_comes_first_and_sequences_are_its_own() -> None:
    with rings() as ((old, new), both):
        first = old.write(signal(OLD_MADE + 5, 1))
        second = new.write(signal(NEW_MADE + 50 * MS, 1))
        one = heir(both, NEW_MADE + 40 * MS)
        assert [place for place, _ in read_all(one)] == [OLD_MADE + first, NEW_MADE + second]


@pytest.mark.parametrize("seed", range(20))
def test_of_each_event_one_record_whatever_the_overlap(seed: int) -> None:
    """Threads that repeat the very same signal; for some time both programs record it."""
    rng = random.Random(seed)
    attached = NEW_MADE + 5 * MS
    detached = attached + 2 * APART
    with rings() as ((old, new), both):
        events = []
        for thread in range(5):
            now = attached - 3 * MS
            while now < detached + 10 * MS:
                now += rng.choice((1000, 5000, MS, 7 * MS))
                late = rng.choice((100, 300, 900))
                events.append((now, now + late, thread))
                now += late
        seen = []
        for older, newer, thread in sorted(events):
            if older < detached:
                old.write(signal(older, thread))
                seen.append((older, thread))
            if newer >= attached:
                new.write(signal(newer, thread))
                if older >= detached:
                    seen.append((newer, thread))
        retired: list[int] = []
        one = heir(both, detached, retired)
        got = [struct.unpack_from("=8xQQ", payload) for _, payload in read_all(one)]
        assert sorted(got) == sorted(seen)
        assert sum(one.copies.values()) == sum(a < detached and b >= attached for a, b, _ in events)
        one.read(1)
        one.commit()
        assert retired == [1]
        assert one.is_over
        assert old.consumed() == old.position


def test_what_ended_long_before_is_no_copy() -> None:
    with rings() as ((old, new), both):
        old.write(signal(NEW_MADE + MS, 1))
        new.write(signal(NEW_MADE + MS + APART + 1, 1))
        one = heir(both, NEW_MADE + 30 * MS)
        assert len(read_all(one)) == 2
        assert not one.copies


def test_killed_at_any_step_the_next_one_finds_every_event_and_names_it_the_same() -> None:
    attached, detached = NEW_MADE + MS, NEW_MADE + MS + 2 * APART

    def write(old: Writer, new: Writer) -> None:
        for step in range(60):
            at = NEW_MADE - 20 * MS + step * MS
            if at < detached:
                old.write(signal(at, step % 3))
            if at + 500 >= attached:
                new.write(signal(at + 500, step % 3))

    with rings() as ((old, new), both):
        write(old, new)
        every = read_all(heir(both, detached))
    for steps in range(12):
        with rings() as ((old, new), both):
            write(old, new)
            dead = heir(both, detached)
            got = []
            for _ in range(steps):
                got += dead.read(9)
                dead.commit()
            for ring in both:  # what another process would see of them
                ring.rewind()
            got += read_all(heir(both, detached))
        assert dict(got) == dict(every)


def test_a_record_that_waits_stays_in_its_ring() -> None:
    with rings() as ((old, new), both):
        first = [old.write(signal(OLD_MADE + n, n)) for n in range(3)]
        new.write(signal(NEW_MADE + 3000 * MS, 9))
        one = heir(both, NEW_MADE)
        assert len(one.read(9)) == 3
        one.commit(OLD_MADE + first[1])
        assert old.consumed() == first[1]
        [(last, _)] = one.read(9)
        one.commit(OLD_MADE + first[2])
        assert old.consumed() == first[2]
        assert new.consumed() == 0
        assert not one.is_over
        one.commit(last)
        assert old.consumed() == old.position
        assert one.is_over


def test_three_in_a_row_have_an_event_once() -> None:
    both_made = NEW_MADE + 500 * MS
    with rings(3) as ((first, second, third), all_three):
        for step in range(30):
            at = both_made + MS + step * 1000
            first.write(signal(at, 1))
            second.write(signal(at + 100, 1))
            third.write(signal(at + 200, 1))
        one = heir(all_three, both_made + 40 * MS)
        assert times(read_all(one)) == [both_made + MS + step * 1000 for step in range(30)]
        assert one.copies == {9: 60}
