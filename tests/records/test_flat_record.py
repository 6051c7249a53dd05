"""The flat dict says what the wire says, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from made_signals import (
    BOOT_ID,
    KILL,
    OBSERVED,
    OFFSET,
    RESOURCE,
    SEGV,
    joined,
    lineage,
    process,
    usual_lineage,
)

from otel_killsnoop.model import Joined
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
    "cut": joined(None, lineage(process(args=(b"x" * 20_000,)), process(args=(b"y" * 999,)))),
}


@pytest.mark.parametrize("case", CASES)
def test_the_flat_record_is_the_wire_and_three_more(case: str, read: Callable[..., Any]) -> None:
    one: Joined = CASES[case]
    (request,) = Encoder(RESOURCE, BOOT_ID, 5, OFFSET).encode([one], OFFSET, OBSERVED)
    (wire,) = read(request)
    flat = Flattener(RESOURCE, BOOT_ID, 5, OFFSET).flat(one, OFFSET)
    assert json.loads(json.dumps(flat)) == flat
    assert flat.pop("body") == wire.record.body.string_value
    assert flat.pop("severity") == wire.record.severity_text
    time = str(flat.pop("time"))
    assert time == "2026-09-22T14:15:00.123456789Z"
    assert wire.record.time_unix_nano == 1_790_086_500_123_456_789
    assert flat == wire.resource | wire.attributes
