"""Every symbol of the kernel program has a value, for each machine; and what turns features on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.errors import KernelError
from otel_killsnoop.tracer import calls, program
from otel_killsnoop.tracer.members import FUNCTIONS, OPTIONAL, PARTS, REQUIRED, TYPEDEFS, WANTED
from otel_killsnoop.tracer.symbols import Wishes, excluded_mask, is_direct, key, values

HEADER = Path(program.__file__).parents[2] / "bpf" / "symbols.h"
NAMES = re.findall(r"X\((\w+)\)", HEADER.read_text().split("enum symbol")[0])
SYMBOLS = [name for name in NAMES if name != "X"]
ALL = Wishes(frozenset(range(1, 65)), (), None)
WORD = (1 << 64) - 1

_OTHERS = ("regs_all", "regs_si", "regs_dx", "regs_r10", "old_rss", "new_rss", "percpu_counter")
_X86 = {"regs_si": 104, "regs_dx": 96, "regs_r10": 56, "regs_call": 120, "regs_argument": 112}
_X86 |= {"regs_argument32": 40, "regs_argument2_32": 88, "regs_argument3_32": 96}
_ARM = {"regs_all": 0, "regs_call": 280, "regs_argument": 272, "regs_argument32": 272}
_NEW_MEMORY = {"mm_rss": 800, "percpu_counter": 40, "new_rss": 8}
_OLD_MEMORY = {"mm_rss": 800, "old_rss": 800}


def layout(machine: str, **changes: int | None) -> dict[str, int]:
    """What a kernel's BTF answers: each name has a number of its own; None for what is lacking."""
    own = [name for name in WANTED if not name.startswith("regs_") and name not in _OTHERS]
    made = {name: 1000 + 8 * place for place, name in enumerate(own)}
    made |= {"exit_arguments": 2, "victim_arguments": 2} | _NEW_MEMORY
    made |= {"pidtype_tgid": 1, "pidtype_sid": 3, "memory_id": 4, "pids_id": 6, "cpu_id": 0}
    if machine == "x86_64":
        made |= _X86
    else:
        del made["task_status"]
        made |= _ARM
    for name, value in changes.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = value
    return made


def x86(**changes: int | None) -> dict[str, int]:
    return values(layout("x86_64", **changes), ALL, "x86_64")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_every_symbol_but_the_maps_has_a_value_of_64_bits(machine) -> None:
    made = values(layout(machine), ALL, machine)
    assert len(SYMBOLS) == len(set(SYMBOLS)) > 80
    wanted = {name for name in SYMBOLS if not name.startswith("map_")}
    assert wanted - set(made) == set()
    assert set(made) - wanted == {"function_cast"}
    assert all(0 <= value <= WORD for value in made.values())


def test_every_symbol_that_is_an_offset_is_that_member_s() -> None:
    known = layout("x86_64")
    made = x86()
    assert {name: made[name] for name in REQUIRED if name != "mm_rss"} == {
        name: known[name] for name in REQUIRED if name != "mm_rss"
    }
    assert {name: made[name] for name in OPTIONAL} == {name: known[name] for name in OPTIONAL}
    assert made["signal_tgid_pid"] == known["signal_pids"] + 8
    assert made["signal_session_pid"] == known["signal_pids"] + 24


def test_what_is_asked_of_btf_is_asked_once_and_understood() -> None:
    tables = (REQUIRED, OPTIONAL, PARTS, TYPEDEFS, FUNCTIONS)
    assert len(WANTED) == sum(map(len, tables))
    forms = r"\w+(\.\w+)+|(sizeof|enumerator|typedef|arguments|function|struct) \w+"
    for names in WANTED.values():
        assert names
        assert all(re.fullmatch(forms, name) for name in names)
    assert set(REQUIRED) <= set(SYMBOLS)
    assert set(OPTIONAL) - {"function_cast"} <= set(SYMBOLS)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_kernel_that_lacks_what_is_required_is_told_so(name) -> None:
    with pytest.raises(KernelError, match=re.escape(REQUIRED[name][0])):
        x86(**{name: None})


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(KernelError, match=r"task_struct\.pid.*cred\.euid"):
        x86(task_pid=None, cred_uid=None)


@pytest.mark.parametrize("name", ["signal_pids", "pidtype_tgid", "pidtype_sid"])
def test_a_process_without_numbers_is_no_kernel_of_ours(name) -> None:
    with pytest.raises(KernelError, match="signal_struct"):
        x86(**{name: None})


@pytest.mark.parametrize("name", sorted(set(OPTIONAL) | set(FUNCTIONS) | set(TYPEDEFS)))
def test_a_kernel_may_lack_any_other(name) -> None:
    made = x86(**{name: None})
    if name in OPTIONAL:
        assert made[name] == 0


# Setting -> what it needs of the kernel.
FEATURES = {
    "set_cast": ("type_task", "type_info", "function_cast"),
    "set_pt_regs": ("helper_task", "helper_registers", "regs_call", "regs_argument"),
    "set_compat": ("task_status",),
}


