/* The kernel program: signals, forks, execs, exits and more into one ring, everything counted.
 *
 * Each event has two programs that share their body: `name` for tp_btf and `name_raw` for raw
 * tracepoints; both get the tracepoint's arguments as an array of 64-bit words. Nothing here is
 * known of the machine it will run on (symbols.h), nothing is relocated, no map is declared.
 */
#include <linux/types.h>

#include "attempt.h"
#include "cgroup.h"
#include "count.h"
#include "filter.h"
#include "helpers.h"
#include "killsnoop.h"
#include "life.h"
#include "oom.h"
#include "raised.h"

#define BOTH(name) \
	int name(__u64 *arguments) { return name##_body(true, arguments); } \
	int name##_raw(__u64 *arguments) { return name##_body(false, arguments); }

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
	if (is_excluded(number) || SYM(set_results) >> (arguments[4] & 7) & 1) {
		counts->filtered[number]++;
	} else {
		__u64 task = current_task(direct);

		if (is_left_out(direct, arguments, task, counts)) {
			counts->filtered[number]++;
		} else {
			enum fate fate = signal_fate(direct, arguments, counts, task);

			if (fate == SUBMITTED)
				counts->submitted[number]++;
			else if (fate == FOLDED)
				counts->folded[number]++;
			else
				counts->lost[number]++;
		}
	}
	ORDER();
	counts->sequence++;
	return 0;
}

INLINE int on_oom_body(const bool direct, __u64 *arguments)
{
	struct killsnoop_oom *to = ring_reserve(SYM(map_ring), sizeof(*to), 0);

	if (to) {
		oom_record(direct, to, arguments, current_task(direct));
		ring_submit(to, NO_WAKEUP);
	}
	counted(OOM, to != 0);
	return 0;
}

/* arguments: registers at the call, what it returned */
INLINE int on_attempt_body(const bool direct, __u64 *arguments)
{
	__s64 returned = (__s64)arguments[1];
	__u64 registers = arguments[0];
	__u64 task, words[3];
	__u32 number;
	__s32 call;
	bool compat;
	enum call_form form;
	struct killsnoop_attempt *to;

	if (!is_of_interest(returned))
		return 0;
	task = current_task(direct);
	call = FIELD(direct, __s32, registers, regs_call);
	compat = is_compat(direct, task);
	form = form_of(compat, call);
	if (form == NO_CALL)
		return 0;
	arguments_of(direct, compat, registers, words);
	number = (__u32)(form == NUMBER_SECOND ? words[1] : words[2]);
	if (!is_wanted(returned, number) || (SYM(set_comms) && is_ignored(direct, task)))
		return 0;
	/* Nobody dies of it: what is left is for others. */
	to = is_short() ? 0 : ring_reserve(SYM(map_ring), sizeof(*to), 0);
	if (to) {
		to->kind = KILLSNOOP_ATTEMPT;
		to->namespace = namespace_of(direct, task);
		to->time = boot_clock();
		party_of(direct, &to->source, task);
		to->call = call;
		to->error = (__s32)-returned;
		to->argument[0] = words[0];
		to->argument[1] = words[1];
		to->argument[2] = words[2];
		__builtin_memset(to->reserved, 0, sizeof(to->reserved));
		to->pidfd = call == (__s32)SYM(call_pidfd) ?
				    meant_by(direct, task, words[0], -returned) : 0;
		to->bits = compat ? KILLSNOOP_COMPAT : 0;
		if (is_to_group(direct, compat, call, registers))
			to->bits |= KILLSNOOP_TO_GROUP;
		ring_submit(to, NO_WAKEUP);
	}
	counted(ATTEMPT, to != 0);
	return 0;
}

BOTH(on_signal)
BOTH(on_fork)
BOTH(on_exec)
BOTH(on_exit)
BOTH(on_oom)
BOTH(on_attempt)
BOTH(on_cgroup)
