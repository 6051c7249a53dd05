/* Repeats of a signal beyond a burst: counted under what makes them alike, not recorded.
 *
 * In one of two maps, chosen by an epoch that user space turns: it reads and empties the one that
 * is not in use, for deleting from a map in use would lose counts.
 */
#ifndef FOLD_H
#define FOLD_H

#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define SECOND 1000000000ull
#define PF_EXITING 0x4
#define PF_KTHREAD 0x00200000

INLINE __u32 own_number(const bool direct, __u64 task, __u32 pid)
{
	__u64 signal = FIELD(direct, __u64, task, task_signal);

	return signal ? namespace_pid(direct, signal, pid) : 0;
}

/* Counts one more; whether it is a repeat that need not be recorded. */
INLINE bool is_counted(struct killsnoop_fold *fold, __u64 now)
{
	if (now - fold->since > SECOND) {
		/* Two at once may both begin the second: then a few more are recorded. */
		fold->since = now;
		fold->seen = 1;
		return false;
	}
	__sync_fetch_and_add(&fold->seen, 1);
	if (fold->seen <= SYM(set_burst))
		return false;
	if (!fold->count)
		fold->first = now;
	__sync_fetch_and_add(&fold->count, 1);
	fold->last = now;
	return true;
}

INLINE bool is_folded(const bool direct, const struct killsnoop_how *how, __u64 now, __u64 task,
		      __u64 target)
{
	struct killsnoop_fold_key key;
	struct killsnoop_fold *fold, fresh = { .since = now, .seen = 1 };
	__u32 zero = 0;
	struct killsnoop_turns *turns = map_lookup(SYM(map_epoch), &zero);
	bool odd = turns && (turns->epoch & 1);

	key.source_start = start_of(direct, task);
	key.target_start = start_of(direct, target);
	key.source_pid = FIELD(direct, __u32, task, task_tgid);
	key.target_pid = FIELD(direct, __u32, target, task_tgid);
	key.source_flags = FIELD(direct, __u32, task, task_flags) & (PF_EXITING | PF_KTHREAD);
	/* Only of one that ends does it matter whether it is its namespace's first process. */
	key.source_vpid = key.source_flags & PF_EXITING ? own_number(direct, task, key.source_pid) : 2;
	key.how = *how;
	fold = odd ? map_lookup(SYM(map_fold1), &key) : map_lookup(SYM(map_fold0), &key);
	if (fold)
		return is_counted(fold, now);
	/* A map that is full folds no more: then all are recorded, or find the ring full. */
	if (odd)
		map_update(SYM(map_fold1), &key, &fresh, NO_EXIST);
	else
		map_update(SYM(map_fold0), &key, &fresh, NO_EXIST);
	return false;
}

#endif
