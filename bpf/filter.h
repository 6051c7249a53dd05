/* What the user asked not to hear of. It is counted all the same. */
#ifndef FILTER_H
#define FILTER_H

#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define SI_USER 0
#define SI_QUEUE -1
#define SI_TKILL -6

/* Whether a signal of that number is to be left out; bit 0 is signal 1's, as in sigset_t. */
INLINE bool is_excluded(__u64 number)
{
	return SYM(set_excluded) >> ((number - 1) & 63) & 1;
}

/* Whether current itself sent it, by a call that says so honestly. Only then is its name a reason
 * to leave a signal out: else a fault, an alarm or an OOM kill would go with a bystander's name.
 */
INLINE bool is_sent(const bool direct, __u64 info, struct killsnoop_counts *counts)
{
	__s32 code;

	if (AS_NUMBER(counts, info) <= 1 || !info)
		return false;
	code = FIELD(direct, __s32, PLAIN_INFO(direct, info), info_code);
	return code == SI_USER || code == SI_QUEUE || code == SI_TKILL;
}

/* Bit 7 of the lowest byte that is 0; bits above it mean nothing. */
INLINE __u64 has_nul(__u64 word)
{
	return (word - 0x0101010101010101ull) & ~word & 0x8080808080808080ull;
}

INLINE __u64 up_to_nul(__u64 word)
{
	__u64 found = has_nul(word);

	return found ? word & (((found & -found) >> 7) - 1) : word;
}

INLINE bool same_name(__u64 low, __u64 high, __u64 other_low, __u64 other_high)
{
	return low == other_low && high == other_high;
}

/* The command name of a task's process, as two words with nothing behind its end. */
INLINE bool name_of(const bool direct, __u64 task, __u64 *name)
{
	__u64 leader = FIELD(direct, __u64, task, task_group_leader);

	if (!leader)
		return false;
	comm_of(direct, (char *)name, leader);
	/* Before 5.17 the kernel leaves what a longer name before this one had behind the NUL. */
	if (has_nul(name[0]))
		name[1] = 0;
	name[0] = up_to_nul(name[0]);
	name[1] = up_to_nul(name[1]);
	return true;
}

/* Whether the source's command is one of those that the user asked not to hear of. */
INLINE bool is_ignored(const bool direct, __u64 task)
{
	__u64 name[2];

	if (!name_of(direct, task, name))
		return false;
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

/* Likewise of the target. */
INLINE bool is_target_ignored(const bool direct, __u64 task)
{
	__u64 name[2];

	if (!name_of(direct, task, name))
		return false;
	if (same_name(name[0], name[1], SYM(set_target_comm0_low), SYM(set_target_comm0_high)))
		return true;
	if (SYM(set_target_comms) > 1 &&
	    same_name(name[0], name[1], SYM(set_target_comm1_low), SYM(set_target_comm1_high)))
		return true;
	if (SYM(set_target_comms) > 2 &&
	    same_name(name[0], name[1], SYM(set_target_comm2_low), SYM(set_target_comm2_high)))
		return true;
	return SYM(set_target_comms) > 3 &&
	       same_name(name[0], name[1], SYM(set_target_comm3_low), SYM(set_target_comm3_high));
}

/* The effective user of a task, as records have it. */
INLINE __u32 user_of(const bool direct, __u64 task)
{
	__u64 cred = FIELD(direct, __u64, task, task_cred);

	return cred ? FIELD(direct, __u32, cred, cred_uid) : ~0u;
}

INLINE bool is_source_user_ignored(__u32 user)
{
	return user == (__u32)SYM(set_source_uid0) ||
	       (SYM(set_source_uids) > 1 && user == (__u32)SYM(set_source_uid1)) ||
	       (SYM(set_source_uids) > 2 && user == (__u32)SYM(set_source_uid2)) ||
	       (SYM(set_source_uids) > 3 && user == (__u32)SYM(set_source_uid3));
}

INLINE bool is_target_user_ignored(__u32 user)
{
	return user == (__u32)SYM(set_target_uid0) ||
	       (SYM(set_target_uids) > 1 && user == (__u32)SYM(set_target_uid1)) ||
	       (SYM(set_target_uids) > 2 && user == (__u32)SYM(set_target_uid2)) ||
	       (SYM(set_target_uids) > 3 && user == (__u32)SYM(set_target_uid3));
}

/* Whether one of the two sides is one that the user asked not to hear of. */
INLINE bool is_left_out(const bool direct, __u64 *arguments, __u64 task,
			struct killsnoop_counts *counts)
{
	if ((SYM(set_comms) || SYM(set_source_uids)) && is_sent(direct, arguments[1], counts)) {
		if (SYM(set_comms) && is_ignored(direct, task))
			return true;
		if (SYM(set_source_uids) && is_source_user_ignored(user_of(direct, task)))
			return true;
	}
	if (SYM(set_target_comms) && is_target_ignored(direct, PLAIN(direct, arguments[2])))
		return true;
	return SYM(set_target_uids) &&
	       is_target_user_ignored(user_of(direct, PLAIN(direct, arguments[2])));
}

#endif
