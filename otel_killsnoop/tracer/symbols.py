"""What each symbol of bpf/symbols.h is on this kernel and for these options.

Offsets come from the kernel's own BTF (members.py says which). A member that only an optional
feature needs may be missing: the feature is then off, and its branch in the program dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from otel_killsnoop.errors import KernelError
from otel_killsnoop.tracer import calls
from otel_killsnoop.tracer.members import OPTIONAL, REQUIRED, TYPEDEFS
from otel_killsnoop.unixsignals import is_lethal

CONTROLLERS = ("memory", "pids", "cpu")  # in the order in which a v1 hierarchy names a process
UIDS = 4  # KILLSNOOP_UIDS of bpf/killsnoop.h
COMMS_IN_LINE = 4  # KILLSNOOP_COMMS of bpf/killsnoop.h
_POINTER = 8
LETHAL_SHARE = 8  # one part in so many of the ring is for lethal signals and lives alone
_THREAD_SIZE = 16384  # x86_64, arm64 with pages of 4 KiB, riscv64, s390x: without KASAN


class Wishes(NamedTuple):
    """What the user asked for. recorded: signal numbers; ignored: source command names.

    v1: the controller whose v1 hierarchy says where a process runs, None where there is v2 alone.
    zero: whether calls that send signal 0 are recorded.  ring_size: bytes.
    burst: repeats a second that are recorded, 0 for all.  results: numbers of those of which
    signals are left out.  source_uids, target_uids: users whose signals are,
    target_comms: command names to which they are.
    """

    recorded: frozenset[int]
    ignored: Sequence[bytes]
    v1: str | None
    zero: bool = False
    ring_size: int = 16 << 20
    burst: int = 0
    results: frozenset[int] = frozenset()
    source_uids: Sequence[int] = ()
    target_uids: Sequence[int] = ()
    target_comms: Sequence[bytes] = ()


def is_direct(layout: Mapping[str, int]) -> bool:
    """Whether this kernel's BTF has all that tp_btf programs need."""
    return "helper_task" in layout and all(name in layout for name in TYPEDEFS)


def values(layout: Mapping[str, int], wishes: Wishes, machine: str) -> dict[str, int]:
    """Every symbol but the maps. `KernelError` when the kernel lacks a required member."""
    if missing := [name for name in REQUIRED if name not in layout]:
        names = ", ".join(REQUIRED[name][0] for name in missing)
        raise KernelError("this kernel's BTF lacks", names, "report it with `uname -r`")
    made = {name: layout[name] for name in REQUIRED}
    made |= {name: layout.get(name, 0) for name in OPTIONAL}
    made["signal_tgid_pid"] = _pid_of_type(layout, "pidtype_tgid")
    made["signal_session_pid"] = _pid_of_type(layout, "pidtype_sid")
    made |= _memory(layout) | _registers(layout) | _calls(machine)
    has_v1 = wishes.v1 is not None and f"{wishes.v1}_id" in layout and "css_set_subsys" in layout
    made["css_set_v1"] = (
        layout["css_set_subsys"] + _POINTER * layout[f"{wishes.v1}_id"] if has_v1 else 0
    )
    registers = {"helper_task", "helper_registers", "regs_call", "regs_argument"}
    made |= {
        "set_cast": int({"type_task", "type_info", "function_cast"} <= set(layout)),
        "set_pt_regs": int(registers <= set(layout)),
        "set_compat": int(machine == "x86_64" and "task_status" in layout),
        "set_group_dead": int(layout.get("exit_arguments", 1) > 1),
        "set_victim_task": int(layout.get("victim_arguments", 1) > 1),
        "set_zero": int(wishes.zero),
        "set_pidfs": int("pidfs" in layout),
        "set_cgroup_v1": int(has_v1),
        "set_thread_size": _THREAD_SIZE,
        "set_excluded": excluded_mask(wishes.recorded),
        "set_lethal": sum(1 << (number - 1) for number in range(1, 65) if is_lethal(number)),
        "set_burst": wishes.burst,
        "set_ring_size": wishes.ring_size,
        "set_margin": wishes.ring_size // LETHAL_SHARE,
    }
    made["set_results"] = sum(1 << number for number in wishes.results)
    made |= _uids("source", wishes.source_uids) | _uids("target", wishes.target_uids)
    made["set_many_comms"] = int(len(wishes.ignored) > COMMS_IN_LINE)
    return made | _comms("comm", wishes.ignored) | _comms("target_comm", wishes.target_comms)


