"""Which Unix signals are recorded, and whose are not: the options that are lists, and filters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from otel_killsnoop import unixsignals
from otel_killsnoop.errors import UsageError
from otel_killsnoop.options import Given

if TYPE_CHECKING:
    from otel_killsnoop.matching import Filter

EVERY = frozenset(range(unixsignals.LAST + 1))
COMM = 15  # bytes: the kernel's name of a task, without its NUL


class Filters(NamedTuple):
    """What --exclude and --include come to; here when there are none.

    named: signals that an --include names.  passing: those of which any can pass.  comms: command
    names of which no signal passes.  results: of which none passes, by the kernel's numbers.
    source_uids, target_uids: users from whom, and to whom, the kernel lets none pass; target_comms:
    command names to which.  keep: what
    is left for user space, if anything.
    """

    named: frozenset[int] = frozenset()
    passing: frozenset[int] = EVERY
    comms: tuple[bytes, ...] = ()
    results: frozenset[int] = frozenset()
    source_uids: tuple[int, ...] = ()
    target_uids: tuple[int, ...] = ()
    target_comms: tuple[bytes, ...] = ()
    keep: Filter | None = None


def filters(exclude: Given, include: Given, faults: list[UsageError]) -> Filters:
    """Read the expressions; what is wrong is appended to the faults."""
    if not exclude.explicit and not include.explicit:
        return Filters()
    from otel_killsnoop.division import divided  # late: most have none

    return divided(exclude, include, faults)


def recorded(
    include: Given, exclude: Given, asked: Filters, faults: list[UsageError]
) -> frozenset[int]:
    """The numbers that are recorded, 0 among them when it was asked for.

    With nothing included: all but 0 and the excluded. Else exactly the included, without those
    that were excluded explicitly: the default exclusion would take away what was just asked for,
    and so it does not count for what an --include names either.
    What is wrong is appended to the faults.
    """
    excluded = _numbers(exclude, faults)
    named = asked.named
    if not exclude.explicit:
        excluded -= named
    if include.explicit:
        numbers = _numbers(include, faults)
        if exclude.explicit:
            numbers -= excluded
    else:
        numbers = (EVERY - {0} | named) - excluded
    return numbers & asked.passing


def check_zero(
    signals: Given, include: Given, asked: Filters, attempts: Given, faults: list[UsageError]
) -> None:
    """With attempts off: a fault when signal 0 is asked for by itself, and not within all."""
    if 0 in map(unixsignals.number, _words(signals)):
        on = signals.on("0")
    elif 0 in asked.named and asked.named != EVERY:
        on = include.on("signal=0")
    else:
        return
    faults.append(
        UsageError(
            "signal 0 cannot be recorded while attempts are off",
            f"{on} beside {attempts.on('off')}",
            "it only tests whether a process exists, and that is seen as an attempt: leave it "
            f"out, or give {attempts.on('auto')}",
        )
    )


def names(given: Given, faults: list[UsageError]) -> tuple[str, ...]:
    """Names of programs, each with words that its arguments must have or without any.

    What is wrong is appended to the faults.
    """
    found = dict.fromkeys(_listed(given, faults))
    for word in found:
        name = word.split(None, 1)[0]  # the words behind it may be paths
        if "/" in name:
            cure = f"give {name.rpartition('/')[2] or 'the name alone'}"
            faults.append(UsageError("a path where a name is wanted", given.on(word), cure))
    return tuple(found)


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
            found |= EVERY
        elif number is None:
            faults.append(
                UsageError(
                    "no such Unix signal",
                    given.on(word),
                    "give a number from 0 to 64 or a name such as KILL or SIGRTMIN+3",
                )
            )
        else:
            found.add(number)
    return frozenset(found)


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
