"""The kernel program's maps: made, filled with what never changes, and mapped to be read."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from collections.abc import Mapping
from struct import Struct

from otel_killsnoop.errors import HostError, KernelError, PrivilegeError
from otel_killsnoop.tracer import bpf, counters, folds, notes, symbols, turns
from otel_killsnoop.tracer.options import Options

NOTES = "map_notes"  # no program's: what one agent leaves for the next
_EXEC_BYTES = 32768  # what a per-CPU value holds at most; an exec record needs less
_COMMS = 4096


def wanted(options: Options) -> dict[str, tuple[int, int, int, int, int]]:
    """By symbol: kind, size of a key and of a value, entries, flags."""
    cpus = counters.possible_cpus()
    table = cpus * len(counters.TABLE_PROGRAMS)
    made = {
        "map_ring": (bpf.RINGBUF, 0, 0, options.ring_size, 0),
        "map_counts": (bpf.ARRAY, 4, counters.ALL_NUMBERS.size, cpus, bpf.MMAPABLE),
        "map_table_counts": (bpf.ARRAY, 4, counters.TABLE.size, table, bpf.MMAPABLE),
        "map_exec": (bpf.PERCPU_ARRAY, 4, _EXEC_BYTES, 1, 0),
        "map_comms": (bpf.HASH, 16, 1, _COMMS, 0),
        "map_epoch": (bpf.ARRAY, 4, turns.BYTES, 1, bpf.MMAPABLE),
        "map_fold0": (bpf.HASH, folds.KEY.size, folds.FOLD.size, folds.ENTRIES, 0),
        "map_fold1": (bpf.HASH, folds.KEY.size, folds.FOLD.size, folds.ENTRIES, 0),
    }
    if options.pin_dir is not None:
        made[NOTES] = (bpf.ARRAY, 4, notes.BYTES, 1, bpf.MMAPABLE)
    return made


def make(options: Options, opened: contextlib.ExitStack) -> dict[str, int]:
    """The descriptors by symbol, closed with ``opened``. `HostError` when one cannot be made."""
    made = {}
    for name, (kind, key, value, entries, flags) in wanted(options).items():
        try:
            made[name] = bpf.create_map(kind, key, value, entries, flags, name)
        except OSError as error:
            raise _refused(name, options, error) from error
        opened.callback(os.close, made[name])
    if len(options.ignored) > _COMMS:
        cure = f"name at most {_COMMS}"
        raise KernelError("too many command names", "--ignore-source-comm", cure)
    if len(options.ignored) > symbols.COMMS_IN_LINE:
        for comm in options.ignored:
            bpf.update(made["map_comms"], symbols.key(comm), b"\1")
    return made


def _refused(name: str, options: Options, error: OSError) -> HostError:
    what = f"the kernel does not make the map {name}, {error.strerror}"
    if error.errno == errno.EPERM:
        cure = "run as root, or with CAP_BPF and CAP_PERFMON; before 5.11 raise RLIMIT_MEMLOCK"
        return PrivilegeError(what, "bpf(2)", cure)
    if name == "map_ring" and error.errno == errno.EINVAL:
        return KernelError(what, "bpf(2)", "use Linux 5.8 or later: it has the ring buffer")
    cure = "free some memory, or lower --ring-size"
    return KernelError(what, f"{options.ring_size} bytes of ring", cure)


def writable(descriptor: int, size: int = mmap.PAGESIZE) -> mmap.mmap:
    """A mapped array of at most so many bytes, to be written to. OSError if it cannot be mapped."""
    return mmap.mmap(descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE, mmap.MAP_SHARED)


def notes_of(made: Mapping[str, int]) -> notes.Notes:
    """Those of these maps, or if they have none, in memory of our own."""
    if NOTES in made:
        return notes.Notes(writable(made[NOTES], notes.BYTES))
    return notes.Notes(mmap.mmap(-1, notes.BYTES))


def elements(descriptor: int, layout_of: Struct, count: int) -> counters.Elements:
    """The counters in a mapped array. OSError if it cannot be mapped."""
    size = -(-layout_of.size * count // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
    return counters.Elements(memory, layout_of, count)
