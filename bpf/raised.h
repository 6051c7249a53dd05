/* A signal that the kernel raises -> its record. */
#ifndef RAISED_H
#define RAISED_H

#include "count.h"
#include "details.h"
#include "fold.h"
#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

/* What current is doing, as far as its registers tell: see kernel.md's interrupt test. */
INLINE void call_of(const bool direct, struct killsnoop_how *to, __u64 task)
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
	if (is_to_group(true, to->bits & KILLSNOOP_COMPAT, to->call, registers))
		to->bits |= KILLSNOOP_TO_GROUP;
}

INLINE void how_of(const bool direct, struct killsnoop_how *to, __u64 *arguments,
		   struct killsnoop_counts *counts, __u64 task, __u64 target, __u64 given)
{
	__u64 info = arguments[1];
	__u64 here = AS_NUMBER(counts, (__u64)arguments);

	to->number = (__s32)arguments[0];
	to->code = 0;
	to->error = 0;
	to->call = -1;
	to->info = given > 1 ? KILLSNOOP_INFO_GIVEN : given;
	to->group = arguments[3] != 0;
	to->result = (__u8)arguments[4];
	to->bits = 0;
	to->disposition = disposition_of(direct, target, arguments[0]);
	to->address = KILLSNOOP_ADDRESS_NONE;
	to->detailed = given <= 1;
	to->reserved = 0;
	to->argument = 0;
	if (given > 1 && info) {
		info = PLAIN_INFO(direct, info);
		to->code = FIELD(direct, __s32, info, info_code);
		to->error = FIELD(direct, __s32, info, info_errno);
		to->address = address_class(info, to->number, to->code);
	}
	if (here - FIELD(direct, __u64, task, task_stack) >= SYM(set_thread_size))
		to->bits |= KILLSNOOP_INTERRUPT;
	if (FIELD(direct, __u32, task, task_exit_state))
		to->bits |= KILLSNOOP_ENDED;
	call_of(direct, to, task);
}

/* Whether the target will die of it, as far as can be told now: for these the last of the ring is
 * kept, so that no flood of others costs one.
 */
INLINE bool is_lethal(const struct killsnoop_how *how)
{
	return how->result == 0 && how->disposition == KILLSNOOP_DEFAULT &&
	       (SYM(set_lethal) >> ((how->number - 1) & 63) & 1);
}

INLINE void signal_record(const bool direct, struct killsnoop_signal *to,
			  const struct killsnoop_how *how, __u64 now, __u64 task, __u64 target)
{
	to->kind = KILLSNOOP_SIGNAL;
	to->reserved = 0;
	to->time = now;
	party_of(direct, &to->source, task);
	party_of(direct, &to->target, target);
	to->how = *how;
}

enum fate { SUBMITTED, LOST, FOLDED };

INLINE enum fate signal_fate(const bool direct, __u64 *arguments, struct killsnoop_counts *counts,
			     __u64 task)
{
	__u64 target = PLAIN(direct, arguments[2]);
	__u64 given = AS_NUMBER(counts, arguments[1]);
	__u64 now = boot_clock();
	/* Not on the stack: each byte that may be zero there doubles the states that verifiers
	 * before 6.8 look at, to 400,000 instructions of the million that they allow. */
	struct killsnoop_how *how = &counts->how;
	struct killsnoop_signal *to;
	struct {
		struct killsnoop_signal signal;
		struct killsnoop_details details;
	} *both;

	how_of(direct, how, arguments, counts, task, target, given);
	if (SYM(set_burst) && is_folded(direct, how, now, task, target))
		return FOLDED;
	if (!is_lethal(how) && is_short()) {
		counts->refused++;
		lost_at(counts->refused_span, now);
		return LOST;
	}
	if (given > 1) {
		to = ring_reserve(SYM(map_ring), sizeof(*to), 0);
		if (!to) {
			lost_at(counts->full_span, now);
			return LOST;
		}
		signal_record(direct, to, how, now, task, target);
		ring_submit(to, NO_WAKEUP);
		return SUBMITTED;
	}
	both = ring_reserve(SYM(map_ring), sizeof(*both), 0);
	if (!both) {
		lost_at(counts->full_span, now);
		return LOST;
	}
	signal_record(direct, &both->signal, how, now, task, target);
	details_of(direct, &both->details, task, target, &both->signal);
	ring_submit(both, NO_WAKEUP);
	return SUBMITTED;
}

#endif
