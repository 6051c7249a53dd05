/* What is not known when this program is compiled: where a kernel keeps a field, which map, what
 * the user asked for. Each is a 64-bit immediate that the loader fills in
 * (otel_killsnoop/tracer/symbols.py says with what); LLVM can neither fold nor merge it, and
 * the verifier sees a constant, so it never visits a branch that a setting closes.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#define SYMBOL_MAGIC 0x4b534e50ull /* upper half of every symbol's immediate */

#define SYMBOLS(X) \
	X(map_ring) X(map_counts) X(map_table_counts) X(map_exec) X(map_comms) \
	X(map_epoch) X(map_fold0) X(map_fold1) \
	X(set_cast) X(type_task) X(type_info) X(set_pt_regs) X(set_compat) X(set_group_dead) X(set_cgroup_v1) \
	X(set_many_comms) X(set_victim_task) X(set_zero) \
	X(set_excluded) X(set_comms) X(set_thread_size) X(set_lethal) X(set_ring_size) X(set_margin) X(set_burst) \
	X(set_target_comms) \
	X(set_target_comm0_low) X(set_target_comm0_high) \
	X(set_target_comm1_low) X(set_target_comm1_high) \
	X(set_target_comm2_low) X(set_target_comm2_high) \
	X(set_target_comm3_low) X(set_target_comm3_high) \
	X(set_results) X(set_source_uids) X(set_target_uids) \
	X(set_source_uid0) X(set_source_uid1) X(set_source_uid2) X(set_source_uid3) \
	X(set_target_uid0) X(set_target_uid1) X(set_target_uid2) X(set_target_uid3) \
	X(set_comm0_low) X(set_comm0_high) X(set_comm1_low) X(set_comm1_high) \
	X(set_comm2_low) X(set_comm2_high) X(set_comm3_low) X(set_comm3_high) \
	X(task_pid) X(task_tgid) X(task_flags) X(task_start) X(task_comm) X(task_cred) \
	X(task_group_leader) X(task_real_parent) X(task_signal) X(task_cgroups) X(task_stack) \
	X(task_mm) X(task_exit_code) X(task_exit_state) X(task_status) X(task_sighand) X(task_blocked) X(task_login_uid) \
	X(task_session) X(task_files) X(task_thread_pid) \
	X(cred_uid) X(cred_gid) \
	X(signal_tgid_pid) X(signal_session_pid) X(signal_leader) X(signal_tty) X(signal_score_adj) \
	X(signal_flags) X(signal_exit_code) X(signal_live) \
	X(pid_level) X(pid_numbers) X(upid_size) X(upid_nr) X(upid_ns) X(pid_ns_inode) \
	X(sighand_action) X(action_size) X(action_handler) X(tty_name) \
	X(files_table) X(table_files) X(file_dentry) X(dentry_parent) X(dentry_inode) X(inode_number) \
	X(set_pidfs) X(file_inode) X(file_private) X(inode_super) X(inode_private) X(super_magic) \
	X(css_set_default) X(css_set_v1) X(css_cgroup) X(cgroup_level) X(cgroup_kn) X(cgroup_root) \
	X(root_hierarchy) X(kernfs_id) \
	X(mm_arg_start) X(mm_arg_end) X(mm_total_vm) X(mm_page_tables) X(mm_rss) X(mm_rss_step) \
	X(bprm_filename) X(bprm_argc) \
	X(regs_call) X(regs_argument) X(regs_argument2) X(regs_argument3) \
	X(regs_argument32) X(regs_argument2_32) X(regs_argument3_32) \
	X(regs_argument4) X(regs_argument4_32) \
	X(info_errno) X(info_code) X(info_address) \
	X(call_kill) X(call_tkill) X(call_tgkill) X(call_queue) X(call_tgqueue) X(call_pidfd) \
	X(call32_kill) X(call32_tkill) X(call32_tgkill) X(call32_queue) X(call32_tgqueue)

enum symbol {
#define X(name) SYMBOL_##name,
	SYMBOLS(X)
#undef X
};

#define SYM(name) ({ \
	__u64 value_; \
	asm volatile("%0 = %1 ll" : "=r"(value_) \
		     : "i"((SYMBOL_MAGIC << 32) | SYMBOL_##name)); \
	value_; })

#endif
