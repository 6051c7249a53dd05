/* The contract between the kernel program and user space: the only one.
 *
 * Every record in the ring starts with its kind and ends where its size says. Nothing here is
 * padded by a compiler: each struct is a multiple of 8 bytes and each member sits on its own
 * alignment; tests/tracer compares every offset with otel_killsnoop/tracer/decode.py.
 *
 * A record's unique sequence is not a member: it is the record's position in the ring added to
 * the boot clock at which the ring was made (`made_at` below), so it costs the sender nothing,
 * is unique for a boot while fewer bytes than nanoseconds pass, and is the same for a reader
 * that reads the record again.
 */
#ifndef KILLSNOOP_H
#define KILLSNOOP_H

#define KILLSNOOP_CONTRACT 5
#define KILLSNOOP_NUMBERS 65   /* signal numbers 0..64 */
#define KILLSNOOP_COMM 16
#define KILLSNOOP_ARGS 16384   /* bytes of argv carried at most */
#define KILLSNOOP_ARGS_SHORT 512 /* likewise when little of the ring is free */
#define KILLSNOOP_PATH 4096    /* bytes of the path given to exec, its NUL included */
#define KILLSNOOP_UIDS 4       /* users of either side whose signals are left out */
#define KILLSNOOP_COMMS 4      /* ignored source names compared in line; more go by a hash map */
#define KILLSNOOP_TTY 32       /* bytes of a terminal's name carried, a NUL at the end */
#define KILLSNOOP_LEVELS 4     /* nested PID namespaces whose numbers a fork record carries */
#define KILLSNOOP_SPAN 3       /* words that say when: a turn of the user's, in it the first, the last */
#define KILLSNOOP_V1 (1ull << 63) /* in a cgroup id: it is of a v1 hierarchy */

enum killsnoop_kind {
	KILLSNOOP_SIGNAL = 1,
	KILLSNOOP_FORK = 2,
	KILLSNOOP_EXEC = 3,
	KILLSNOOP_EXIT = 4,
	KILLSNOOP_OOM = 5,
	KILLSNOOP_ATTEMPT = 6,
	KILLSNOOP_CGROUP = 7,
};

/* What siginfo was handed to the kernel's send_signal. */
enum killsnoop_info {
	KILLSNOOP_INFO_NONE = 0,    /* SEND_SIG_NOINFO: a user's kill, or the kernel for current */
	KILLSNOOP_INFO_PRIV = 1,    /* SEND_SIG_PRIV: the kernel */
	KILLSNOOP_INFO_GIVEN = 2,   /* a real siginfo: code and error are its own */
};

enum killsnoop_flags {
	KILLSNOOP_INTERRUPT = 1, /* raised on an interrupt stack: current is a bystander */
	KILLSNOOP_COMPAT = 2,    /* the call in progress is a 32-bit one */
	KILLSNOOP_CALL = 4,      /* call and argument are known */
	KILLSNOOP_TO_GROUP = 8,  /* pidfd_send_signal asks for the process group (6.9 and later) */
	KILLSNOOP_ENDED = 16,    /* current is a zombie already: it tells of its own end */
};

/* How the target's process handles the signal, at that moment. */
enum killsnoop_disposition {
	KILLSNOOP_UNKNOWN = 0,
	KILLSNOOP_DEFAULT = 1,
	KILLSNOOP_IGNORED = 2,
	KILLSNOOP_HANDLED = 3,
	KILLSNOOP_BLOCKED = 4, /* by the thread named to the kernel */
};

/* Where a fault's address lies; nothing more of it is told. */
enum killsnoop_address {
	KILLSNOOP_ADDRESS_NONE = 0,
	KILLSNOOP_ADDRESS_NULL = 1,  /* in the first page */
	KILLSNOOP_ADDRESS_OTHER = 2,
};

/* One side of a signal, or the subject of a fork or exec: a thread and its process. */
struct killsnoop_party {
	__u64 start;  /* of the process, ns of the boot clock */
	__u32 pid;    /* of the process, as the host numbers it (tgid) */
	__u32 tid;    /* of the thread */
	__u32 uid;    /* effective, in the initial user namespace, of the thread */
	__u32 gid;
	__u32 vpid;   /* pid in the process's own PID namespace */
	__u32 flags;  /* PF_* */
	__u64 cgroup; /* kernfs id, v2 unless KILLSNOOP_V1 is set */
	char comm[KILLSNOOP_COMM]; /* of the process, which is its first thread's */
};

/* What signal, raised how. */
struct killsnoop_how {
	__s32 number;
	__s32 code;   /* siginfo's, 0 unless info is GIVEN */
	__s32 error;  /* siginfo's si_errno, which a sender may forge */
	__s32 call;   /* system call in progress, by the caller's own numbering; -1 in a fault */
	__u8 info;
	__u8 group;   /* 1 when directed at a process, 0 at a thread */
	__u8 result;
	__u8 bits;    /* KILLSNOOP_INTERRUPT and kin */
	__u8 disposition;
	__u8 address;
	__u8 detailed; /* 1: a struct killsnoop_details follows the record */
	__u8 reserved;
	__u64 argument; /* the call's first argument */
};

struct killsnoop_signal {
	__u32 kind;
	__u32 reserved;
	__u64 time;   /* ns of the boot clock */
	struct killsnoop_party source; /* current, which need not be who sent it */
	struct killsnoop_party target; /* the thread named to the kernel */
	struct killsnoop_how how;
};

/* What user space says: written there, read here. */
struct killsnoop_turns {
	__u64 epoch; /* odd or even: which of the two maps repeats are counted in */
	__u64 turn;  /* goes up with each look at what was lost */
};

