/* Counting the records that are no signals, struct killsnoop_table_counts; and when any was lost. */
#ifndef COUNT_H
#define COUNT_H

#include "helpers.h"
#include "killsnoop.h"

enum table_program { FORK, EXEC, EXIT, OOM, ATTEMPT, CGROUP, TABLE_PROGRAMS };

/* Says that something was lost now: the user hears from when to when, of what is new to it. */
INLINE void lost_at(__u64 *span, __u64 now)
{
	__u32 zero = 0;
	struct killsnoop_turns *turns = map_lookup(SYM(map_epoch), &zero);

	if (!turns)
		return;
	if (!span[1] || span[0] != turns->turn) {
		span[0] = turns->turn;
		span[1] = now;
	}
	span[2] = now;
}

INLINE void counted(enum table_program which, bool submitted)
{
	__u32 place = this_cpu() * TABLE_PROGRAMS + which;
	struct killsnoop_table_counts *counts = map_lookup(SYM(map_table_counts), &place);

	if (!counts)
		return;
	counts->sequence++;
	ORDER();
	counts->seen++;
	if (submitted) {
		counts->submitted++;
	} else {
		counts->lost++;
		lost_at(counts->span, boot_clock());
	}
	ORDER();
	counts->sequence++;
}

#endif
