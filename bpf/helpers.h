/* The kernel's helpers, called by number, so that no header of any kernel is wanted; and the ways
 * of reading that its two kinds of program have.
 *
 * `direct` is a constant wherever it appears: a tp_btf program (true) reads kernel memory by plain
 * loads, which the verifier checks against the kernel's own types; a raw tracepoint program
 * (false) asks a helper for each read.
 */
#ifndef HELPERS_H
#define HELPERS_H

#include "symbols.h"

#define true 1
#define false 0

#define INLINE static inline __attribute__((always_inline))

#define map_lookup ((void *(*)(__u64 map, const void *key))1)
#define map_update ((long (*)(__u64 map, const void *key, const void *value, __u64 flags))2)
#define boot_clock ((__u64 (*)(void))125)
#define this_cpu ((__u32 (*)(void))8)
#define current_pid_tgid ((__u64 (*)(void))14)
#define current_uid_gid ((__u64 (*)(void))15)
#define current_comm ((long (*)(void *to, __u32 size))16)
#define current_task_number ((__u64 (*)(void))35)
#define current_task_direct ((__u64 (*)(void))158)
#define task_registers ((__u64 (*)(__u64 task))175)
#define read_user ((long (*)(void *to, __u32 size, __u64 from))112)
#define read_kernel ((long (*)(void *to, __u32 size, __u64 from))113)
#define read_kernel_string ((long (*)(void *to, __u32 size, __u64 from))115)
#define ring_output ((long (*)(__u64 ring, void *record, __u64 size, __u64 flags))130)
#define ring_reserve ((void *(*)(__u64 ring, __u64 size, __u64 flags))131)
#define ring_query ((__u64 (*)(__u64 ring, __u64 what))134)
#define ring_submit ((void (*)(void *record, __u64 flags))132)

/* A function of the kernel, not a helper: the loader puts its number here. */
#define rdonly_cast ((__u64 (*)(__u64 object, __u64 type))0x7d01)

#define NO_EXIST 1 /* of map_update: only a key that is not there */
#define NO_WAKEUP 1 /* the reader looks by itself: waking it would cost the sender 8 us and more */

/* The member of a kernel struct that `symbol` places, of the given C type. */
#define FIELD(direct, type, base, symbol) ({ \
	type field_; \
	if (direct) { \
		field_ = *(volatile type *)((base) + SYM(symbol)); \
	} else { \
		field_ = 0; \
		read_kernel(&field_, sizeof(field_), (base) + SYM(symbol)); \
	} \
	field_; })

/* A task as the verifier lets anyone read it. Of a task that it trusts it looks up, for each
 * pointer read from it, whether that may be trusted too: a search of all the kernel's types, four
 * times over, 40 ms for these programs where 3 are enough. Nothing here needs the trust. */
#define PLAIN(direct, task) PLAIN_AS(direct, task, type_task)

/* Likewise of any type: of a pointer too that the verifier takes for a number. */
#define PLAIN_AS(direct, object, type) ({ \
	__u64 plain_ = (object); \
	if ((direct) && SYM(set_cast)) \
		plain_ = rdonly_cast(plain_, SYM(type)); \
	plain_; })

/* Numbers 0 and 1 say something too, so kernels from 6.12 on (not all of them) let nobody read a
 * siginfo that is not cast. Only for one that is neither. */
#define PLAIN_INFO(direct, info) PLAIN_AS(direct, info, type_info)

/* `number` times what a symbol says. Older verifiers (6.1's, not 6.12's) know the bounds of a
 * product only where the factor on the left is the one that varies, and without bounds it may not
 * be added to a pointer. LLVM would put either there. */
#define TIMES(number, symbol) ({ \
	__u64 product_ = (number); \
	asm("%0 *= %1" : "+r"(product_) : "r"(SYM(symbol))); \
	product_; })

/* A pointer as a number that may be compared with anything: through memory, for the verifier
 * knows what it knows of a pointer (say, that it is not null) only while it is in a register. */
#define AS_NUMBER(counts, pointer) ({ \
	*(volatile __u64 *)&(counts)->scratch = (pointer); \
	*(volatile __u64 *)&(counts)->scratch; })

INLINE __u64 current_task(const bool direct)
{
	return direct ? PLAIN(direct, current_task_direct()) : current_task_number();
}

/* A word of kernel memory where the verifier has no type to go by. */
INLINE __u64 word_at(__u64 address)
{
	__u64 word = 0;

	read_kernel(&word, sizeof(word), address);
	return word;
}

INLINE __u32 half_word_at(__u64 address)
{
	__u32 word = 0;

	read_kernel(&word, sizeof(word), address);
	return word;
}

/* Whether so little of the ring is free that only what matters most may go in. */
INLINE bool is_short(void)
{
	return SYM(set_ring_size) - ring_query(SYM(map_ring), 0) < SYM(set_margin);
}

/* Keeps the compiler from moving stores over it. */
#define ORDER() asm volatile("" ::: "memory")

#endif
