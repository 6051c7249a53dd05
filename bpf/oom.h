/* The OOM killer's choice. The SIGKILL that it sends is raised just before, by the same task. */
#ifndef OOM_H
#define OOM_H

#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

/* arguments: the victim on newer kernels, its number on older ones, where nothing more is known */
INLINE void oom_record(const bool direct, struct killsnoop_oom *to, __u64 *arguments, __u64 current)
{
	__u64 memory = 0, signal = 0;

	to->kind = KILLSNOOP_OOM;
	to->reserved = 0;
	to->time = boot_clock();
	to->tid = FIELD(direct, __u32, current, task_pid);
	to->start = 0;
	to->score_adj = 0;
	to->reserved2 = 0;
	if (SYM(set_victim_task)) {
		__u64 victim = PLAIN(direct, arguments[0]);

		to->start = start_of(direct, victim);
		to->pid = FIELD(direct, __u32, victim, task_tgid);
		memory = FIELD(direct, __u64, victim, task_mm);
		signal = FIELD(direct, __u64, victim, task_signal);
	} else {
		to->pid = (__u32)arguments[0];
	}
	if (signal)
		to->score_adj = (__s16)FIELD(direct, __u16, signal, signal_score_adj);
	/* By the helper: what these are made of differs between kernels. */
	to->total_vm = memory ? word_at(memory + SYM(mm_total_vm)) : 0;
	to->file_rss = memory ? word_at(memory + SYM(mm_rss)) : 0;
	to->anon_rss = memory ? word_at(memory + SYM(mm_rss) + SYM(mm_rss_step)) : 0;
	to->shmem_rss = memory ? word_at(memory + SYM(mm_rss) + 3 * SYM(mm_rss_step)) : 0;
	to->page_tables = memory ? word_at(memory + SYM(mm_page_tables)) : 0;
}

#endif
