"""What is left pinned: adopted only by an agent that would load the same, read in any case."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bpf_objects import alive, place_for_pins, used_by
from flood import loop
from puppet import Puppet, puppet
from traced import assert_adds_up

from otel_killsnoop.errors import PinError, PinsTaken
from otel_killsnoop.model import Event, Folded, Signal
from otel_killsnoop.tracer import inherit, load, objects, program
from otel_killsnoop.tracer.decode import Decoder
from otel_killsnoop.tracer.notes import Lost
from otel_killsnoop.tracer.options import Options
from otel_killsnoop.tracer.pins import Pins

pytestmark = pytest.mark.kernel

RING = 1 << 20

SPANS = {reason: (place, place + 1) for place, reason in enumerate(Lost._fields)}


@pytest.fixture
def pins() -> Iterator[Path]:
    with place_for_pins() as made:
        yield made


@pytest.fixture
def target(own_number: int) -> Iterator[Puppet]:
    with puppet() as one:
        one.do("ignore", [own_number])
        yield one


@pytest.fixture
def options(pins: Path, own_number: int) -> Options:
    return Options(recorded=frozenset({own_number}), ring_size=RING, pin_dir=str(pins))


class Reader:
    """Reads a tracer as the pipeline does, and keeps what is between this process and a puppet."""

    def __init__(self, tracer: load.Tracer, pid: int) -> None:
        self.tracer, self._pid = tracer, pid
        self._source, made_at = tracer.source
        self._decoder = Decoder(made_at)
        self.found: list[Event] = []

    def read(self, limit: int = 4096) -> list[Event]:
        """What is there, committed."""
        new: list[Event] = []
        while records := self._source.read(limit):
            new += self._decoder.decode(records)
            self._source.commit()
        self._source.commit()
        mine = [one for one in new if isinstance(one, Signal) and one.target_pid == self._pid]
        self.found += mine
        return list(mine)

    def folds(self) -> list[Folded]:
        """Repeats, forgotten after."""
        found = []
        for _ in range(4):
            found += self._decoder.folded(self.tracer.folds.take())
            self.tracer.folds.forget()
        self.tracer.look_after()
        return [one for one in found if one.target_pid == self._pid]


def sequences(events: list[Any]) -> list[int]:
    return [one.sequence for one in events]


# --- adopted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
@pytest.mark.parametrize("attempts", ["off", "on"])
def test_the_same_agent_goes_on_where_the_other_was(
    options: Options, target: Puppet, own_number: int, direct: bool, attempts: str
) -> None:
    options = dataclasses.replace(options, direct=direct, attempts=attempts)
    first = load.attach(options)
    assert first.origin == "fresh"
    reader = Reader(first, target.pid)
    os.kill(target.pid, own_number)
    assert len(reader.read()) == 1
    os.kill(target.pid, own_number)
    [unread] = Decoder(first.made_at).decode(
        [one for one in first.ring.read(4096) if one[1][:1] == b"\1"]
    )
    first.leave()
    os.kill(target.pid, own_number)
    second = load.attach(options)
    try:
        assert (second.origin, second.mode) == ("adopted", "tp_btf" if direct else "raw_tp")
        assert second.attempts == ("off" if attempts == "off" else second.attempts)
        assert second.counts().generated[own_number] == 3
        os.kill(target.pid, own_number)
        again = Reader(second, target.pid).read()
        assert repr(again[0]) == repr(unread)  # the sequence, too
        assert len(again) == 3
        second.detach()
        os.kill(target.pid, own_number)
        counts = second.counts()
        assert_adds_up(counts)
        assert counts.submitted[own_number] == 4
    finally:
        second.close()


OTHERS: dict[str, Callable[[Options], Options]] = {
    "a signal mask": lambda one: dataclasses.replace(one, recorded=frozenset(range(40, 65))),
    "a burst": lambda one: dataclasses.replace(one, burst=7),
    "one ignored name": lambda one: dataclasses.replace(one, ignored=(b"nobody",)),
    "other ignored names": lambda one: dataclasses.replace(
        one, ignored=tuple(b"nobody%d" % n for n in range(9))
    ),
    "a ring size": lambda one: dataclasses.replace(one, ring_size=2 * RING),
    "raw tracepoints": lambda one: dataclasses.replace(one, direct=False),
    "attempts": lambda one: dataclasses.replace(one, attempts="on"),
    "a user": lambda one: dataclasses.replace(one, target_uids=(65533,)),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_settings_take_its_place_and_lose_nothing(
    options: Options, target: Puppet, own_number: int, what: str
) -> None:
    load.attach(options).leave()
    os.kill(target.pid, own_number)
    before = used_by(Path(str(options.pin_dir)))
    tracer = load.attach(OTHERS[what](options))
    try:
        assert tracer.origin == "took over"
        assert tracer.why
        os.kill(target.pid, own_number)
        reader = Reader(tracer, target.pid)
        reader.read()
        reader.folds()
        reader.read()
        assert len(set(sequences(reader.found))) == len(reader.found) == 2
        assert tracer.counts().submitted[own_number] == 2
        gone = before - used_by(Path(str(options.pin_dir)))
        assert len(gone) == len(before)
        wait_gone(gone)
    finally:
        tracer.close()


def wait_gone(objects_of: set[tuple[str, int]]) -> None:
    deadline = time.monotonic() + 30  # the kernel lets go after a grace period
    while left := objects_of & alive():
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
def test_a_place_is_taken_under_flood_with_each_signal_once(
    options: Options, target: Puppet, own_number: int, direct: bool
) -> None:
    """Again and again: each time the programs of both are attached for a while."""
    code = f"from flood import loop; loop()({target.pid}, {own_number}, 1); input()\n"
    code += f"import time\nfor _ in range(30000): loop()({target.pid}, {own_number}, 1)"
    path = {**os.environ, "PYTHONPATH": os.path.dirname(sys.modules["flood"].__file__ or "")}
    options = dataclasses.replace(options, ring_size=16 << 20, direct=direct)
    tracer = load.attach(options)
    found: list[Event] = []
    sender = subprocess.Popen([sys.executable, "-c", code], env=path, stdin=subprocess.PIPE)
    try:
        assert sender.stdin is not None
        sender.stdin.write(b"\n")
        sender.stdin.close()
        copies = 0
        for turn in range(6):
            tracer.leave()
            tracer = load.attach(dataclasses.replace(options, target_uids=(70000 + turn,)))
            assert tracer.origin == "took over"
            reader = Reader(tracer, target.pid)
            reader.read()
            reader.folds()
            reader.read()
            found += reader.found
            copies += sum(tracer._succession.copies.values()) if tracer._succession else 0
        assert sender.wait(60) == 0
        tracer.detach()
        found += Reader(tracer, target.pid).read()
        assert copies > 0, "the programs never ran together, so this shows nothing"
        assert len(set(sequences(found))) == len(found) == 30001
        counts = tracer.counts()
        assert_adds_up(counts)
        assert counts.submitted[own_number] == counts.generated[own_number] == 30001
    finally:
        sender.kill()
        sender.wait()
        tracer.close()


def test_repeats_that_were_not_forgotten_come_again_by_the_same_name(
    options: Options, target: Puppet, own_number: int
) -> None:
    options = dataclasses.replace(options, burst=2)
    first = load.attach(options)
    reader = Reader(first, target.pid)
    loop()(target.pid, own_number, 50)
    taken = [
        one
        for one in Decoder(first.made_at).folded(first.folds.take())
        if one.target_pid == target.pid
    ]
    assert sum(one.repeats for one in taken) + len(reader.read()) == 50
    loop()(target.pid, own_number, 60)  # into the other map
    first.leave()
    second = load.attach(options)
    try:
        assert second.origin == "adopted"
        reader = Reader(second, target.pid)
        folds = reader.folds()
        same = [one for one in folds if one.sequence in sequences(taken)]
        assert repr(same) == repr(taken)
        more = [one for one in folds if one not in same]
        assert sum(one.repeats for one in more) + len(reader.read()) == 60
        assert not set(sequences(more)) & set(sequences(taken))
        assert reader.folds() == []
    finally:
        second.close()


def test_repeats_outlive_the_taking_of_a_place(
    options: Options, target: Puppet, own_number: int
) -> None:
    first = load.attach(dataclasses.replace(options, burst=2))
    reader = Reader(first, target.pid)
    loop()(target.pid, own_number, 50)
    taken = reader._decoder.folded(first.folds.take())  # and not forgotten
    loop()(target.pid, own_number, 60)
    first.leave()
    second = load.attach(options)
    try:
        reader = Reader(second, target.pid)
        singles = reader.read()
        folds = reader.folds()
        assert {one.sequence for one in folds} >= {
            one.sequence for one in taken if one.target_pid == target.pid
        }
        assert len({one.sequence for one in folds}) == len(folds)
        assert sum(one.repeats for one in folds) + len(singles) == 110
        assert second.counts().folded[own_number] == sum(one.repeats for one in folds)
    finally:
        second.close()


def test_losses_that_were_told_are_not_told_again_and_those_that_were_not_are(
    options: Options, target: Puppet, own_number: int
) -> None:
    options = dataclasses.replace(options, ring_size=1 << 16)
    first = load.attach(options)
    first.notes.tell(5, Lost(3, 2), SPANS)
    first.notes.is_told()
    first.notes.tell(7, Lost(4, 2), SPANS)
    first.leave()
    loop()(target.pid, own_number, 1000)  # nobody reads, so most are lost
    second = load.attach(dataclasses.replace(options, burst=9))
    try:
        assert second.notes.told == Lost(3, 2)
        assert second.notes.telling == (7, Lost(4, 2), SPANS)
        reader = Reader(second, target.pid)
        got = reader.read()
        lost = second.counts().lost[own_number]
        assert lost + len(got) == 1000
        assert lost > 0
        reader.folds()
        assert second.counts().lost[own_number] == lost  # also when the older generation is gone
    finally:
        second.close()


# --- what cannot be adopted ---------------------------------------------------------------------


def test_a_ring_of_another_contract_is_counted_and_goes(
    options: Options, target: Puppet, own_number: int
) -> None:
    first = load.attach(options)
    about = first.notes.read()
    first.notes.write({**about, "contract": program.CONTRACT + 1})
    loop()(target.pid, own_number, 13)
    first.leave()
    second = load.attach(options)
    try:
        assert second.origin == "took over"
        assert "contract" in second.why
        # Others may have sent the same number; nobody of ours did.
        assert second.counts().unread >= 13
        assert [one.name for one in Path(str(options.pin_dir)).iterdir()] == ["2"]
        second.leave()
        third = load.attach(options)
        assert third.origin == "adopted"
        assert third.counts().unread == second_unread(third)
        third.close()
    finally:
        second.close()


def second_unread(tracer: load.Tracer) -> int:
    carried = tracer.notes.carried
    assert carried is not None
    return carried.unread


@pytest.mark.parametrize("gone", ["link_signal", "program_exit", "map_ring", "map_notes"])
def test_what_is_half_gone_is_not_adopted(options: Options, gone: str) -> None:
    load.attach(options).leave()
    Path(str(options.pin_dir), "1", gone).unlink()
    tracer = load.attach(options)
    try:
        assert tracer.origin == "took over"
        Reader(tracer, 0).read()
        Reader(tracer, 0).folds()
        assert [one.name for one in Path(str(options.pin_dir)).iterdir()] == ["2"]
    finally:
        tracer.close()


def test_pins_of_two_agents_mixed_are_not_adopted(options: Options) -> None:
    """The same instructions, but they write into another ring."""
    load.attach(options).leave()
    top = Path(str(options.pin_dir))
    (top / "1").rename(top / "5")
    load.attach(dataclasses.replace(options, burst=1)).leave()  # takes over: 5 stays till read
    (top / "unfinished").mkdir()
    for name in ("program_fork", "link_fork"):
        (top / "6" / name).unlink()
    other = load.attach(Options(**{**dataclasses.asdict(options), "burst": 1, "pin_dir": None}))
    try:
        programs = other.generation.programs, other.generation.links
        for name, descriptor in zip(("program_fork", "link_fork"), programs, strict=True):
            objects.pin(descriptor["fork"], str(top / "6" / name))
        tracer = load.attach(dataclasses.replace(options, burst=1))
        try:
            assert (tracer.origin, tracer.why) == ("took over", "the program fork has other maps")
        finally:
            tracer.close()
    finally:
        other.close()


def test_the_kernel_s_tag_is_of_the_instructions_whatever_the_maps_numbers(
    options: Options,
) -> None:
    tracer = load.attach(dataclasses.replace(options, attempts="on"))
    held = [os.dup(0) for _ in range(50)]  # so that the next one's descriptors are others
    other = load.attach(dataclasses.replace(options, attempts="on", pin_dir=None))
    try:
        plan = load._plan(options)
        assert len(tracer.generation.programs) == 7 or tracer.attempts == "fexit"
        for name, descriptor in tracer.generation.programs.items():
            tag = objects.program_info(descriptor).tag
            assert tag == objects.program_info(other.generation.programs[name]).tag
            assert tag in inherit.tags(plan.code(name, tracer.mode))
    finally:
        for one in held:
            os.close(one)
        other.close()
        tracer.close()


# --- one agent, and nothing left ----------------------------------------------------------------


def test_a_second_agent_is_told_so_and_the_lock_is_free_with_the_process(
    options: Options, pins: Path
) -> None:
    text = (
        "from otel_killsnoop.tracer import load\n"
        f"load.attach(load.Options(ring_size={RING}, pin_dir={str(pins)!r}))\n"
        "print('attached', flush=True)\ninput()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "attached\n"
        with pytest.raises(PinsTaken, match="stop the other agent, or give this one its own"):
            load.attach(options)
    finally:
        first.kill()
        first.communicate()
    load.attach(options).close()


def test_others_directories_are_refused(pins: Path, options: Options) -> None:
    (pins / "link").symlink_to(pins)
    (pins / "wide").mkdir()
    (pins / "wide").chmod(0o777)
    (pins / "foreign").mkdir()
    os.chown(pins / "foreign", 65534, 65534)
    for name in ("link", "wide", "foreign", "no/where"):
        tracer = load.attach(dataclasses.replace(options, pin_dir=str(pins / name)))
        assert tracer.pinning.startswith("off: ")
        tracer.close()
        with pytest.raises(PinError):
            Pins(str(pins / name))


def test_a_directory_that_is_no_bpffs_leaves_the_agent_without_pins(
    tmp_path: Path, options: Options, target: Puppet, own_number: int
) -> None:
    tracer = load.attach(dataclasses.replace(options, pin_dir=str(tmp_path / "pins")))
    try:
        assert "cannot pin" in tracer.pinning
        os.kill(target.pid, own_number)
        assert len(Reader(tracer, target.pid).read()) == 1
    finally:
        tracer.close()
    assert not list((tmp_path / "pins").iterdir())


def test_close_leaves_no_pin_and_no_object_in_the_kernel(options: Options, pins: Path) -> None:
    tracer = load.attach(dataclasses.replace(options, attempts="on"))
    ours = used_by(pins)
    kinds = [kind for kind, _ in ours]
    assert kinds.count("link") == kinds.count("program") == len(tracer.generation.programs) >= 7
    assert kinds.count("map") == 9
    assert ours <= alive()
    tracer.close()
    assert not list(pins.iterdir())
    wait_gone(ours)


def test_a_stop_that_was_cut_short_is_finished_by_the_next_start(
    options: Options, target: Puppet, own_number: int, pins: Path
) -> None:
    first = load.attach(options)
    os.kill(target.pid, own_number)
    first.detach()
    os.kill(target.pid, own_number)
    first.leave()
    second = load.attach(options)
    try:
        reader = Reader(second, target.pid)
        os.kill(target.pid, own_number)
        reader.read()
        reader.folds()
        assert second.counts().generated[own_number] == len(reader.found) == 2
    finally:
        second.close()
    assert not list(pins.iterdir())
