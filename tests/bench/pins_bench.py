"""How long an agent takes from exec to being attached: anew, pinned, adopting, replacing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from bpf_objects import place_for_pins
from report import Row, table

# What `otel-killsnoop run` does up to there, and then when it was done.
_AGENT = """
import os, time
from otel_killsnoop import agent, cli, settings
from otel_killsnoop.tracer import load
tracer = load.attach(agent.tracer_options(settings.load({}, os.environ, False)))
now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
print(tracer.origin, now)
tracer.close() if os.environ["ENDS"] == "close" else tracer.leave()
"""


def run(rounds: int) -> None:
    anew = Row("without pins: attached", "ms")
    pinned = Row("pinned anew: attached and pinned", "ms")
    adopted = Row("adopted", "ms")
    replaced = Row("another's place taken", "ms")
    with tempfile.TemporaryDirectory() as cache, place_for_pins() as pins:
        settings = {"XDG_CACHE_HOME": cache, "KILLSNOOP_PIN_DIR": str(pins)}
        _attach("fresh", KILLSNOOP_PIN="off", **settings)  # fills the cache
        for _ in range(rounds):
            anew.values.append(_attach("fresh", KILLSNOOP_PIN="off", **settings))
            pinned.values.append(_attach("fresh", **settings))
            adopted.values.append(_attach("adopted", **settings))
            replaced.values.append(_attach("took over", KILLSNOOP_FOLD_BURST="9", **settings))
            _attach("adopted", KILLSNOOP_FOLD_BURST="9", ENDS="close", **settings)
    anew.note("budget 60")
    notes = [
        "From just before exec to the return of the function that attaches, with what is",
        "imported before it; the kernel's layout is known. In the place of another the new",
        "programs are attached some 50 ms before it returns: both record meanwhile.",
    ]
    table("pins: milliseconds from exec", [anew, pinned, adopted, replaced], notes)


def _attach(origin: str, **settings: str) -> float:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "KILLSNOOP_"))
    }
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    done = subprocess.run(
        [sys.executable, "-c", _AGENT],
        env={"ENDS": "leave", **environment, **settings},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found, _, now = done.stdout.strip().rpartition(" ")
    assert found == origin
    return (int(now) - began) / 1e6
