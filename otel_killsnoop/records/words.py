"""The values that attributes with a fixed set of them may have, and what each means."""

from __future__ import annotations

CAUSES = {
    "user": "a process sent it by a system call",
    "cgroup.kill": "somebody wrote to cgroup.kill",
    "tty": "a terminal: a key, a hang-up, a new window size",
    "oom": "memory ran out",
    "timer": "an alarm, an interval timer, a CPU limit of the target's own",
    "fault": "the program failed: bad memory access, bad instruction, abort, seccomp",
    "pipe": "it wrote into a pipe that nobody reads",
    "filesize": "it wrote beyond its file size limit",
    "pdeathsig": "its parent died, and it had asked to be told so",
    "pidns": "its PID namespace was torn down",
    "session": "the leader of its session exited, or its process group was orphaned",
    "child": "a child of it stopped, went on or ended",
    "io": "a file became ready, and it had asked to be told so",
    "mq": "a message queue got a message, and it had asked to be told so",
    "job": "a job in the background touched the terminal",
    "ptrace": "its tracer",
    "kernel": "the kernel, for a reason that cannot be told",
}

RESULTS = {
    "delivered": "the signal was queued for the target",
    "ignored": "the target ignores it, so it was dropped",
    "already_pending": "the same signal waits already, so this one was merged into it",
    "overflow_fail": "the target's queue is full: a real-time signal was refused",
    "lose_info": "the target's queue is full: delivered, without its details",
    "refused": "an attempt: the system call failed, and nothing was sent; see `error.type`",
    "tested": "a signal 0 that was not refused: nothing is sent, the target was only looked for",
}

DISPOSITIONS = {
    "default": "the signal's default action",
    "ignored": "it ignores the signal",
    "handled": "a handler of its own",
    "blocked": "it holds the signal back until it allows it",
}

EVENTS = {
    "signal": "a signal was generated",
    "attempt": "a call that was refused, or sent signal 0; its records say `signal`",
    "exit": "a process died of a signal",
    "gap": "signals were lost",
    "accounting": "the agent stopped, and tells what it has counted",
    "repeats": "repeats were counted in the kernel; its records say `signal`",
}
"""What the metric of records made tells apart."""

LOSSES = {
    "ring_full": "the kernel found no room in the ring",
    "ring_short": "little of the ring was free, and that is kept for lethal signals and lives",
    "skipped": "the kernel skipped our program, which was running on that CPU already",
    "attempts": "a refused call or signal 0 found little or no room",
    "lives": "no signal but a fork, exec or exit found no room: trees of then may be incomplete",
    "unread": "an agent of another version left them in a ring that this one cannot read",
    "undecodable": "the kernel's record could not be understood",
    "unspooled": "the spool could not be written",
    "evicted": "the spool was full, and the oldest made room",
    "rejected": "the Collector refused it for good",
    "orphaned": "the agent before was killed, and what was in its ring is gone with it: at least "
    "so many, and what came after it last noted its counts is unknown",
    "missing": "it was in the spool, and the next start did not find it there",
}
