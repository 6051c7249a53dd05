"""Which Unix signals are recorded, and whose are not: the options that are lists."""

from __future__ import annotations

import os
from collections.abc import Iterator

from otel_killsnoop import unixsignals
from otel_killsnoop.errors import UsageError
from otel_killsnoop.options import Given

ALL = frozenset(range(1, unixsignals.LAST + 1))
COMM = 15  # bytes: the kernel's name of a task, without its NUL


def recorded(include: Given, exclude: Given, faults: list[UsageError]) -> frozenset[int]:
    """The numbers that are recorded.

    With nothing included: all but the excluded. Else exactly the included, without those that
    were excluded explicitly: the default exclusion would take away what was just asked for.
    What is wrong is appended to the faults.
    """
    if 0 in map(unixsignals.number, _words(include)):
        faults.append(
            UsageError(
                "signal 0 cannot be recorded by this version",
                include.on("0"),
                "it only tests whether a process exists and is no signal that the kernel "
                "generates: leave it out",
            )
        )
    excluded = _numbers(exclude, faults)
    if not include.explicit:
        return ALL - excluded
    included = _numbers(include, faults)
    return included - excluded if exclude.explicit else included


def ignored_comms(given: Given, faults: list[UsageError]) -> tuple[bytes, ...]:
    """Command names, each as the kernel has it; what is wrong is appended to the faults."""
    found: dict[bytes, None] = {}
    for word in _listed(given, faults):
        comm = os.fsencode(word)
        if len(comm) > COMM:
            faults.append(
                UsageError(
                    f"a command name of {len(comm)} bytes matches nothing",
                    given.on(word),
                    f"the kernel keeps the first {COMM}: give {os.fsdecode(comm[:COMM])!r}",
                )
            )
        found[comm] = None
    return tuple(found)


def _numbers(given: Given, faults: list[UsageError]) -> frozenset[int]:
    """The numbers that a list of signals names."""
    found: set[int] = set()
    for word in _listed(given, faults):
        number = unixsignals.number(word)
        if word.lower() == "all":
            found |= ALL
        elif number is None:
            faults.append(
                UsageError(
                    "no such Unix signal",
                    given.on(word),
                    "give a number from 1 to 64 or a name such as KILL or SIGRTMIN+3",
                )
            )
        else:
            found.add(number)
    return frozenset(found) - {0}


def _listed(given: Given, faults: list[UsageError]) -> list[str]:
    """The words of a list; none for the word ``none``, which stands alone."""
    words = list(_words(given))
    if given.explicit and not words:
        faults.append(UsageError("an empty list", given.origin, "say none to name nothing"))
    if "none" not in map(str.lower, words):
        return words
    if len(words) > 1:
        faults.append(
            UsageError(
                "none stands beside other values",
                given.on(",".join(words)),
                "give one or the other",
            )
        )
    return []


def _words(given: Given) -> Iterator[str]:
    for text in given.texts:
        yield from filter(None, map(str.strip, text.split(",")))
