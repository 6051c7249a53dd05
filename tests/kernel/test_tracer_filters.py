"""What the user asked not to hear of: not recorded, and counted as filtered, exactly."""

from __future__ import annotations

from collections import Counter

import pytest
from puppet import Puppet, puppet
from traced import traced

from otel_killsnoop.model import Signal
from otel_killsnoop.tracer import load

pytestmark = pytest.mark.kernel

ALL = frozenset(range(1, 65))
# Not the two that cannot be ignored, nor the two that the C library keeps to itself, nor those that
# other tests, which may run meanwhile, have for themselves.
SENT = [number for number in (*range(1, 41), 64) if number not in (9, 19, 32, 33)]
MASKS = {
    "all": ALL,
    "none": frozenset(),
    "the first alone": frozenset({1}),
    "the last alone": frozenset({64}),
    "all but the first": ALL - {1},
    "all but the last": ALL - {64},
    "all but both ends": ALL - {1, 64},
    "either side of a word's middle": frozenset({31, 34, 64}),
}
FIFTEEN = b"fifteen-bytes-o"


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
@pytest.mark.parametrize("mask", MASKS)
def test_numbers_that_are_not_recorded_are_counted(mask: str, direct: bool) -> None:
    recorded = MASKS[mask]
    with (
        traced(load.Options(recorded=recorded, direct=direct)) as one,
        puppet() as source,
        puppet() as target,
    ):
        target.do("block")
        target.do("ignore", SENT)
        for number in SENT:
            assert source.do("send", 0, "kill", target.pid, 0, number, 3) == 3
        counts = one.finish()
        seen = Counter(
            event.facts.number
            for event in one.events()
            if isinstance(event, Signal) and event.source_pid == source.pid
        )
    assert seen == {number: 3 for number in SENT if number in recorded}
    for number in ALL:
        kept, dropped = counts.submitted[number], counts.filtered[number]
        assert (dropped if number in recorded else kept) == 0
        assert kept + dropped == counts.generated[number]  # so nothing was lost
        assert number not in SENT or counts.generated[number] >= 3


def from_leader_and_thread(source: Puppet, target: Puppet, number: int, count: int) -> None:
    """Twice count signals: by the leader, and by a thread with a name of its own."""
    source.do("thread")
    source.do("rename", "quite other", 1)
    for thread in (0, 1):
        assert source.do("send", thread, "kill", target.pid, 0, number, count) == count


@pytest.mark.parametrize("direct", [True, False], ids=["tp_btf", "raw_tp"])
@pytest.mark.parametrize("how_many", [1, 2, 4, 5])
def test_sources_of_ignored_names_are_counted(how_many: int, direct: bool, own_number: int) -> None:
    ignored = (b"dot.net", FIFTEEN, b"eightbyt", b") \n\xff", b"e")[-how_many:]
    alike = {
        name
        for one in ignored
        for name in (one[:-1], one + b"x", one[:-1] + b"~", b"x" + one, one.upper())
        if 0 < len(name) < 16 and name not in ignored
    }
    options = load.Options(recorded=frozenset({own_number}), ignored=ignored, direct=direct)
    with traced(options) as one, puppet() as target, puppet() as source:
        target.do("ignore", [own_number])
        source.do("thread")
        for name in ignored:
            # A thread is ignored by the name of its process, whatever its own is.
            source.do("rename", name.decode("latin-1"))
            source.do("rename", "quite other", 1)
            for thread, count in ((0, 11), (1, 13)):
                sent = source.do("send", thread, "kill", target.pid, 0, own_number, count)
                assert sent == count
        assert (c := one.counts()).filtered[own_number] == c.generated[own_number]
        for name in alike:
            # And is not, by its own name alone.
            source.do("rename", name.decode("latin-1"))
            source.do("rename", ignored[0].decode("latin-1"), 1)
            for thread, count in ((0, 3), (1, 5)):
                sent = source.do("send", thread, "kill", target.pid, 0, own_number, count)
                assert sent == count
        counts = one.finish()
        seen = [event for event in one.events() if isinstance(event, Signal)]
    assert counts.filtered[own_number] == 24 * len(ignored)
    assert counts.submitted[own_number] == 8 * len(alike)
    assert Counter(event.source_comm for event in seen) == Counter(dict.fromkeys(alike, 8))


def test_a_name_longer_than_the_kernel_keeps_means_what_the_kernel_keeps(own_number: int) -> None:
    """The option says ``kubelet-of-this-node``; the kernel says its first 15 bytes."""
    with (
        traced(load.Options(ignored=(FIFTEEN + b"-and-more",))) as one,
        puppet() as target,
        puppet() as source,
    ):
        target.do("ignore", [own_number])
        source.do("rename", (FIFTEEN + b"-and-more").decode())
        from_leader_and_thread(source, target, own_number, 7)
        counts = one.finish()
    assert (counts.filtered[own_number], counts.submitted[own_number]) == (14, 0)


def test_a_name_given_by_exec_counts_as_the_one_before_did(own_number: int) -> None:
    """A shorter name after a longer one: what the kernel keeps behind its end does not matter."""
    with traced(load.Options(ignored=(b"sleep",))) as one, puppet() as target, puppet() as source:
        target.do("ignore", [own_number])
        source.do("rename", "sleeping-beauty")
        from_leader_and_thread(source, target, own_number, 2)
        source.do("rename", "sleep")
        assert source.do("send", 0, "kill", target.pid, 0, own_number, 5) == 5
        counts = one.finish()
    assert (counts.filtered[own_number], counts.submitted[own_number]) == (5, 4)


def test_a_thousand_ignored_names(own_number: int) -> None:
    ignored = tuple(b"service-%d" % number for number in range(1000))
    with traced(load.Options(ignored=ignored)) as one, puppet() as target, puppet() as source:
        target.do("ignore", [own_number])
        for name in ("service-0", "service-999", "service-1000", "service-"):
            source.do("rename", name)
            assert source.do("send", 0, "kill", target.pid, 0, own_number, 3) == 3
        counts = one.finish()
    assert (counts.filtered[own_number], counts.submitted[own_number]) == (6, 6)
