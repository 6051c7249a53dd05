"""What to ask the kernel's BTF for: names of ours -> alternatives, the first that is there counts.

Members move and change their names between kernels, so each is asked for by name; where a kernel
lacks one of `REQUIRED` it cannot be used, the rest serve features that are then off.
"""

from __future__ import annotations

from otel_killsnoop.tracer import calls

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
    "task_exit_state": ("task_struct.exit_state",),
    "task_exit_code": ("task_struct.exit_code",),
    "cred_uid": ("cred.euid",),
    "cred_gid": ("cred.egid",),
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
    "cgroup_root": ("cgroup.root",),
    "root_hierarchy": ("cgroup_root.hierarchy_id",),
    "kernfs_id": ("kernfs_node.id",),
    "mm_arg_start": ("mm_struct.arg_start",),
    "mm_arg_end": ("mm_struct.arg_end",),
    "bprm_filename": ("linux_binprm.filename",),
    "bprm_argc": ("linux_binprm.argc",),
    "info_errno": ("kernel_siginfo.si_errno",),
    "info_code": ("kernel_siginfo.si_code",),
    "info_address": ("kernel_siginfo._sifields._sigfault._addr",),
    "task_sighand": ("task_struct.sighand",),
    "task_blocked": ("task_struct.blocked",),
    "task_files": ("task_struct.files",),
    "task_thread_pid": ("task_struct.thread_pid",),
    "signal_leader": ("signal_struct.leader",),
    "signal_tty": ("signal_struct.tty",),
    "signal_score_adj": ("signal_struct.oom_score_adj",),
    "upid_ns": ("upid.ns",),
    "pid_ns_inode": ("pid_namespace.ns.inum",),
    "sighand_action": ("sighand_struct.action",),
    "action_size": ("sizeof k_sigaction",),
    "action_handler": ("k_sigaction.sa.sa_handler",),
    "tty_name": ("tty_struct.name",),
    "files_table": ("files_struct.fdt",),
    "table_files": ("fdtable.fd",),
    "file_dentry": ("file.f_path.dentry", "file.__f_path.dentry"),
    "dentry_parent": ("dentry.d_parent",),
    "dentry_inode": ("dentry.d_inode",),
    "inode_number": ("inode.i_ino",),
    "file_inode": ("file.f_inode",),
    "file_private": ("file.private_data",),
    "inode_super": ("inode.i_sb",),
    "inode_private": ("inode.i_private",),
    "super_magic": ("super_block.s_magic",),
    "mm_total_vm": ("mm_struct.total_vm",),
    "mm_page_tables": ("mm_struct.pgtables_bytes",),
    "mm_rss": ("mm_struct.rss_stat",),
}

# Symbols of features that not every kernel was built with; 0 where there are none.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "task_status": ("task_struct.thread_info.status",),
    "task_login_uid": ("task_struct.loginuid",),
    "task_session": ("task_struct.sessionid",),
    "type_task": ("struct task_struct",),
    "type_info": ("struct kernel_siginfo",),
    "function_cast": ("function bpf_rdonly_cast",),
    "regs_call": ("pt_regs.orig_ax", "pt_regs.syscallno"),
    "regs_argument": ("pt_regs.di", "pt_regs.orig_x0"),
    "regs_argument32": ("pt_regs.bx", "pt_regs.orig_x0"),
    "regs_argument2_32": ("pt_regs.cx",),
    "regs_argument3_32": ("pt_regs.dx",),
}

# Parts of symbols that are computed, and what features ask for.
PARTS: dict[str, tuple[str, ...]] = {
    "pidtype_tgid": ("enumerator PIDTYPE_TGID",),
    "pidtype_sid": ("enumerator PIDTYPE_SID",),
    "css_set_subsys": ("css_set.subsys",),
    "memory_id": ("enumerator memory_cgrp_id",),
    "pids_id": ("enumerator pids_cgrp_id",),
    "cpu_id": ("enumerator cpu_cgrp_id",),
    "exit_arguments": ("arguments btf_trace_sched_process_exit",),
    "helper_task": ("enumerator BPF_FUNC_get_current_task_btf",),
    "helper_registers": ("enumerator BPF_FUNC_task_pt_regs",),
    "signal_pids": ("signal_struct.pids",),
    "victim_arguments": ("arguments btf_trace_mark_victim",),
    "pidfs": ("function pidfs_add_pid", "function pidfs_alloc_file"),  # from 6.9 on
    "percpu_counter": ("sizeof percpu_counter",),
    "old_rss": ("mm_struct.rss_stat.count",),
    "new_rss": ("percpu_counter.count",),
    "regs_si": ("pt_regs.si",),
    "regs_dx": ("pt_regs.dx",),
    "regs_r10": ("pt_regs.r10",),
    "regs_all": ("pt_regs.regs",),
}

# Where the programs of type tp_btf attach: event -> typedef.
TRACEPOINTS = {
    "signal": "signal_generate",
    "fork": "sched_process_fork",
    "exec": "sched_process_exec",
    "exit": "sched_process_exit",
    "oom": "mark_victim",
    "attempt": "sys_exit",
    "cgroup": "cgroup_mkdir",
}
TYPEDEFS = {f"at_{event}": (f"typedef btf_trace_{name}",) for event, name in TRACEPOINTS.items()}

# And where attempts do, on a kernel with trampolines: system call -> its functions.
FUNCTIONS = {
    f"function {prefix}_sys_{call}": (f"function {prefix}_sys_{call}",)
    for call in sorted(calls.SENDERS)
    for prefix in ("__x64", "__ia32", "__ia32_compat", "__arm64", "__arm64_compat")
}

WANTED: dict[str, tuple[str, ...]] = REQUIRED | OPTIONAL | PARTS | TYPEDEFS | FUNCTIONS
"""Everything to ask BTF for; what it answers is the ``layout`` below."""
