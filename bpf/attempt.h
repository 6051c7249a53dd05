/* Calls that would send a signal, at their end: those that were refused, and signal 0.
 *
 * Run at every system call's end where it hangs on sys_exit: so the first test is the one that
 * nearly all calls fail.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "filter.h"
#include "helpers.h"
#include "killsnoop.h"
#include "party.h"

#define ERRNO_MOST 4095
#define EPERM 1
#define ESRCH 3
#define EAGAIN 11
#define PIDFS_MAGIC 0x50494446

enum call_form { NO_CALL, NUMBER_SECOND, NUMBER_THIRD };

INLINE bool is_of_interest(__s64 returned)
{
	return (returned < 0 && returned >= -ERRNO_MOST) || (returned == 0 && SYM(set_zero));
}

/* Where the call has the signal's number, if it is one that sends signals. */
INLINE enum call_form form_of(bool compat, __s32 call)
{
	if (call == (__s32)SYM(call_pidfd))
		return NUMBER_SECOND;
	if (compat) {
		if (call == (__s32)SYM(call32_kill) || call == (__s32)SYM(call32_tkill) ||
		    call == (__s32)SYM(call32_queue))
			return NUMBER_SECOND;
		if (call == (__s32)SYM(call32_tgkill) || call == (__s32)SYM(call32_tgqueue))
			return NUMBER_THIRD;
		return NO_CALL;
	}
	if (call == (__s32)SYM(call_kill) || call == (__s32)SYM(call_tkill) ||
	    call == (__s32)SYM(call_queue))
		return NUMBER_SECOND;
	if (call == (__s32)SYM(call_tgkill) || call == (__s32)SYM(call_tgqueue))
		return NUMBER_THIRD;
	return NO_CALL;
}

INLINE void arguments_of(const bool direct, bool compat, __u64 registers, __u64 *to)
{
	if (compat) {
		to[0] = (__u32)FIELD(direct, __u64, registers, regs_argument32);
		to[1] = (__u32)FIELD(direct, __u64, registers, regs_argument2_32);
		to[2] = (__u32)FIELD(direct, __u64, registers, regs_argument3_32);
	} else {
		to[0] = FIELD(direct, __u64, registers, regs_argument);
		to[1] = FIELD(direct, __u64, registers, regs_argument2);
		to[2] = FIELD(direct, __u64, registers, regs_argument3);
	}
}

/* The host's number of the process that a pidfd means, 0 when that cannot be told for sure. */
INLINE __u32 meant_by(const bool direct, __u64 task, __u64 descriptor, __s64 error)
{
	__u64 file = file_of(direct, task, descriptor);
	__u64 inode, pid;

	if (!file)
		return 0;
	if (SYM(set_pidfs)) {
		inode = word_at(file + SYM(file_inode));
		if (word_at(word_at(inode + SYM(inode_super)) + SYM(super_magic)) != PIDFS_MAGIC)
			return 0;
		pid = word_at(inode + SYM(inode_private));
	} else {
		/* Only of these is it certain that the kernel has found a pidfd. */
		if (error != EPERM && error != ESRCH)
			return 0;
		pid = word_at(file + SYM(file_private));
	}
	return pid ? half_word_at(pid + SYM(pid_numbers) + SYM(upid_nr)) : 0;
}

/* Whether the user wants to hear of it: as with a signal that is raised. */
INLINE bool is_wanted(__s64 returned, __u32 number)
{
	if (number == 0)
		return SYM(set_zero) != 0;
	/* It was raised, or found the queue full: recorded with that outcome by signal_generate. */
	if (returned == 0 || returned == -EAGAIN)
		return false;
	return number > 64 || !is_excluded(number);
}

#endif
