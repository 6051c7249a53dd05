"""The flat dict says what the wire says, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    OOM,
    REFUSED,
    RESOURCE,
    SEGV,
    SIZES,
    TESTED,
    death,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Death, Details, Joined, Side
from otel_killsnoop.records.exit import ExitEncoder
from otel_killsnoop.records.flat import Flattener
from otel_killsnoop.records.record import Encoder

CASES = {
    "usual": joined(usual_lineage(process(pid=42), 8), usual_lineage(process(), 3)),
    "no source": joined(None, usual_lineage(process(), 3), SEGV, target_tid=77),
    "thread": joined(usual_lineage(process(), 1), lineage(process(pid=9)), KILL, source_tid=5),
    "any bytes": joined(
        lineage(process(comm=b"\xff)\n", args=(b"\xfe\x00", b""), cgroup="\udcff"), complete=False),
        lineage(process(container_id="4813c0ed0a96", pod_uid="275ecb36", vpid=3)),
    ),
    "oom": joined(None, usual_lineage(process(), 3), OOM, Details(oom=SIZES)),
    "group": joined(
        lineage(process(pid=42, login_uid=1000, login_user="deploy", audit_session=3)),
        lineage(process(title=b"nginx: \xff")),
        replace(KILL, disposition="handled", forged=True),
        Details(argument=-7, group_id=77, group_size=2),
    ),
    "cgroup": joined(usual_lineage(process(), 8), lineage(process()), KILL, Details(cgroup=7)),
    "refused": joined(usual_lineage(process(), 1), None, REFUSED, Details(argument=-7)),
    "refused, who knows": joined(usual_lineage(process(), 1), None, REFUSED),
    "tested": joined(usual_lineage(process(), 1), lineage(process(pid=9)), TESTED),
    "cut": joined(None, lineage(process(args=(b"x" * 20_000,)), process(args=(b"y" * 999,)))),
}


DEATHS = {
    "killed": death(usual_lineage(process(), 8), killer=77),
    "core dumped": death(lineage(process(comm=b"\xff")), 11 | 0x80),
    "cut": death(lineage(process(args=(b"x" * 20_000,))), 15, run_time=0),
}


def parent_of(side: Side) -> Any:
    return side.parent.process if side.parent else None


def path_of(number: int) -> str:
    return f"/{number}.slice"


def assert_same(flat: dict[str, object], wire: Any) -> None:
    assert json.loads(json.dumps(flat)) == flat
    assert flat.pop("body") == wire.record.body.string_value
    assert flat.pop("severity") == wire.record.severity_text
    seconds, rest = divmod(wire.record.time_unix_nano, 1_000_000_000)
    assert flat.pop("time") == f"2026-09-22T14:15:{seconds % 60:02d}.{rest:09d}Z"
    said = wire.resource | wire.attributes
    assert flat == said
    assert {name: type(value) for name, value in flat.items()} == {
        name: type(value) for name, value in said.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_the_flat_record_is_the_wire_and_three_more(case: str, read: Callable[..., Any]) -> None:
    one: Joined = CASES[case]
    asked = {"initiator": parent_of, "cgroup": path_of}
    encoder = Encoder(RESOURCE, BOOT_ID, 5, OFFSET, **asked)
    (wire,) = read(encoder.encode([one], OFFSET, OBSERVED)[0])
    assert wire.record.time_unix_nano == 1_790_086_500_123_456_789
    assert_same(Flattener(RESOURCE, BOOT_ID, 5, OFFSET, **asked).flat(one, OFFSET), wire)


@pytest.mark.parametrize("case", DEATHS)
def test_the_flat_death_is_the_wire_and_three_more(case: str, read: Callable[..., Any]) -> None:
    one: Death = DEATHS[case]
    encoder = ExitEncoder(RESOURCE, BOOT_ID, 5, OFFSET)
    (wire,) = read(encoder.encode([one], OFFSET, OBSERVED)[0])
    assert_same(Flattener(RESOURCE, BOOT_ID, 5, OFFSET).flat_death(one, OFFSET), wire)
