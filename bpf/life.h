/* Birth, new program, death: struct task_struct -> records. */
#ifndef LIFE_H
#define LIFE_H

#include "count.h"
#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define SIGNAL_GROUP_EXIT 4

/* The child's numbers in the PID namespaces below the initial one, as far as they are carried. */
INLINE void levels_of(const bool direct, struct killsnoop_fork *to, __u64 child)
{
	__u64 pid = FIELD(direct, __u64, child, task_thread_pid);
	__u32 deepest = pid ? FIELD(direct, __u32, pid, pid_level) : 0;

	to->levels = deepest;
	__builtin_memset(to->level, 0, sizeof(to->level));
#pragma unroll
	for (__u32 at = 0; at < KILLSNOOP_LEVELS; at++) {
		__u64 upid = pid + SYM(pid_numbers) + (at + 1) * SYM(upid_size);

		if (at >= deepest)
			break;
		to->level[at].namespace =
			half_word_at(word_at(upid + SYM(upid_ns)) + SYM(pid_ns_inode));
		to->level[at].number = half_word_at(upid + SYM(upid_nr));
	}
}

#define PARENT_OF(direct, to, task) ({ \
	__u64 parent_ = FIELD(direct, __u64, task, task_real_parent); \
	(to)->parent_start = parent_ ? start_of(direct, parent_) : 0; \
	(to)->parent_pid = parent_ ? FIELD(direct, __u32, parent_, task_tgid) : 0; \
	(to)->reserved = 0; })

/* arguments: parent, child */
INLINE int on_fork_body(const bool direct, __u64 *arguments)
{
	__u64 child = PLAIN(direct, arguments[1]);
	__u64 parent = current_task(direct);
	__u64 real;
	struct killsnoop_fork *to;

	if (FIELD(direct, __u32, child, task_tgid) != FIELD(direct, __u32, child, task_pid))
		return 0; /* a thread */
	to = ring_reserve(SYM(map_ring), sizeof(*to), 0);
	if (to) {
		to->kind = KILLSNOOP_FORK;
		to->reserved = 0;
		to->time = boot_clock();
		party_of(direct, &to->child, child);
		to->parent_start = start_of(direct, parent);
		to->parent_pid = FIELD(direct, __u32, parent, task_tgid);
		to->parent_tid = FIELD(direct, __u32, parent, task_pid);
		real = FIELD(direct, __u64, child, task_real_parent);
		to->real_parent_start = real ? start_of(direct, real) : 0;
		to->real_parent_pid = real ? FIELD(direct, __u32, real, task_tgid) : 0;
		to->login_uid = FIELD(direct, __u32, child, task_login_uid);
		to->session = FIELD(direct, __u32, child, task_session);
		levels_of(direct, to, child);
		ring_submit(to, NO_WAKEUP);
	}
	counted(FORK, to != 0);
	return 0;
}

/* arguments: task, the thread's number before, struct linux_binprm */
INLINE int on_exec_body(const bool direct, __u64 *arguments)
{
	__u64 task = PLAIN(direct, arguments[0]);
	__u64 program = arguments[2];
	__u64 memory = FIELD(direct, __u64, task, task_mm);
	__u32 zero = 0;
	__u64 size = 0, total = 0, path = 0;
	struct killsnoop_exec *to = map_lookup(SYM(map_exec), &zero);

	if (!to)
		return 0;
	to->kind = KILLSNOOP_EXEC;
	to->argc = FIELD(direct, __u32, program, bprm_argc);
	to->time = boot_clock();
	party_of(direct, &to->self, task);
	to->old_tid = (__u32)arguments[1];
	to->login_uid = FIELD(direct, __u32, task, task_login_uid);
	to->session = FIELD(direct, __u32, task, task_session);
	PARENT_OF(direct, to, task);
	if (memory) {
		__u64 from = FIELD(direct, __u64, memory, mm_arg_start);

		total = FIELD(direct, __u64, memory, mm_arg_end) - from;
		size = total;
		if (size > KILLSNOOP_ARGS)
			size = KILLSNOOP_ARGS;
		if (size > KILLSNOOP_ARGS_SHORT && is_short())
			size = KILLSNOOP_ARGS_SHORT;
		if (read_user((char *)(to + 1), size, from))
			size = 0;
	}
	to->args_total = total > 0xffffffff ? 0xffffffff : total;
	to->args_size = size;
	/* Once more, for the verifier forgets the bound over the branches. */
	ORDER();
	if (size > KILLSNOOP_ARGS)
		size = KILLSNOOP_ARGS;
	path = read_kernel_string((char *)(to + 1) + size, KILLSNOOP_PATH,
				  FIELD(direct, __u64, program, bprm_filename));
	if (path > KILLSNOOP_PATH)
		path = 0;
	to->path_size = path;
	counted(EXEC, ring_output(SYM(map_ring), to, sizeof(*to) + size + path, NO_WAKEUP) == 0);
	return 0;
}

/* arguments: task, and on newer kernels whether it is the process's last thread */
INLINE int on_exit_body(const bool direct, __u64 *arguments)
{
	__u64 task = PLAIN(direct, arguments[0]);
	__u64 signal = FIELD(direct, __u64, task, task_signal);
	__u64 leader = FIELD(direct, __u64, task, task_group_leader);
	struct killsnoop_exit *to;

	if (!signal || !leader)
		return 0;
	if (SYM(set_group_dead)) {
		if (!(__u8)arguments[1])
			return 0;
	} else if (FIELD(direct, __u32, signal, signal_live)) {
		return 0;
	}
	to = ring_reserve(SYM(map_ring), sizeof(*to), 0);
	if (to) {
		to->kind = KILLSNOOP_EXIT;
		to->status = FIELD(direct, __u32, signal, signal_flags) & SIGNAL_GROUP_EXIT
				     ? FIELD(direct, __s32, signal, signal_exit_code)
				     : FIELD(direct, __s32, leader, task_exit_code);
		to->time = boot_clock();
		to->start = FIELD(direct, __u64, leader, task_start);
		to->pid = FIELD(direct, __u32, task, task_tgid);
		to->tid = FIELD(direct, __u32, task, task_pid);
		PARENT_OF(direct, to, task);
		ring_submit(to, NO_WAKEUP);
	}
	counted(EXIT, to != 0);
	return 0;
}

#endif
