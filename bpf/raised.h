/* A signal that the kernel raises -> its record. */
#ifndef RAISED_H
#define RAISED_H

#include "details.h"
#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

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
	if (is_compat(direct, task)) {
		to->bits |= KILLSNOOP_COMPAT;
		to->argument = (__u32)*(volatile __u64 *)(registers + SYM(regs_argument32));
	} else {
		to->argument = *(volatile __u64 *)(registers + SYM(regs_argument));
	}
}

INLINE void signal_record(const bool direct, struct killsnoop_signal *to, __u64 *arguments,
			  struct killsnoop_counts *counts, __u64 task, __u64 target, __u64 given,
			  __u8 disposition)
{
	__u64 info = arguments[1];
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
	to->disposition = disposition;
	to->address = KILLSNOOP_ADDRESS_NONE;
	to->detailed = 0;
	to->reserved2 = 0;
	to->argument = 0;
	if (given > 1 && info) {
		to->code = FIELD(direct, __s32, info, info_code);
		to->error = FIELD(direct, __s32, info, info_errno);
		to->address = address_class(info, to->number, to->code);
	}
	if (here - FIELD(direct, __u64, task, task_stack) >= SYM(set_thread_size))
		to->bits |= KILLSNOOP_INTERRUPT;
	call_of(direct, to, task);
}

/* Whether the target will die of it, as far as can be told now: for these the last of the ring is
 * kept, so that no flood of others costs one.
 */
INLINE bool is_lethal(__u64 number, __u8 disposition, __u64 result)
{
	return result == 0 && disposition == KILLSNOOP_DEFAULT &&
	       (SYM(set_lethal) >> ((number - 1) & 63) & 1);
}

/* Whether there was room for it. */
INLINE bool signal_submitted(const bool direct, __u64 *arguments, struct killsnoop_counts *counts,
			     __u64 task)
{
	__u64 target = PLAIN(direct, arguments[2]);
	__u64 given = AS_NUMBER(counts, arguments[1]);
	__u8 disposition = disposition_of(direct, target, arguments[0]);
	struct killsnoop_signal *to;
	struct {
		struct killsnoop_signal signal;
		struct killsnoop_details details;
	} *both;

	if (!is_lethal(arguments[0], disposition, arguments[4]) && is_short()) {
		counts->refused++;
		return false;
	}
	if (given > 1) {
		to = ring_reserve(SYM(map_ring), sizeof(*to), 0);
		if (!to)
			return false;
		signal_record(direct, to, arguments, counts, task, target, given,
			      disposition);
		ring_submit(to, NO_WAKEUP);
		return true;
	}
	both = ring_reserve(SYM(map_ring), sizeof(*both), 0);
	if (!both)
		return false;
	signal_record(direct, &both->signal, arguments, counts, task, target, given,
			      disposition);
	both->signal.detailed = 1;
	details_of(direct, &both->details, task, target, &both->signal);
	ring_submit(both, NO_WAKEUP);
	return true;
}

#endif
