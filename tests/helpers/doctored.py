"""A layout cache that says of this kernel what is not true, so that a test can be on another."""

from __future__ import annotations

import json
from pathlib import Path

from otel_killsnoop.tracer import layout

CACHE = "kernel-layout.json"


def doctored(cache: Path, **changes: int | None) -> dict[str, int]:
    """What is known of this kernel, with these changes, in the file as if BTF had said so."""
    found = layout.of_kernel(str(cache))
    content = json.loads((cache / CACHE).read_bytes())
    assert content["layout"] == found
    for name, value in changes.items():
        del content["layout"][name]
        if value is not None:
            content["layout"][name] = value
    (cache / CACHE).write_text(json.dumps(content))
    answer: dict[str, int] = content["layout"]
    return answer
