"""What the tracer is to do, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """recorded: signal numbers.  ignored: source command names.  ring_size: bytes, a power of two.

    results: those of which signals are left out, by the kernel's number.  source_uids,
    target_uids: users of either side whose signals are left out, target_comms: command names to
    whom they are; at most four of each.
    root: under which the host's /proc is.  cache: a directory for what is known of the kernel.
    attempts: ``off``; ``auto``, where they cost other system calls nothing; ``on``, in any case.
    zero: whether attempts with signal 0 are recorded.  burst: repeats a second that are recorded
    before they are counted instead, 0 to record all.  direct: False to use raw tracepoints
    although tp_btf is to be had.
    pin_dir: where what outlives this process is pinned, None for nothing.
    """

    recorded: frozenset[int] = frozenset(range(1, 65))
    ignored: tuple[bytes, ...] = ()
    ring_size: int = 16 << 20
    root: str = "/"
    cache: str | None = None
    results: frozenset[int] = frozenset()
    source_uids: tuple[int, ...] = ()
    target_uids: tuple[int, ...] = ()
    target_comms: tuple[bytes, ...] = ()
    attempts: str = "off"
    zero: bool = False
    burst: int = 0
    direct: bool = True
    pin_dir: str | None = None
