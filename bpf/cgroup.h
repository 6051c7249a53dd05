/* A new cgroup's name, so that who lives in it for a millisecond is known to have lived there. */
#ifndef CGROUP_H
#define CGROUP_H

#include "count.h"
#include "helpers.h"
#include "killsnoop.h"

/* arguments: struct cgroup, its path */
INLINE int on_cgroup_body(const bool direct, __u64 *arguments)
{
	__u64 group = arguments[0];
	__u64 node = FIELD(direct, __u64, group, cgroup_kn);
	__u64 root = FIELD(direct, __u64, group, cgroup_root);
	__u64 size;
	__u32 zero = 0;
	struct killsnoop_cgroup *to = map_lookup(SYM(map_exec), &zero);

	if (!to || !node || !root)
		return 0;
	to->kind = KILLSNOOP_CGROUP;
	to->time = boot_clock();
	to->id = FIELD(direct, __u64, node, kernfs_id);
	to->hierarchy = FIELD(direct, __u32, root, root_hierarchy);
	to->reserved = 0;
	size = read_kernel_string((char *)(to + 1), KILLSNOOP_PATH, arguments[1]);
	if (size > KILLSNOOP_PATH)
		size = 0;
	to->path_size = size;
	counted(CGROUP, ring_output(SYM(map_ring), to, sizeof(*to) + size, NO_WAKEUP) == 0);
	return 0;
}

#endif