/* Repeats are counted under this, in one of two maps: the user's epoch says in which. */
struct killsnoop_fold_key {
	__u64 source_start;
	__u64 target_start;
	__u32 source_pid;
	__u32 target_pid;
	__u32 source_flags; /* PF_EXITING, PF_KTHREAD */
	__u32 source_vpid;  /* of one that is exiting, else 2 */
	struct killsnoop_how how;
};

struct killsnoop_fold {
	__u64 since; /* boot ns: begin of the second in which `seen` were seen */
	__u64 seen;
	__u64 count; /* repeats that were not recorded */
	__u64 first; /* boot ns of the first of those, and of the last */
	__u64 last;
};

/* Behind a signal that the kernel raised: what a process's own does not need. */
struct killsnoop_details {
	char tty[KILLSNOOP_TTY]; /* the target's controlling terminal, empty if it has none */
	__u32 session;   /* pid of the leader of the target's session, 0 if it is gone */
	__u32 namespace; /* inode of the source's PID namespace */
	__u64 cgroup;    /* in a write(2): kernfs id of the directory that the file is in, else 0 */
	__u32 orphaned;  /* 1 when the source is no session leader */
	__u32 foreign;   /* 1 when the source is of another session than the target */
};

/* A process's number in one PID namespace. */
struct killsnoop_level {
	__u32 namespace; /* inode */
	__u32 number;
};

struct killsnoop_fork {
	__u32 kind;
	__u32 reserved;
	__u64 time;
	struct killsnoop_party child;
	__u64 parent_start;      /* who called fork */
	__u32 parent_pid;
	__u32 parent_tid;
	__u64 real_parent_start; /* whom the kernel made the parent */
	__u32 real_parent_pid;
	__u32 login_uid; /* of the audit system, ~0 when there was no login */
	__u32 session;   /* likewise */
	__u32 levels;    /* PID namespaces that the child is in below the initial one */
	struct killsnoop_level level[KILLSNOOP_LEVELS]; /* outermost first */
};

/* Followed by args_size bytes of argv, then path_size bytes of path. */
struct killsnoop_exec {
	__u32 kind;
	__u32 argc;
	__u64 time;
	struct killsnoop_party self;
	__u32 args_total; /* bytes that argv has; args_size is less when it was cut */
	__u32 args_size;  /* 0 although args_total is not: the pages could not be read */
	__u32 path_size;  /* its NUL included */
	__u32 old_tid;    /* of the thread that called exec */
	__u32 login_uid;
	__u32 session;
	__u64 parent_start; /* whose child it is, for who was born before there was a fork record */
	__u32 parent_pid;
	__u32 reserved;
};

struct killsnoop_exit {
	__u32 kind;
	__s32 status;
	__u64 time;
	__u64 start;
	__u32 pid;
	__u32 tid; /* of the last thread */
	__u64 parent_start; /* as in exec's */
	__u32 parent_pid;
	__u32 reserved;
};

/* The OOM killer has chosen; its SIGKILL to the same process was raised just before. */
struct killsnoop_oom {
	__u32 kind;
	__u32 reserved;
	__u64 time;
	__u64 start;      /* of the victim */
	__u32 pid;
	__u32 tid;        /* of current: whoever asked for the memory, a bystander */
	__u64 total_vm;   /* pages */
	__u64 anon_rss;   /* pages, as are the next two */
	__u64 file_rss;
	__u64 shmem_rss;
	__u64 page_tables; /* bytes */
	__s32 score_adj;
	__u32 reserved2;
};

/* A call that would have sent a signal and was refused, or one that sent signal 0. */
struct killsnoop_attempt {
	__u32 kind;
	__u32 namespace; /* inode of the caller's PID namespace */
	__u64 time;
	struct killsnoop_party source;
	__s32 call;
	__s32 error;     /* errno, 0 for a signal 0 that was not refused */
	__u64 argument[3];
	__u8 bits;       /* KILLSNOOP_COMPAT, KILLSNOOP_TO_GROUP */
	__u8 reserved[3];
	__u32 pidfd;     /* the host's number of whom the first argument means, if it is a pidfd */
};

/* A new cgroup. Followed by path_size bytes of path: from its hierarchy's root, with a NUL. */
struct killsnoop_cgroup {
	__u32 kind;
	__u32 path_size;
	__u64 time;
	__u64 id;         /* kernfs id */
	__u32 hierarchy;  /* as in /proc/PID/cgroup; 0 is v2's */
	__u32 reserved;
};

/* One element a CPU. sequence is odd while the rest changes, so a reader that sees the same
 * even number before and after its copy has a copy that adds up:
 * generated[n] = filtered[n] + folded[n] + lost[n] + submitted[n]. */
struct killsnoop_counts {
	__u64 sequence;
	__u64 scratch; /* where the program turns a pointer into a number; means nothing */
	struct killsnoop_how how; /* of the signal at hand: the program's own, too */
	__u64 generated[KILLSNOOP_NUMBERS];
	__u64 filtered[KILLSNOOP_NUMBERS];
	__u64 folded[KILLSNOOP_NUMBERS];
	__u64 lost[KILLSNOOP_NUMBERS];
	__u64 submitted[KILLSNOOP_NUMBERS];
	__u64 refused; /* of lost: kept out of what is left for lethal signals */
	__u64 refused_span[KILLSNOOP_SPAN]; /* when that was, in boot ns */
	__u64 full_span[KILLSNOOP_SPAN];    /* when the other lost ones were */
};

/* One element a CPU and program (enum table_program): seen = lost + submitted. */
struct killsnoop_table_counts {
	__u64 sequence;
	__u64 seen;
	__u64 lost;
	__u64 submitted;
	__u64 span[KILLSNOOP_SPAN]; /* when those that are lost were, in boot ns */
	__u64 reserved;
};

#endif
