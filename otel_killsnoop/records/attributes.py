"""The one table of every attribute of a log record and of every metric.

Nothing is encoded under a name that is not here, `otel-killsnoop fields` prints it, and
docs/fields.md is held to it by a test.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_killsnoop.records.metric_table import METRICS as METRICS

SOURCE = "killsnoop.source"
TARGET = "killsnoop.target"
EVENT_NAME = "killsnoop.signal"
GAP_EVENT_NAME = "killsnoop.gap"


class Attribute(NamedTuple):
    """type: ``string``, ``int``, ``string[]`` or ``int[]``; example: as a reader would see it."""

    name: str
    type: str
    meaning: str
    example: str


_A = Attribute

RESOURCE = (
    _A("service.name", "string", "Name of this agent.", "otel-killsnoop"),
    _A("service.version", "string", "Its version.", "0.1.0"),
    _A(
        "service.instance.id",
        "string",
        "The node: the host's id, else its name; the same after every restart.",
        "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b",
    ),
    _A("host.id", "string", "The host's machine-id.", "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b"),
    _A("host.name", "string", "The host's name.", "node-7"),
    _A("os.type", "string", "Always `linux`.", "linux"),
    _A("os.version", "string", "The running kernel's release.", "6.12.9-amd64"),
    _A("telemetry.distro.name", "string", "Who encoded this.", "otel-killsnoop"),
    _A("telemetry.distro.version", "string", "Its version.", "0.1.0"),
)
"""Of the agent. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME add to these and override them."""

SIDE = (
    _A("process.pid", "int", "Process id on the host.", "4711"),
    _A("process.vpid", "int", "Its number in its own PID namespace, when that differs.", "7"),
    _A("process.parent_pid", "int", "The kernel's parent; absent when there is none.", "4702"),
    _A(
        "process.creation.time",
        "string",
        "Start, ISO 8601 UTC with milliseconds; with the pid it identifies the process.",
        "2026-11-24T12:03:40.911Z",
    ),
    _A("process.executable.name", "string", "The kernel's name of the process (comm).", "pkill"),
    _A("process.executable.path", "string", "What exec was given, or /proc/PID/exe.", "/bin/pkill"),
    _A(
        "process.command",
        "string",
        "The first argument, where the arguments themselves are withheld.",
        "pkill",
    ),
    _A("process.command_line", "string", "The arguments joined by spaces.", "pkill -9 -f nginx"),
    _A(
        "process.command_args",
        "string[]",
        "The arguments, secrets masked; at most 16 KiB as JSON.",
        '["pkill","-9","-f","nginx"]',
    ),
    _A("process.args_count", "int", "How many arguments there truly are.", "4"),
    _A("process.user.id", "int", "Effective user id.", "0"),
    _A("process.user.name", "string", "That user's name on the host.", "root"),
    _A(
        "process.linux.cgroup",
        "string",
        "Path of its cgroup, when no container is known.",
        "/user.slice/user-0.slice/session-3.scope",
    ),
    _A("container.id", "string", "The container it runs in.", "4813c0ed0a96"),
    _A("k8s.pod.uid", "string", "The pod it runs in.", "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"),
    _A("systemd.unit", "string", "The unit it runs in.", "nginx.service"),
    _A(
        "process.known_from",
        "string",
        "How we know, when not by its exec: `fork`, `procfs`, or `partial` (only what the "
        "signal itself told).",
        "procfs",
    ),
    _A(
        "process.tree",
        "string",
        "The process and its ancestors, nearest first; ends in `< ...` where more are unknown "
        "or not shown.",
        "pkill[42] < bash[40] < sshd[7] < systemd[1]",
    ),
    _A("process.ancestors.pids", "int[]", "Process ids of the ancestors, nearest first.", "[40,1]"),
    _A("process.ancestors.names", "string[]", "Their names, in that order.", '["bash","systemd"]'),
    _A(
        "process.ancestors.command_lines",
        "string[]",
        "Their command lines, at most 256 bytes each.",
        '["-bash","/sbin/init"]',
    ),
)
"""Of the source and of the target alike, each under its prefix."""

LOG = (
    _A(
        "killsnoop.event",
        "string",
        "What the record tells: `signal`, or `gap` when signals were lost.",
        "signal",
    ),
    _A("killsnoop.signal.number", "int", "The signal's number.", "9"),
    _A("killsnoop.signal.name", "string", "Its name; `SIGRTMIN+n` for real-time ones.", "SIGKILL"),
    _A("killsnoop.signal.code", "string", "The kernel's `si_code`, by name.", "SI_USER"),
    _A("killsnoop.signal.cause", "string", "Why it was raised; see Causes.", "user"),
    _A(
        "killsnoop.signal.call",
        "string",
        "The system call in progress that sent it; absent when there was none.",
        "kill",
    ),
    _A("killsnoop.signal.scope", "string", "`process`, `thread` or `group`.", "process"),
    _A("killsnoop.signal.result", "string", "What came of it; see Results.", "delivered"),
    _A("killsnoop.source.thread.id", "int", "The sending thread.", "4711"),
    _A("killsnoop.target.thread.id", "int", "The thread it was sent to.", "1234"),
    _A(
        "killsnoop.truncated",
        "string[]",
        "Names of the attributes that were cut or left out because they are too long.",
        '["killsnoop.target.process.command_line"]',
    ),
    _A("killsnoop.lost.count", "int", "In a gap: how many signals were lost.", "12"),
    _A("killsnoop.lost.reason", "string", "In a gap: why; see Losses.", "ring_full"),
    _A(
        "log.record.uid",
        "string",
        "Unique for good, and the same when the record is sent again: boot id and sequence.",
        "6d3c1f0a-9a2b-4c3d-8e4f-5a6b7c8d9e0f-000004a1b2c3d4e5",
    ),
)
"""Of the record itself. The `killsnoop.lost` ones are a gap's, which has no others but the event
and the uid."""

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
}


LOSSES = {
    "ring_full": "the kernel found no room in the ring",
    "undecodable": "the kernel's record could not be understood",
    "unspooled": "the spool could not be written",
    "evicted": "the spool was full, and the oldest made room",
    "rejected": "the Collector refused it for good",
}


def names() -> frozenset[str]:
    """Every name that a resource or a log record may have of us."""
    sides = {f"{prefix}.{one.name}" for prefix in (SOURCE, TARGET) for one in SIDE}
    return frozenset({one.name for one in RESOURCE + LOG} | sides)
