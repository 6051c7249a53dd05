"""From the build product to a running tracer: maps, programs, attachments, the mapped ring.

tp_btf first; where the kernel has not what that needs, the same program as raw tracepoints.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

from otel_killsnoop.errors import HostError, KernelError, PrivilegeError
from otel_killsnoop.model import KernelCounts
from otel_killsnoop.tracer import bpf, counters, layout, program, symbols
from otel_killsnoop.tracer.ring import Ring, map_ring

# Forks, execs and exits first: what a signal names should be known before it.
_ORDER = ("fork", "exec", "exit", "signal")
_EXEC_BYTES = 32768  # what a per-CPU value holds at most; an exec record needs less
_COMMS = 4096


@dataclass(frozen=True, slots=True)
class Options:
    """recorded: signal numbers.  ignored: source command names.  ring_size: bytes, a power of two.

    root: under which the host's /proc is.  cache: a directory for what is known of the kernel.
    direct: False to use raw tracepoints although tp_btf is to be had.
    """

    recorded: frozenset[int] = frozenset(range(1, 65))
    ignored: tuple[bytes, ...] = ()
    ring_size: int = 16 << 20
    root: str = "/"
    cache: str | None = None
    direct: bool = True


@dataclass(slots=True)
class Tracer:
    """A loaded program. mode: ``tp_btf`` or ``raw_tp``.  made_at: boot ns when the ring was made.

    features: what this kernel lets the program tell, by name.
    """

    ring: Ring
    made_at: int
    mode: str
    features: dict[str, bool]
    _by_number: counters.Elements
    _table: counters.Elements
    _programs: dict[str, int]
    _links: list[int]
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def counts(self) -> KernelCounts:
        """Everything counted up to now; exact for each CPU, and after `detach` for all."""
        sums = counters.by_number(self._by_number.all())
        misses = {}
        for name, descriptor in self._programs.items():
            try:
                misses[name] = bpf.recursion_misses(descriptor)
            except OSError:  # a kernel that does not tell: what it did not count is not made up
                continue
        generated, filtered, folded, lost, submitted = sums
        return KernelCounts(
            generated,
            filtered,
            folded,
            lost,
            submitted,
            counters.table_lost(self._table.all()),
            misses,
        )

    def detach(self) -> None:
        """No event from here on: when this returns, the last record is in the ring."""
        while self._links:
            os.close(self._links.pop())
        bpf.settle()

    def close(self) -> None:
        """Detach and let go of everything; what is in the ring is gone."""
        if self._links:
            self.detach()
        self._by_number.close()
        self._table.close()
        self.ring.close()
        self._held.close()


def attach(options: Options) -> Tracer:
    """Load and attach. `HostError` when this host, as it is, cannot do it."""
    product = program.load()
    known = layout.of_kernel(options.cache)
    wishes = symbols.Wishes(options.recorded, options.ignored, v1_controller(options.root))
    values = symbols.values(known, wishes, os.uname().machine)
    with contextlib.suppress(ValueError, OSError):
        # Before Linux 5.11 maps count against it; from then on a refused raise is no fault.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    ways = [True, False] if options.direct and symbols.is_direct(known) else [False]
    for direct in ways:
        try:
            return _attach(product, known, values, options, direct)
        except KernelError:
            if direct is ways[-1]:
                raise
    raise AssertionError("unreachable: the last way returns or raises")


def _attach(
    product: program.Product,
    known: dict[str, int],
    values: dict[str, int],
    options: Options,
    direct: bool,
) -> Tracer:
    with contextlib.ExitStack() as opened:
        maps = _maps(options, opened)
        made_at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        programs, links = {}, []
        for event in _ORDER:
            one = product.programs[f"on_{event}" if direct else f"on_{event}_raw"]
            descriptor = bpf.load_program(
                bpf.TRACING if direct else bpf.RAW_TRACEPOINT,
                one.filled(values | maps),
                f"killsnoop_{event}",
                known[f"at_{event}"] if direct else 0,
            )
            opened.callback(os.close, descriptor)
            programs[event] = descriptor
        cpus = counters.possible_cpus()
        by_number = _elements(maps["map_counts"], counters.ALL_NUMBERS, cpus)
        table = _elements(
            maps["map_table_counts"], counters.TABLE, cpus * len(counters.TABLE_PROGRAMS)
        )
        try:
            fence = {} if os.uname().machine == "x86_64" else {"fence": bpf.fence}
            ring = map_ring(maps["map_ring"], options.ring_size, **fence)
            for event in _ORDER:
                links.append(_link(programs[event], symbols.TRACEPOINTS[event], direct))
        except OSError as error:
            what = f"cannot map the ring, {error.strerror}"
            raise KernelError(what, f"{options.ring_size} bytes", "lower --ring-size") from error
        features = {
            "call": bool(values["set_pt_regs"]),
            "32-bit calls": bool(values["set_compat"]),
            "cgroup v1": bool(values["set_cgroup_v1"]),
        }
        mode = "tp_btf" if direct else "raw_tp"
        tracer = Tracer(ring, made_at, mode, features, by_number, table, programs, links)
        tracer._held = opened.pop_all()
        return tracer


def _maps(options: Options, opened: contextlib.ExitStack) -> dict[str, int]:
    cpus = counters.possible_cpus()
    table = cpus * len(counters.TABLE_PROGRAMS)
    wanted = {
        "map_ring": (bpf.RINGBUF, 0, 0, options.ring_size, 0),
        "map_counts": (bpf.ARRAY, 4, counters.ALL_NUMBERS.size, cpus, bpf.MMAPABLE),
        "map_table_counts": (bpf.ARRAY, 4, counters.TABLE.size, table, bpf.MMAPABLE),
        "map_exec": (bpf.PERCPU_ARRAY, 4, _EXEC_BYTES, 1, 0),
        "map_comms": (bpf.HASH, 16, 1, _COMMS, 0),
    }
    made = {}
    for name, (kind, key, value, entries, flags) in wanted.items():
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


def _elements(descriptor: int, layout_of: Struct, count: int) -> counters.Elements:
    size = -(-layout_of.size * count // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ)
    return counters.Elements(memory, layout_of, count)


def _link(descriptor: int, tracepoint: str, direct: bool) -> int:
    try:
        return bpf.attach(descriptor, "" if direct else tracepoint)
    except OSError as error:
        what = f"cannot attach, {error.strerror}"
        raise KernelError(what, f"tracepoint {tracepoint}", "report it with `uname -r`") from error


def v1_controller(root: str) -> str | None:
    """The controller whose v1 hierarchy tells where processes run, as /proc/PID/cgroup has it."""
    for pid in ("1", "self"):
        with contextlib.suppress(OSError):
            lines = Path(root, "proc", pid, "cgroup").read_text("utf-8", "replace").splitlines()
            controllers = {name for line in lines for name in line.split(":")[1].split(",")}
            return next((one for one in symbols.CONTROLLERS if one in controllers), None)
    return None
