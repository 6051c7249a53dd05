"""Records of attempts, of sends to groups, and of who started it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    REFUSED,
    RESOURCE,
    TESTED,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Details, Process, Side
from otel_killsnoop.records.record import Encoder


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(RESOURCE, BOOT_ID, 8, OFFSET)


@pytest.mark.parametrize(
    ("call", "argument", "expected"),
    [
        ("kill", 77, "SIGTERM from bash[42] to 77 refused (ESRCH)"),
        ("kill", -77, "SIGTERM from bash[42] to group 77 refused (ESRCH)"),
        ("kill", 0, "SIGTERM from bash[42] to its group refused (ESRCH)"),
        ("kill", -1, "SIGTERM from bash[42] to all processes refused (ESRCH)"),
        ("tgkill", -1, "SIGTERM from bash[42] to -1 refused (ESRCH)"),
        ("tkill", 0, "SIGTERM from bash[42] to 0 refused (ESRCH)"),
        ("pidfd_send_signal", 5, "SIGTERM from bash[42] to descriptor 5 refused (ESRCH)"),
        ("kill", None, "SIGTERM from bash[42] refused (ESRCH)"),
    ],
)
def test_an_attempt_without_a_target_names_whom_it_meant(
    encoder: Encoder, read: Callable[..., Any], call: str, argument: int | None, expected: str
) -> None:
    source = lineage(process(pid=42, comm=b"bash"))
    facts = replace(REFUSED, call=call)
    some = None if argument is None else Details(argument=argument)
    batch = [joined(source, None, facts, some, sequence=n) for n in (1, 2)]
    for one in read(encoder.encode(batch, OFFSET, OBSERVED)[0]):
        assert one.record.body.string_value == expected
        assert one.record.severity_text == "INFO"
        assert one.attributes["error.type"] == "ESRCH"
        assert one.attributes.get("killsnoop.signal.argument") == argument
        assert not any(name.startswith("killsnoop.target") for name in one.resource)
        assert not any(name.startswith("killsnoop.target") for name in one.attributes)


def test_attempts_on_a_process_say_what_came_of_them(
    encoder: Encoder, read: Callable[..., Any]
) -> None:
    source, target = lineage(process(pid=42, comm=b"bash")), lineage(process())
    refused = replace(REFUSED, error="EPERM")
    batch = [joined(source, target, facts) for facts in (refused, TESTED)]
    denied, tested = read(encoder.encode(batch, OFFSET, OBSERVED)[0])
    assert denied.record.body.string_value == "SIGTERM from bash[42] to nginx[1234] refused (EPERM)"
    assert tested.record.body.string_value == "SIG0 from bash[42] to nginx[1234] tested"
    assert tested.resource["killsnoop.target.process.pid"] == 1234


def test_members_of_a_group_share_the_uid_of_the_first(
    encoder: Encoder, read: Callable[..., Any]
) -> None:
    source = lineage(process(pid=42))
    first, second = Details(argument=-9, group_id=5, group_size=2), Details(argument=0, group_id=9)
    batch = [
        joined(source, lineage(process(pid=n)), KILL, some, sequence=n)
        for n, some in ((5, first), (6, first), (9, second), (10, second), (11, None))
    ]
    groups = {
        one.attributes["log.record.uid"]: one.attributes.get("killsnoop.signal.group.id")
        for one in read(encoder.encode(batch, OFFSET, OBSERVED)[0])
    }
    uids = {n: f"{BOOT_ID}-{n:016x}" for n in (5, 6, 9, 10, 11)}
    assert groups == {
        uids[5]: uids[5],
        uids[6]: uids[5],
        uids[9]: uids[9],
        uids[10]: uids[9],
        uids[11]: None,
    }


def test_a_cgroup_that_is_known_later_is_named_from_the_next_batch_on(
    read: Callable[..., Any],
) -> None:
    paths: dict[int, str] = {}
    encoder = Encoder(RESOURCE, BOOT_ID, 8, OFFSET, cgroup=paths.get)
    one = joined(lineage(process(pid=42)), lineage(process()), KILL, Details(cgroup=7))
    (before,) = read(encoder.encode([one], OFFSET, OBSERVED)[0])
    paths[7] = "/app.slice"
    (after,) = read(encoder.encode([one], OFFSET, OBSERVED)[0])
    assert "killsnoop.signal.cgroup" not in before.attributes
    assert after.attributes["killsnoop.signal.cgroup"] == "/app.slice"


def test_the_initiator_is_asked_for_once_a_source(read: Callable[..., Any]) -> None:
    asked = []

    def initiator(side: Side) -> Process | None:
        asked.append(side)
        return side.parent.process if side.parent else None

    encoder = Encoder(RESOURCE, BOOT_ID, 8, OFFSET, initiator=initiator)
    sources = [usual_lineage(process(pid=pid), 2) for pid in (42, 43)]
    targets = [lineage(process(pid=pid)) for pid in range(100, 110)]
    batch = [joined(source, target) for source in (*sources, None) for target in targets] * 2
    for _ in range(2):
        for one in read(encoder.encode(batch, OFFSET, OBSERVED)[0]):
            has_source = "killsnoop.source.process.pid" in one.resource
            assert ("killsnoop.source.initiator.pid" in one.resource) == has_source
            assert "killsnoop.target.initiator.pid" not in one.resource
    assert asked == sources


def test_a_source_that_is_its_own_initiator_says_nothing_of_it(read: Callable[..., Any]) -> None:
    source = lineage(process(pid=42))
    for found in (None, source.process, replace(source.process, comm=b"renamed")):
        encoder = Encoder(RESOURCE, BOOT_ID, 8, OFFSET, initiator=lambda side, one=found: one)
        (got,) = read(encoder.encode([joined(source, source)], OFFSET, OBSERVED)[0])
        assert not any("initiator" in name for name in got.resource)
