"""Attaching where pins are: to adopt what an agent before this one left, or to take its place."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from otel_killsnoop.tracer import inherit, settling
from otel_killsnoop.tracer.attached import Tracer
from otel_killsnoop.tracer.generation import Generation
from otel_killsnoop.tracer.notes import Lost, Spans
from otel_killsnoop.tracer.pins import LINK, PROGRAM, Pins
from otel_killsnoop.tracer.succession import APART

if TYPE_CHECKING:
    from otel_killsnoop.tracer.load import Plan

_WHY = 1024  # bytes of why a generation fell back that its notes keep

Load = Callable[["Plan"], Generation]


def attach(plan: Plan, path: str, load: Load) -> Tracer:
    """load: makes a generation, attached.

    `PinError` when nothing can be pinned there; then nothing of ours is attached.
    """
    pins = Pins(path)
    try:
        return _attach(plan, pins, load)
    except BaseException:
        pins.close()
        raise


def _attach(plan: Plan, pins: Pins, load: Load) -> Tracer:
    wanted = inherit.Wanted(plan.options, inherit.wishes(plan.options, plan.direct), plan.code)
    names = pins.generations()
    why = ""
    if names:
        try:
            adopted = inherit.adopt(pins, names[-1], wanted)
        except inherit.Strange as strange:
            why = str(strange)
        else:
            tracer = Tracer(adopted, plan.features(), "adopted")
            _succeed(tracer, pins, names[-1], names[:-1], "")
            return tracer
    loaded = load(plan)
    try:
        attached = time.monotonic()
        _hand_on(loaded, pins, names)
        pins.begin()
        name = _pin(loaded, pins, wanted)
    except BaseException:
        loaded.close()
        pins.abandon()
        raise
    if names:
        # So that of no event the copies can be taken for two.
        time.sleep(max(0.0, attached + 1.5 * APART / 1e9 - time.monotonic()))
    tracer = Tracer(loaded, plan.features(), "took over" if names else "fresh")
    _succeed(tracer, pins, name, names, why)
    return tracer


def _succeed(tracer: Tracer, pins: Pins, name: str, before: list[str], why: str) -> None:
    """End the programs of older generations, and read what they left first."""
    if before:
        _end(pins, before)
    older, unread = {}, {}
    for one in before:
        found = inherit.older(pins, one)
        if isinstance(found, Generation):
            older[one] = found
        else:
            unread[one] = found
    tracer.why = why
    tracer.succeed(pins, name, older, unread)


def _end(pins: Pins, names: list[str]) -> None:
    """End the programs of these generations: when this returns, their last records are there."""
    with contextlib.ExitStack() as held:
        settle = settling.settler(held)
        # The name must not be the last that holds a link: then the kernel ends it some time later.
        for name in names:
            for one in filter(lambda one: one.startswith(LINK), pins.names(name)):
                with contextlib.suppress(OSError):
                    held.callback(os.close, pins.get(name, one))
            pins.unpin(name, LINK)
        settle()  # and till then a name may hold it
        held.pop_all().close()
        settle()


def _hand_on(loaded: Generation, pins: Pins, names: list[str]) -> None:
    """What older generations' losses were told of is told; what was being told still is."""
    told: list[Lost] = []
    telling: tuple[int, Lost, Spans] | None = None
    for name in names:
        one = inherit.older(pins, name)
        if isinstance(one, Generation):
            told.append(one.notes.told)
            telling = one.notes.telling
            one.close()
    if told:
        loaded.notes.tell(1, _sum(told), dict.fromkeys(Lost._fields, (0, 0)))
        loaded.notes.is_told()
    if telling is not None:
        since, up_to, spans = telling
        loaded.notes.tell(since, _sum([*told[:-1], up_to]), spans)


def _sum(lost: list[Lost]) -> Lost:
    return Lost._make(map(sum, zip(*lost, strict=True)))


def _pin(loaded: Generation, pins: Pins, wanted: inherit.Wanted) -> str:
    loaded.notes.write(
        {
            **wanted.wishes,
            "made_at": loaded.made_at,
            "mode": loaded.mode,
            "seen_by": loaded.attempts,
            "fell_back": loaded.fell_back[:_WHY],
            "programs": len(loaded.links),
        }
    )
    for name, descriptor in loaded.maps.items():
        pins.add(name, descriptor)
    for name, descriptor in loaded.programs.items():
        pins.add(PROGRAM + name, descriptor)
    for name, descriptor in loaded.links.items():
        pins.add(LINK + name, descriptor)
    return pins.publish()
