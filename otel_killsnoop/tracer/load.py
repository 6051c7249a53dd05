"""From the build product to a running tracer: maps, programs, attachments, the mapped ring.

tp_btf first; where the kernel has not what that needs, the same program as raw tracepoints.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from otel_killsnoop.errors import KernelError
from otel_killsnoop.model import KernelCounts
from otel_killsnoop.tracer import (
    attempts,
    bpf,
    counters,
    folds,
    layout,
    maps,
    program,
    settling,
    symbols,
)
from otel_killsnoop.tracer.members import TRACEPOINTS
from otel_killsnoop.tracer.options import Options
from otel_killsnoop.tracer.ring import Ring, map_ring
from otel_killsnoop.tracer.tally import Tally
from otel_killsnoop.tracer.turns import Turns

# Forks, execs and exits first: what a signal names should be known before it.
_ORDER = ("cgroup", "fork", "exec", "exit", "oom", "signal")


@dataclass(slots=True)
class Tracer:
    """A loaded program. mode: ``tp_btf`` or ``raw_tp``.  made_at: boot ns when the ring was made.

    features: what this kernel lets the program tell, by name.  attempts: ``off``, or by what
    refused calls are seen: ``fexit`` or ``sys_exit``.  fell_back: why it is raw_tp, if it is.
    """

    ring: Ring
    folds: folds.Folds
    made_at: int
    mode: str
    features: dict[str, bool]
    attempts: str
    _tally: Tally
    _settle: Callable[[], None]
    _signal: int
    _links: list[int]
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    fell_back: str = ""

    def counts(self) -> KernelCounts:
        """Everything counted up to now; exact for each CPU, and after `detach` for all."""
        return self._tally.counts()

    def told(self) -> None:
        """What was lost so far is told: `counts` says when what is lost from here on was lost."""
        self._tally.told()

    def answers(self) -> bool:
        """Whether the kernel lets this process, as it is now, ask for what the tracer holds.

        Before Linux 5.19 it may want CAP_BPF for that, later only for what is made.
        """
        try:
            bpf.recursion_misses(self._signal)
        except PermissionError:
            return False
        except OSError:
            return True  # it has an answer, if not this one
        return True

    def detach(self) -> None:
        """No event from here on: when this returns, the last record is in the ring."""
        _close_all(self._links)
        self._settle()

    def close(self) -> None:
        """Detach and let go of everything; what is in the ring is gone."""
        if self._links:
            self.detach()
        self._held.close()


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def attach(options: Options) -> Tracer:
    """Load and attach. `HostError` when this host, as it is, cannot do it."""
    product = program.load()
    known = layout.of_kernel(options.cache)
    controller = v1_controller(options.root)
    wishes = symbols.Wishes(
        options.recorded,
        options.ignored,
        controller,
        options.zero,
        options.ring_size,
        options.burst,
        options.results,
        options.source_uids,
        options.target_uids,
        options.target_comms,
    )
    values = symbols.values(known, wishes, os.uname().machine)
    with contextlib.suppress(ValueError, OSError):
        # Before Linux 5.11 maps count against it; from then on a refused raise is no fault.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    why = "its BTF has not all that they need"
    if options.direct and symbols.is_direct(known):
        try:
            return _attach(product, known, values, options, True)
        except KernelError as error:
            why = str(error)
    tracer = _attach(product, known, values, options, False)
    if options.direct:
        tracer.fell_back = f"programs of type tp_btf are not to be had on this kernel: {why}"
    return tracer


def _attach(
    product: program.Product,
    known: dict[str, int],
    values: dict[str, int],
    options: Options,
    direct: bool,
) -> Tracer:
    with contextlib.ExitStack() as opened:
        made = maps.make(options, opened)
        made_at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        programs: dict[str, list[int]] = {}
        links: list[int] = []
        for event in _ORDER:
            one = product.programs[f"on_{event}" if direct else f"on_{event}_raw"]
            descriptor = bpf.load_program(
                bpf.TRACING if direct else bpf.RAW_TRACEPOINT,
                one.filled(values | made),
                f"killsnoop_{event}",
                known[f"at_{event}"] if direct else 0,
                bpf.TRACE_RAW_TP if direct else 0,
            )
            opened.callback(os.close, descriptor)
            programs[event] = [descriptor]
        cpus = counters.possible_cpus()
        opened.callback(_close_all, links)
        try:
            turns = Turns(maps.writable(made["map_epoch"]))
            opened.callback(turns.close)
            by_number = maps.elements(made["map_counts"], counters.ALL_NUMBERS, cpus)
            opened.callback(by_number.close)
            table = maps.elements(
                made["map_table_counts"], counters.TABLE, cpus * len(counters.TABLE_PROGRAMS)
            )
            opened.callback(table.close)
            tally = Tally(by_number, table, turns, programs)
            settle = settling.settler(opened)
            fence = {} if os.uname().machine == "x86_64" else {"fence": settling.fence}
            ring = map_ring(made["map_ring"], options.ring_size, **fence)
            opened.callback(ring.close)
            folded = folds.Folds(
                (made["map_fold0"], made["map_fold1"]),
                turns,
                tally.folded,
                settle,
            )
        except OSError as error:
            what = f"cannot map the ring and the counters, {error.strerror}"
            raise KernelError(what, f"{options.ring_size} bytes", "lower --ring-size") from error
        for event in _ORDER:
            links.append(attempts.link(programs[event][0], TRACEPOINTS[event], direct))
        features = {
            "call": bool(values["set_pt_regs"]),
            "32-bit calls": bool(values["set_compat"]),
            "cgroup v1": bool(values["set_cgroup_v1"]),
        }
        mode = "tp_btf" if direct else "raw_tp"
        way = attempts.Attempts(product, known, values | made, direct)
        seen_by = way.attach(options.attempts, programs, links, opened)
        tracer = Tracer(
            ring,
            folded,
            made_at,
            mode,
            features,
            seen_by,
            tally,
            settle,
            programs["signal"][0],
            links,
        )
        tracer._held = opened.pop_all()
        return tracer


def v1_controller(root: str) -> str | None:
    """The controller whose v1 hierarchy tells where processes run, as /proc/PID/cgroup has it."""
    for pid in ("1", "self"):
        with contextlib.suppress(OSError):
            lines = Path(root, "proc", pid, "cgroup").read_text("utf-8", "replace").splitlines()
            controllers = {name for line in lines for name in line.split(":")[1].split(",")}
            return next((one for one in symbols.CONTROLLERS if one in controllers), None)
    return None
