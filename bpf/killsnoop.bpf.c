/* The kernel program: signals, forks, execs and exits into one ring, everything counted.
 *
 * Each event has two programs that share their body: `name` for tp_btf and `name_raw` for raw
 * tracepoints; both get the tracepoint's arguments as an array of 64-bit words. Nothing here is
 * known of the machine it will run on (symbols.h), nothing is relocated, no map is declared.
 */
#include <linux/types.h>

#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 4
#define TS_COMPAT 2

#define BOTH(name) \
	int name(__u64 *arguments) { return name##_body(true, arguments); } \
	int name##_raw(__u64 *arguments) { return name##_body(false, arguments); }

#define true 1
#define false 0

INLINE __u64 current_task(const bool direct)
{
	return direct ? PLAIN(direct, current_task_direct()) : current_task_number();
}

INLINE bool same_name(__u64 low, __u64 high, __u64 other_low, __u64 other_high)
{
	return low == other_low && high == other_high;
}

/* Whether the source's command is one of those that the user asked not to hear of. */
INLINE bool is_ignored(const bool direct, __u64 task)
{
	__u64 name[2];
	__u64 leader = FIELD(direct, __u64, task, task_group_leader);

	if (!leader)
		return false;
	comm_of(direct, (char *)name, leader);
	/* The kernel pads a name with NULs, but what lies behind the first one is no part of it. */
	if (SYM(set_many_comms))
		return map_lookup(SYM(map_comms), name) != 0;
	if (same_name(name[0], name[1], SYM(set_comm0_low), SYM(set_comm0_high)))
		return true;
	if (SYM(set_comms) > 1 &&
	    same_name(name[0], name[1], SYM(set_comm1_low), SYM(set_comm1_high)))
		return true;
	if (SYM(set_comms) > 2 &&
	    same_name(name[0], name[1], SYM(set_comm2_low), SYM(set_comm2_high)))
		return true;
	return SYM(set_comms) > 3 &&
	       same_name(name[0], name[1], SYM(set_comm3_low), SYM(set_comm3_high));
}

/* What current is doing, as far as its registers tell: see kernel.md's interrupt test. */
INLINE void call_of(const bool direct, struct killsnoop_signal *to, __u64 task)
{
	__u64 registers;

	if (!SYM(set_pt_regs))
		return;
	registers = task_registers(current_task_direct());
	if (!registers)
		return;
	to->call = *(volatile __s32 *)(registers + SYM(regs_call));
	to->bits |= KILLSNOOP_CALL;
	if (SYM(set_compat) && (FIELD(direct, __u32, task, task_status) & TS_COMPAT)) {
		to->bits |= KILLSNOOP_COMPAT;
		to->argument = (__u32)*(volatile __u64 *)(registers + SYM(regs_argument32));
	} else {
		to->argument = *(volatile __u64 *)(registers + SYM(regs_argument));
	}
}

INLINE void signal_record(const bool direct, struct killsnoop_signal *to, __u64 *arguments,
			  struct killsnoop_counts *counts, __u64 task)
{
	__u64 info = arguments[1];
	__u64 target = PLAIN(direct, arguments[2]);
	__u64 given = AS_NUMBER(counts, info);
	__u64 here = AS_NUMBER(counts, (__u64)arguments);

	to->kind = KILLSNOOP_SIGNAL;
	to->reserved = 0;
	to->time = boot_clock();
	party_of(direct, &to->source, task);
	party_of(direct, &to->target, target);
	to->number = (__s32)arguments[0];
	to->code = 0;
	to->error = 0;
	to->call = -1;
	to->info = given > 1 ? KILLSNOOP_INFO_GIVEN : given;
	to->group = arguments[3] != 0;
	to->result = (__u8)arguments[4];
	to->bits = 0;
	to->reserved2 = 0;
	to->argument = 0;
	if (given > 1 && info) {
		to->code = FIELD(direct, __s32, info, info_code);
		to->error = FIELD(direct, __s32, info, info_errno);
	}
	if (here - FIELD(direct, __u64, task, task_stack) >= SYM(set_thread_size))
		to->bits |= KILLSNOOP_INTERRUPT;
	call_of(direct, to, task);
}

INLINE int on_signal_body(const bool direct, __u64 *arguments)
{
	__u32 cpu = this_cpu();
	__u64 number = (__u32)arguments[0];
	struct killsnoop_counts *counts = map_lookup(SYM(map_counts), &cpu);

	if (!counts)
		return 0;
	if (number >= KILLSNOOP_NUMBERS)
		number = 0;
	counts->sequence++;
	ORDER();
	counts->generated[number]++;
	if (SYM(set_excluded) >> ((number - 1) & 63) & 1) { /* bit 0 is signal 1's, as in sigset_t */
		counts->filtered[number]++;
	} else {
		__u64 task = current_task(direct);

		if (SYM(set_comms) && is_ignored(direct, task)) {
			counts->filtered[number]++;
		} else {
			struct killsnoop_signal *to =
				ring_reserve(SYM(map_ring), sizeof(*to), 0);

			if (to) {
				signal_record(direct, to, arguments, counts, task);
				ring_submit(to, NO_WAKEUP);
				counts->submitted[number]++;
			} else {
				counts->lost[number]++;
			}
		}
	}
	ORDER();
	counts->sequence++;
	return 0;
}

BOTH(on_signal)

enum table_program { FORK, EXEC, EXIT, TABLE_PROGRAMS };

INLINE void counted(enum table_program which, bool submitted)
{
	__u32 place = this_cpu() * TABLE_PROGRAMS + which;
	struct killsnoop_table_counts *counts = map_lookup(SYM(map_table_counts), &place);

	if (!counts)
		return;
	counts->sequence++;
	ORDER();
	counts->seen++;
	if (submitted)
		counts->submitted++;
	else
		counts->lost++;
	ORDER();
	counts->sequence++;
}

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
		to->reserved2 = 0;
		ring_submit(to, NO_WAKEUP);
	}
	counted(FORK, to != 0);
	return 0;
}

BOTH(on_fork)

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
	if (memory) {
		__u64 from = FIELD(direct, __u64, memory, mm_arg_start);

		total = FIELD(direct, __u64, memory, mm_arg_end) - from;
		size = total;
		if (size > KILLSNOOP_ARGS)
			size = KILLSNOOP_ARGS;
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

BOTH(on_exec)

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
		ring_submit(to, NO_WAKEUP);
	}
	counted(EXIT, to != 0);
	return 0;
}

BOTH(on_exit)
