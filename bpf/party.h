/* A task of the kernel -> struct killsnoop_party: who it is, for one side of a record. */
#ifndef PARTY_H
#define PARTY_H

#include "helpers.h"
#include "killsnoop.h"

#define TS_COMPAT 2

/* The cgroup that says most: a v1 controller's unless that is the hierarchy's root, else v2's. */
INLINE __u64 cgroup_of(const bool direct, __u64 task)
{
	__u64 set = FIELD(direct, __u64, task, task_cgroups);

	if (!set)
		return 0;
	if (SYM(set_cgroup_v1)) {
		__u64 state = FIELD(direct, __u64, set, css_set_v1);

		if (state) {
			__u64 group = FIELD(direct, __u64, state, css_cgroup);

			if (group && FIELD(direct, __u32, group, cgroup_level)) {
				__u64 node = FIELD(direct, __u64, group, cgroup_kn);

				if (node)
					return FIELD(direct, __u64, node, kernfs_id) | KILLSNOOP_V1;
			}
		}
	}
	__u64 group = FIELD(direct, __u64, set, css_set_default);

	if (!group)
		return 0;
	__u64 node = FIELD(direct, __u64, group, cgroup_kn);

	return node ? FIELD(direct, __u64, node, kernfs_id) : 0;
}

/* The process's number in its own PID namespace; 0 when it has none any more. */
INLINE __u32 namespace_pid(const bool direct, __u64 signal, __u32 host)
{
	__u64 pid = FIELD(direct, __u64, signal, signal_tgid_pid);
	__u32 number = 0;

	if (!pid)
		return 0;
	__u32 level = FIELD(direct, __u32, pid, pid_level);

	if (!level)
		return host;
	if (level > 32)
		return 0;
	read_kernel(&number, sizeof(number),
		    pid + SYM(pid_numbers) + TIMES(level, upid_size) + SYM(upid_nr));
	return number;
}

/* The inode of the PID namespace that a task is in. */
INLINE __u32 namespace_of(const bool direct, __u64 task)
{
	__u64 pid = FIELD(direct, __u64, task, task_thread_pid);
	__u32 level;

	if (!pid)
		return 0;
	level = FIELD(direct, __u32, pid, pid_level);
	if (level > 32)
		return 0;
	return half_word_at(word_at(pid + SYM(pid_numbers) + TIMES(level, upid_size) +
				    SYM(upid_ns)) + SYM(pid_ns_inode));
}

/* The struct file behind a descriptor of current's, 0 if there is none. */
INLINE __u64 file_of(const bool direct, __u64 task, __u64 descriptor)
{
	__u64 files = FIELD(direct, __u64, task, task_files);

	if (!files || descriptor > 0xfffff)
		return 0;
	return word_at(word_at(word_at(files + SYM(files_table)) + SYM(table_files)) +
		       descriptor * 8);
}

INLINE __u64 start_of(const bool direct, __u64 task)
{
	__u64 leader = FIELD(direct, __u64, task, task_group_leader);

	return leader ? FIELD(direct, __u64, leader, task_start) : 0;
}

/* Whether the task is in a system call of a 32-bit program. */
INLINE bool is_compat(const bool direct, __u64 task)
{
	return SYM(set_compat) && (FIELD(direct, __u32, task, task_status) & TS_COMPAT);
}

#define PIDFD_SIGNAL_PROCESS_GROUP 4

/* Whether a call says by its flags, the fourth argument, that it means a process group. The others
 * say so by their first. */
INLINE bool is_to_group(const bool direct, bool compat, __s32 call, __u64 registers)
{
	__u64 flags = 0;

	if (call != (__s32)SYM(call_pidfd))
		return false;
	if (compat)
		flags = FIELD(direct, __u64, registers, regs_argument4_32);
	else if (SYM(regs_argument4))
		flags = FIELD(direct, __u64, registers, regs_argument4);
	return flags & PIDFD_SIGNAL_PROCESS_GROUP;
}

INLINE void comm_of(const bool direct, char *to, __u64 task)
{
	if (direct) {
		__u64 *words = (__u64 *)to;
		words[0] = *(volatile __u64 *)(task + SYM(task_comm));
		words[1] = *(volatile __u64 *)(task + SYM(task_comm) + 8);
	} else {
		read_kernel(to, KILLSNOOP_COMM, task + SYM(task_comm));
	}
}

INLINE void party_of(const bool direct, struct killsnoop_party *to, __u64 task)
{
	__u64 leader = FIELD(direct, __u64, task, task_group_leader);
	__u32 pid = FIELD(direct, __u32, task, task_tgid);
	__u64 cred = FIELD(direct, __u64, task, task_cred);
	__u64 signal = FIELD(direct, __u64, task, task_signal);

	to->start = leader ? FIELD(direct, __u64, leader, task_start) : 0;
	to->pid = pid;
	to->tid = FIELD(direct, __u32, task, task_pid);
	to->uid = cred ? FIELD(direct, __u32, cred, cred_uid) : 0;
	to->gid = cred ? FIELD(direct, __u32, cred, cred_gid) : 0;
	to->vpid = signal ? namespace_pid(direct, signal, pid) : 0;
	to->flags = FIELD(direct, __u32, task, task_flags);
	to->cgroup = cgroup_of(direct, task);
	comm_of(direct, to->comm, leader ? leader : task);
}

#endif
