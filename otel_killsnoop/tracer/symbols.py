"""What each symbol of bpf/symbols.h is on this kernel and for these options.

Offsets come from the kernel's own BTF, asked for by name with alternatives in order, because
members move and change their names between kernels. A member that only an optional feature needs
may be missing: the feature is then off, and its branch in the program dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otel_killsnoop.errors import KernelError

# Symbols that no kernel may lack: name -> BTF alternatives.
REQUIRED: dict[str, tuple[str, ...]] = {
    "task_pid": ("task_struct.pid",),
    "task_tgid": ("task_struct.tgid",),
    "task_flags": ("task_struct.flags",),
    "task_start": ("task_struct.start_boottime", "task_struct.real_start_time"),
    "task_comm": ("task_struct.comm",),
    "task_cred": ("task_struct.cred",),
    "task_group_leader": ("task_struct.group_leader",),
    "task_real_parent": ("task_struct.real_parent",),
    "task_signal": ("task_struct.signal",),
    "task_cgroups": ("task_struct.cgroups",),
    "task_stack": ("task_struct.stack",),
    "task_mm": ("task_struct.mm",),
    "task_exit_code": ("task_struct.exit_code",),
    "cred_uid": ("cred.uid",),
    "cred_gid": ("cred.gid",),
    "signal_flags": ("signal_struct.flags",),
    "signal_exit_code": ("signal_struct.group_exit_code",),
    "signal_live": ("signal_struct.live",),
    "pid_level": ("pid.level",),
    "pid_numbers": ("pid.numbers",),
    "upid_size": ("sizeof upid",),
    "upid_nr": ("upid.nr",),
    "css_set_default": ("css_set.dfl_cgrp",),
    "css_cgroup": ("cgroup_subsys_state.cgroup",),
    "cgroup_level": ("cgroup.level",),
    "cgroup_kn": ("cgroup.kn",),
    "kernfs_id": ("kernfs_node.id",),
    "mm_arg_start": ("mm_struct.arg_start",),
    "mm_arg_end": ("mm_struct.arg_end",),
    "bprm_filename": ("linux_binprm.filename",),
    "bprm_argc": ("linux_binprm.argc",),
    "info_errno": ("kernel_siginfo.si_errno",),
    "info_code": ("kernel_siginfo.si_code",),
}

# Parts of symbols that are computed, and what features ask for.
_PARTS: dict[str, tuple[str, ...]] = {
    "signal_pids": ("signal_struct.pids",),
    "pidtype_tgid": ("enumerator PIDTYPE_TGID",),
    "css_set_subsys": ("css_set.subsys",),
    "memory_id": ("enumerator memory_cgrp_id",),
    "pids_id": ("enumerator pids_cgrp_id",),
    "cpu_id": ("enumerator cpu_cgrp_id",),
    "exit_arguments": ("arguments btf_trace_sched_process_exit",),
    "helper_task": ("enumerator BPF_FUNC_get_current_task_btf",),
    "type_task": ("struct task_struct",),
    "function_cast": ("function bpf_rdonly_cast",),
    "helper_registers": ("enumerator BPF_FUNC_task_pt_regs",),
    "task_status": ("task_struct.thread_info.status",),
    "regs_call": ("pt_regs.orig_ax", "pt_regs.syscallno"),
    "regs_argument": ("pt_regs.di", "pt_regs.orig_x0"),
    "regs_argument32": ("pt_regs.bx", "pt_regs.orig_x0"),
}

# Where the programs of type tp_btf attach: event -> typedef.
TRACEPOINTS = {
    "signal": "signal_generate",
    "fork": "sched_process_fork",
    "exec": "sched_process_exec",
    "exit": "sched_process_exit",
}
_TYPEDEFS = {f"at_{event}": (f"typedef btf_trace_{name}",) for event, name in TRACEPOINTS.items()}

WANTED: dict[str, tuple[str, ...]] = REQUIRED | _PARTS | _TYPEDEFS
"""Everything to ask BTF for; what it answers is the ``layout`` below."""

CONTROLLERS = ("memory", "pids", "cpu")  # in the order in which a v1 hierarchy names a process
COMMS_IN_LINE = 4  # KILLSNOOP_COMMS of bpf/killsnoop.h
_POINTER = 8
_THREAD_SIZE = 16384  # x86_64, arm64 with pages of 4 KiB, riscv64, s390x: without KASAN


class Wishes(NamedTuple):
    """What the user asked for. recorded: signal numbers; ignored: source command names.

    v1: the controller whose v1 hierarchy says where a process runs, None where there is v2 alone.
    """

    recorded: frozenset[int]
    ignored: Sequence[bytes]
    v1: str | None


def is_direct(layout: Mapping[str, int]) -> bool:
    """Whether this kernel's BTF has all that tp_btf programs need."""
    return "helper_task" in layout and all(name in layout for name in _TYPEDEFS)


def values(layout: Mapping[str, int], wishes: Wishes, machine: str) -> dict[str, int]:
    """Every symbol but the maps. `KernelError` when the kernel lacks a required member."""
    if missing := [name for name in REQUIRED if name not in layout]:
        names = ", ".join(WANTED[name][0] for name in missing)
        raise KernelError("this kernel's BTF lacks", names, "report it with `uname -r`")
    made = {name: layout[name] for name in REQUIRED}
    made |= {
        name: layout.get(name, 0)
        for name in (
            *("task_status", "regs_call", "regs_argument", "regs_argument32"),
            *("type_task", "function_cast"),
        )
    }
    made["signal_tgid_pid"] = _signal_tgid_pid(layout)
    has_v1 = wishes.v1 is not None and f"{wishes.v1}_id" in layout and "css_set_subsys" in layout
    made["css_set_v1"] = (
        layout["css_set_subsys"] + _POINTER * layout[f"{wishes.v1}_id"] if has_v1 else 0
    )
    registers = {"helper_task", "helper_registers", "regs_call", "regs_argument"}
    made |= {
        "set_cast": int({"type_task", "function_cast"} <= set(layout)),
        "set_pt_regs": int(registers <= set(layout)),
        "set_compat": int(machine == "x86_64" and "task_status" in layout),
        "set_group_dead": int(layout.get("exit_arguments", 1) > 1),
        "set_cgroup_v1": int(has_v1),
        "set_thread_size": _THREAD_SIZE,
        "set_excluded": excluded_mask(wishes.recorded),
    }
    return made | _comms(wishes.ignored)


def _signal_tgid_pid(layout: Mapping[str, int]) -> int:
    if "signal_pids" not in layout or "pidtype_tgid" not in layout:
        raise KernelError("this kernel's BTF lacks", "signal_struct.pids", "Linux 5.8 has it")
    return layout["signal_pids"] + _POINTER * layout["pidtype_tgid"]


def excluded_mask(recorded: frozenset[int]) -> int:
    """A bit for each signal that is not recorded, bit 0 for signal 1, as in sigset_t."""
    return sum(1 << (number - 1) for number in range(1, 65) if number not in recorded)


def key(comm: bytes) -> bytes:
    """A command name as the kernel keeps it: 16 bytes, the last one NUL."""
    return comm[:15].ljust(16, b"\0")


def _comms(ignored: Sequence[bytes]) -> dict[str, int]:
    made = {"set_comms": len(ignored), "set_many_comms": int(len(ignored) > COMMS_IN_LINE)}
    for place in range(COMMS_IN_LINE):
        name = key(ignored[place]) if place < len(ignored) else bytes(16)
        made[f"set_comm{place}_low"] = int.from_bytes(name[:8], "little")
        made[f"set_comm{place}_high"] = int.from_bytes(name[8:], "little")
    return made