@pytest.mark.parametrize("setting", FEATURES)
def test_a_feature_is_on_where_the_kernel_has_all_that_it_needs(setting) -> None:
    assert x86()[setting] == 1
    for name in FEATURES[setting]:
        assert x86(**{name: None})[setting] == 0


def test_32_bit_callers_are_told_apart_on_x86_alone() -> None:
    assert values(layout("aarch64", task_status=9), ALL, "aarch64")["set_compat"] == 0
    assert values(layout("aarch64"), ALL, "aarch64")["set_pt_regs"] == 1


def test_tracepoints_with_fewer_arguments_are_older_ones() -> None:
    for setting, arguments in (
        ("set_group_dead", "exit_arguments"),
        ("set_victim_task", "victim_arguments"),
    ):
        for count, expected in ((None, 0), (0, 0), (1, 0), (2, 1), (3, 1)):
            assert x86(**{arguments: count})[setting] == expected


@pytest.mark.parametrize(("controller", "place"), [("memory", 4), ("pids", 6), ("cpu", 0)])
def test_where_a_v1_hierarchy_says_more(controller, place) -> None:
    known = layout("x86_64")
    wishes = ALL._replace(v1=controller)
    made = values(known, wishes, "x86_64")
    assert made["set_cgroup_v1"] == 1
    assert made["css_set_v1"] == known["css_set_subsys"] + 8 * place
    assert (x86()["set_cgroup_v1"], x86()["css_set_v1"]) == (0, 0)
    for lacking in (f"{controller}_id", "css_set_subsys"):
        made = values(layout("x86_64", **{lacking: None}), wishes, "x86_64")
        assert (made["set_cgroup_v1"], made["css_set_v1"]) == (0, 0)


def test_where_resident_pages_are_counted() -> None:
    new, old = x86(), x86(**_OLD_MEMORY, percpu_counter=None, new_rss=None)
    assert (new["mm_rss"], new["mm_rss_step"]) == (808, 40)
    assert (old["mm_rss"], old["mm_rss_step"]) == (800, 8)


def test_the_registers_of_a_call() -> None:
    made = x86()
    assert [made[f"regs_argument{number}"] for number in ("", 2, 3, 4)] == [112, 104, 96, 56]
    assert made["regs_argument4_32"] == 104
    assert x86(regs_r10=None)["regs_argument4"] == 0
    made = values(layout("aarch64"), ALL, "aarch64")
    assert [made[f"regs_argument{number}"] for number in (2, 3, 4)] == [8, 16, 24]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64", "vax"])
def test_the_numbers_of_the_senders(machine) -> None:
    made = values(layout(machine), ALL, machine)
    names = dict(
        zip(
            "kill tkill tgkill queue tgqueue pidfd".split(),
            "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal".split(),
            strict=True,
        )
    )
    assert set(names.values()) == calls.SENDERS
    for prefix, compat in (("call", False), ("call32", True)):
        table = calls.table(machine, compat)
        for short, name in names.items():
            if (value := made.get(f"{prefix}_{short}")) is None:
                assert (prefix, short) == ("call32", "pidfd")  # the same as call_pidfd
            elif table is None:
                assert value == WORD  # no call has it
            else:
                assert table[value] == name


def test_what_the_user_asked_for() -> None:
    wishes = Wishes(frozenset({9, 15}), [b"a", b"bb"], None, zero=True)
    made = values(layout("x86_64"), wishes, "x86_64")
    assert made["set_zero"] == 1
    assert x86()["set_zero"] == 0
    assert made["set_excluded"] == WORD ^ (1 << 8 | 1 << 14)
    assert x86()["set_excluded"] == 0
    assert (made["set_comms"], made["set_many_comms"]) == (2, 0)
    assert (made["set_comm0_low"], made["set_comm1_low"]) == (0x61, 0x6262)
    assert made["set_comm2_low"] == made["set_comm0_high"] == 0
    many = values(layout("x86_64"), wishes._replace(ignored=[b"x"] * 5), "x86_64")
    assert (many["set_comms"], many["set_many_comms"]) == (5, 1)


@given(st.frozensets(st.integers(1, 64)))
def test_a_signal_is_left_out_by_its_bit(recorded) -> None:
    mask = excluded_mask(recorded)
    assert [number for number in range(1, 65) if not mask >> (number - 1) & 1] == sorted(recorded)
    assert 0 <= mask <= WORD


@given(st.binary(max_size=40))
def test_a_name_is_as_the_kernel_keeps_it(comm) -> None:
    made = key(comm)
    assert len(made) == 16
    assert made[15] == 0
    assert made.rstrip(b"\0") == comm[:15].rstrip(b"\0")


def test_direct_programs_need_every_typedef_and_the_helper() -> None:
    known = layout("x86_64")
    assert is_direct(known)
    for name in (*TYPEDEFS, "helper_task"):
        assert not is_direct({one: at for one, at in known.items() if one != name})
