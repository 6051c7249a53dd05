/* What is told of a signal beside its two parties: how the target handles it, where a fault was,
 * and of a signal that the kernel raised what only the kernel knows.
 */
#ifndef DETAILS_H
#define DETAILS_H

#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define FIRST_PAGE 4096

INLINE __u8 disposition_of(const bool direct, __u64 target, __u64 number)
{
	__u64 handlers = FIELD(direct, __u64, target, task_sighand);
	__u64 handler, place = (number - 1) & 63;

	if (FIELD(direct, __u64, target, task_blocked) >> place & 1)
		return KILLSNOOP_BLOCKED;
	if (!handlers)
		return KILLSNOOP_UNKNOWN;
	handler = word_at(handlers + SYM(sighand_action) + TIMES(place, action_size) +
			  SYM(action_handler));
	if (handler == 0)
		return KILLSNOOP_DEFAULT;
	return handler == 1 ? KILLSNOOP_IGNORED : KILLSNOOP_HANDLED;
}

/* Of SIGSEGV and SIGBUS: other faults have the address of an instruction there. */
INLINE __u8 address_class(__u64 info, __s32 number, __s32 code)
{
	if (code <= 0 || code >= 128 || (number != 11 && number != 7))
		return KILLSNOOP_ADDRESS_NONE;
	return word_at(info + SYM(info_address)) < FIRST_PAGE ? KILLSNOOP_ADDRESS_NULL
							      : KILLSNOOP_ADDRESS_OTHER;
}

/* The directory that a file descriptor of current's is in, as kernfs numbers it. */
INLINE __u64 directory_of(const bool direct, __u64 task, __u64 descriptor)
{
	__u64 file = file_of(direct, task, descriptor);
	__u64 parent;

	if (!file)
		return 0;
	parent = word_at(word_at(file + SYM(file_dentry)) + SYM(dentry_parent));
	return word_at(word_at(parent + SYM(dentry_inode)) + SYM(inode_number));
}

INLINE void details_of(const bool direct, struct killsnoop_details *to, __u64 source,
		       __u64 target, const struct killsnoop_signal *of)
{
	__u64 signal = FIELD(direct, __u64, target, task_signal);
	__u64 own = FIELD(direct, __u64, source, task_signal);
	__u64 tty = 0, leader = 0;

	if (signal) {
		tty = FIELD(direct, __u64, signal, signal_tty);
		leader = FIELD(direct, __u64, signal, signal_session_pid);
	}
	if (!tty || read_kernel(to->tty, KILLSNOOP_TTY, tty + SYM(tty_name)))
		__builtin_memset(to->tty, 0, KILLSNOOP_TTY);
	to->session = leader ? half_word_at(leader + SYM(pid_numbers) + SYM(upid_nr)) : 0;
	to->namespace = namespace_of(direct, source);
	to->orphaned = own ? !FIELD(direct, __u32, own, signal_leader) : 0;
	to->foreign = own && leader && FIELD(direct, __u64, own, signal_session_pid) != leader;
	to->cgroup = 0;
	/* Only cgroup.kill looks like this. */
	if (of->how.number == 9 && of->how.info == KILLSNOOP_INFO_NONE && !of->how.group)
		to->cgroup = directory_of(direct, source, of->how.argument);
}

#endif
