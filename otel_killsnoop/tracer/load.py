"""From the build product to a running tracer: what another agent left is adopted, or its place
taken, or else all is made anew.

tp_btf first; where the kernel has not what that needs, the same program as raw tracepoints.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_killsnoop.errors import KernelError, PinError, PinsTaken
from otel_killsnoop.tracer import attempts, bpf, layout, maps, program, symbols
from otel_killsnoop.tracer.attached import Tracer, boot_ns
from otel_killsnoop.tracer.generation import Generation, opened
from otel_killsnoop.tracer.members import TRACEPOINTS
from otel_killsnoop.tracer.options import Options

__all__ = ["Options", "Tracer", "attach", "v1_controller"]

# Forks, execs and exits first: what a signal names should be known before it.
_ORDER = ("cgroup", "fork", "exec", "exit", "oom", "signal")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be loaded. values: of every symbol but the maps.  direct: whether as tp_btf."""

    product: program.Product
    known: Mapping[str, int]
    values: Mapping[str, int]
    options: Options
    direct: bool

    def code(self, name: str, mode: str) -> bytes:
        """The instructions of a program of that name, every map's descriptor being 0."""
        event = name if name in TRACEPOINTS else "attempt"
        one = self.product.programs[f"on_{event}" if mode == "tp_btf" else f"on_{event}_raw"]
        return one.filled({**dict.fromkeys(maps.wanted(self.options), 0), **self.values})

    def features(self) -> dict[str, bool]:
        """As of `Tracer`."""
        return {
            "call": bool(self.values["set_pt_regs"]),
            "32-bit calls": bool(self.values["set_compat"]),
            "cgroup v1": bool(self.values["set_cgroup_v1"]),
        }


def attach(options: Options) -> Tracer:
    """Load and attach. `HostError` when this host, as it is, cannot do it, or another agent does.

    With a directory for pins that cannot be used, without them.
    """
    plan = _plan(options)
    with contextlib.suppress(ValueError, OSError):
        # Before Linux 5.11 maps count against it; from then on a refused raise is no fault.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    if options.pin_dir is None:
        return Tracer(_load(plan), plan.features())
    from otel_killsnoop.tracer import succeed  # only for pins

    try:
        return succeed.attach(plan, options.pin_dir, _load)
    except PinsTaken:
        raise
    except PinError as error:
        return Tracer(_load(plan), plan.features(), pinning=f"off: {error}")


def _plan(options: Options) -> Plan:
    known = layout.of_kernel(options.cache)
    wishes = symbols.Wishes(
        options.recorded,
        options.ignored,
        v1_controller(options.root),
        options.zero,
        options.ring_size,
        options.burst,
        options.results,
        options.source_uids,
        options.target_uids,
        options.target_comms,
    )
    values = symbols.values(known, wishes, os.uname().machine)
    return Plan(program.load(), known, values, options, options.direct and symbols.is_direct(known))


def _load(plan: Plan) -> Generation:
    why = "its BTF has not all that they need"
    if plan.direct:
        try:
            return _attach(plan, True)
        except KernelError as error:
            why = str(error)
    loaded = _attach(plan, False)
    if plan.options.direct:
        loaded.fell_back = f"programs of type tp_btf are not to be had on this kernel: {why}"
    return loaded


def _attach(plan: Plan, direct: bool) -> Generation:
    known, options = plan.known, plan.options
    with contextlib.ExitStack() as held:
        made = maps.make(options, held)
        made_at = boot_ns()
        programs: dict[str, int] = {}
        values = {**plan.values, **made}
        for event in _ORDER:
            one = plan.product.programs[f"on_{event}" if direct else f"on_{event}_raw"]
            programs[event] = bpf.load_program(
                bpf.TRACING if direct else bpf.RAW_TRACEPOINT,
                one.filled(values),
                f"killsnoop_{event}",
                known[f"at_{event}"] if direct else 0,
                bpf.TRACE_RAW_TP if direct else 0,
            )
            held.callback(os.close, programs[event])
        loaded = opened(made_at, made, programs, options.ring_size, (), held)
        held.callback(loaded.detach)
        for event in _ORDER:
            loaded.links[event] = attempts.link(programs[event], TRACEPOINTS[event], direct)
        loaded.mode = "tp_btf" if direct else "raw_tp"
        way = attempts.Attempts(plan.product, known, values, direct)
        loaded.attempts = way.attach(options.attempts, programs, loaded.links, held)
        loaded.maps = made
        loaded.held = held.pop_all()
        return loaded


def v1_controller(root: str) -> str | None:
    """The controller whose v1 hierarchy tells where processes run, as /proc/PID/cgroup has it."""
    for pid in ("1", "self"):
        with contextlib.suppress(OSError):
            lines = Path(root, "proc", pid, "cgroup").read_text("utf-8", "replace").splitlines()
            controllers = {name for line in lines for name in line.split(":")[1].split(",")}
            return next((one for one in symbols.CONTROLLERS if one in controllers), None)
    return None
