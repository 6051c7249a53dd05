/* Counting the records that are no signals: struct killsnoop_table_counts. */
#ifndef COUNT_H
#define COUNT_H

#include "helpers.h"
#include "killsnoop.h"

enum table_program { FORK, EXEC, EXIT, OOM, ATTEMPT, CGROUP, TABLE_PROGRAMS };

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

#endif
