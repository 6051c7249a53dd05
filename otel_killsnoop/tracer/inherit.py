"""What an agent before this one left pinned: whether it is what this one would load, and if not,
what can be read of it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from otel_killsnoop.errors import KillsnoopError
from otel_killsnoop.tracer import contract, maps, objects
from otel_killsnoop.tracer.generation import Generation, opened
from otel_killsnoop.tracer.notes import BYTES, Notes
from otel_killsnoop.tracer.options import Options
from otel_killsnoop.tracer.pins import LINK, PROGRAM, Pins
from otel_killsnoop.tracer.program import CONTRACT
from otel_killsnoop.tracer.ring import map_ring
from otel_killsnoop.tracer.symbols import COMMS_IN_LINE

_KIND = Struct("=I")


class Strange(Exception):  # noqa: N818  # a finding, not an error of ours
    """Pins are not what this agent would load: why not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this agent would load. options: its own.  wishes: what its notes would say of them.

    code: the instructions of a program by its name and mode, with all maps' descriptors 0.
    """

    options: Options
    wishes: Mapping[str, Any]
    code: Callable[[str, str], bytes]


def wishes(options: Options, direct: bool) -> dict[str, Any]:
    """Of what was asked for, what the instructions do not show."""
    comms = ""
    if len(options.ignored) > COMMS_IN_LINE:
        import hashlib

        comms = hashlib.sha256(b"\0".join(sorted(options.ignored))).hexdigest()
    return {
        "contract": CONTRACT,
        "ring_size": options.ring_size,
        "direct": direct,
        "attempts": options.attempts,
        "comms": comms,
    }


def tags(code: bytes) -> frozenset[bytes]:
    """What the kernel may call a program of these instructions, maps' descriptors being 0.

    It hashes them as they were loaded, but for the descriptors of maps: by SHA-1, and by SHA-256
    since 6.18. A kernel that does it in another way is one whose pins are never adopted.
    """
    import hashlib  # 2 ms, which only an adoption has to pay

    hashes = (hashlib.sha256(code), hashlib.sha1(code, usedforsecurity=False))
    return frozenset(one.digest()[:8] for one in hashes)


def adopt(pins: Pins, name: str, wanted: Wanted) -> Generation:
    """The generation as our own. `Strange` when it is not what this agent would load."""
    with _open(pins, name) as (found, held):
        about = _about(found)
        for wish, value in wanted.wishes.items():
            if about.get(wish) != value:
                raise Strange(f"{wish} was {about.get(wish)!r}, and is {value!r} now")
        numbers = _check_maps(found, wanted.options)
        programs, links = _sorted(found)
        if not links or set(links) != set(programs) or len(links) != about["programs"]:
            raise Strange("the agent before this one was stopping")
        for program, descriptor in programs.items():
            seen = objects.program_info(descriptor)
            if seen.tag not in tags(wanted.code(program, about["mode"])):
                raise Strange(f"the program {program} is another, tag {seen.tag.hex()}")
            if not seen.maps <= numbers:
                raise Strange(f"the program {program} has other maps")
            if objects.program_of_link(links[program]) != seen.identity:
                raise Strange(f"the link of {program} is another program's")
        ring_size = wanted.options.ring_size
        made = opened(about["made_at"], found, programs, ring_size, (False,), held)
        made.mode, made.attempts = about["mode"], about["seen_by"]
        made.fell_back = about["fell_back"]
        made.links = links  # which go before all others
        for link in links:
            del found[LINK + link]
        made.held = held.pop_all()
        return made


def older(pins: Pins, name: str) -> Generation | int:
    """A generation to be read to its end, with no program attached; or how many signals are in it.

    The latter when they cannot be read. Its links are to be gone before.
    """
    try:
        with _open(pins, name) as (found, held):
            about = _about(found)
            if about.get("contract") != CONTRACT:
                raise Strange("another contract")
            if not {"map_ring", "map_counts"} <= set(found):
                raise Strange("it was being removed")
            programs, _ = _sorted(found)
            size = objects.map_info(found["map_ring"]).entries
            made = opened(about["made_at"], found, programs, size, (False, True), held)
            made.held = held.pop_all()
            return made
    except (Strange, KillsnoopError):
        return _unread(pins, name)


def _unread(pins: Pins, name: str) -> int:
    """How many signals are in a ring of another contract: each has a record's kind in front."""
    try:
        descriptor = pins.get(name, "map_ring")
    except OSError:
        return 0
    try:
        ring = map_ring(descriptor, objects.map_info(descriptor).entries)
    except (OSError, KillsnoopError):
        return 0
    finally:
        os.close(descriptor)
    try:
        count = 0
        while records := ring.read(4096):
            kinds = [_KIND.unpack_from(payload)[0] for _, payload in records if len(payload) >= 4]
            count += kinds.count(contract.SIGNAL)
        return count
    except KillsnoopError:
        return count
    finally:
        ring.close()


def _close(found: dict[str, int], name: str) -> None:
    if name in found:
        os.close(found[name])


@contextlib.contextmanager
def _open(pins: Pins, name: str) -> Iterator[tuple[dict[str, int], contextlib.ExitStack]]:
    """Everything in a generation, closed after unless the stack is emptied."""
    with contextlib.ExitStack() as held:
        found = {}
        try:
            for one in pins.names(name):
                found[one] = pins.get(name, one)
                held.callback(_close, found, one)
        except OSError as error:
            raise Strange(f"the pin {one} cannot be opened, {error.strerror}") from error
        yield found, held


def _about(found: Mapping[str, int]) -> dict[str, Any]:
    """What the notes say, as far as they can be understood."""
    if maps.NOTES not in found:
        raise Strange("there are no notes")
    try:
        notes = Notes(maps.writable(found[maps.NOTES], BYTES))
    except (OSError, ValueError) as error:
        raise Strange("the notes are of another form") from error
    about = notes.read()
    notes.close()
    kinds = {
        "contract": int,
        "made_at": int,
        "mode": str,
        "seen_by": str,
        "programs": int,
        "fell_back": str,
    }
    if any(type(about.get(one)) is not kind for one, kind in kinds.items()):
        raise Strange("the notes are not understood")
    return about


def _check_maps(found: Mapping[str, int], options: Options) -> frozenset[int]:
    """The kernel's numbers of the maps, which are as this agent would make them."""
    numbers = set()
    for name, (kind, key, value, entries, flags) in maps.wanted(options).items():
        if name not in found:
            raise Strange(f"the map {name} is not there")
        info = objects.map_info(found[name])
        if info._replace(identity=0) != (kind, 0, key, value, entries, flags):
            raise Strange(f"the map {name} is another")
        numbers.add(info.identity)
    return frozenset(numbers)


def _sorted(found: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Programs and links by their names."""
    programs = {
        name.removeprefix(PROGRAM): descriptor
        for name, descriptor in found.items()
        if name.startswith(PROGRAM)
    }
    links = {
        name.removeprefix(LINK): descriptor
        for name, descriptor in found.items()
        if name.startswith(LINK)
    }
    return programs, links