def _pid_of_type(layout: Mapping[str, int], kind: str) -> int:
    if "signal_pids" not in layout or kind not in layout:
        raise KernelError("this kernel's BTF lacks", "signal_struct.pids", "Linux 5.8 has it")
    return layout["signal_pids"] + _POINTER * layout[kind]


def _memory(layout: Mapping[str, int]) -> dict[str, int]:
    """Where the resident pages are counted: four counters, whose kind changed in 6.2."""
    if "old_rss" in layout:
        return {"mm_rss": layout["old_rss"], "mm_rss_step": _POINTER}
    step = layout.get("percpu_counter", 0)
    return {"mm_rss": layout["mm_rss"] + layout.get("new_rss", 0), "mm_rss_step": step}


def _registers(layout: Mapping[str, int]) -> dict[str, int]:
    """The registers of a call's further arguments, 0 where that is not known."""
    if "regs_all" in layout:  # an array, as on arm64
        places = [layout["regs_all"] + 8 * number for number in (1, 2, 3)]
    else:
        places = [layout.get(name, 0) for name in ("regs_si", "regs_dx", "regs_r10")]
    made = {f"regs_argument{number}": place for number, place in enumerate(places, 2)}
    # Of a 32-bit program on x86_64, the only machine where these are told apart.
    return made | {"regs_argument4_32": layout.get("regs_si", 0)}


_CALL_SYMBOLS = {
    "kill": "kill",
    "tkill": "tkill",
    "tgkill": "tgkill",
    "queue": "rt_sigqueueinfo",
    "tgqueue": "rt_tgsigqueueinfo",
    "pidfd": "pidfd_send_signal",
}


def _calls(machine: str) -> dict[str, int]:
    """The numbers of the calls that send signals; -1 where there is none."""
    made = {}
    for prefix, compat in (("call", False), ("call32", True)):
        numbers = {name: number for number, name in (calls.table(machine, compat) or {}).items()
                   if number < 1 << 30}  # fmt: skip
        for short, name in _CALL_SYMBOLS.items():
            made[f"{prefix}_{short}"] = numbers.get(name, -1) & 0xFFFFFFFFFFFFFFFF
    del made["call32_pidfd"]  # has one number for all
    return made


def excluded_mask(recorded: frozenset[int]) -> int:
    """A bit for each signal that is not recorded, bit 0 for signal 1, as in sigset_t."""
    return sum(1 << (number - 1) for number in range(1, 65) if number not in recorded)


def key(comm: bytes) -> bytes:
    """A command name as the kernel keeps it: 16 bytes, the last one NUL."""
    return comm[:15].ljust(16, b"\0")


def _uids(side: str, uids: Sequence[int]) -> dict[str, int]:
    made = {f"set_{side}_uids": len(uids)}
    for place in range(UIDS):
        made[f"set_{side}_uid{place}"] = uids[place] if place < len(uids) else 0
    return made


def _comms(which: str, ignored: Sequence[bytes]) -> dict[str, int]:
    made = {f"set_{which}s": len(ignored)}
    for place in range(COMMS_IN_LINE):
        name = key(ignored[place]) if place < len(ignored) else bytes(16)
        made[f"set_{which}{place}_low"] = int.from_bytes(name[:8], "little")
        made[f"set_{which}{place}_high"] = int.from_bytes(name[8:], "little")
    return made
