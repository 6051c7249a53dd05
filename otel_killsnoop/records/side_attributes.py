"""The attributes of a source and of a target."""

from __future__ import annotations

from otel_killsnoop.records.attribute import Attribute

_A = Attribute

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
    _A(
        "process.title",
        "string",
        "What the process shows as its arguments now, when it has changed them since its exec.",
        "nginx: worker process",
    ),
    _A("process.args_count", "int", "How many arguments there truly are.", "4"),
    _A("process.user.id", "int", "Effective user id.", "0"),
    _A("process.user.name", "string", "That user's name on the host.", "root"),
    _A("user.login", "string", "Name of the user who logged in, by the audit system.", "deploy"),
    _A("user.login_id", "int", "Id of the user who logged in.", "1000"),
    _A("session.id", "int", "The audit system's session of that login.", "3"),
    _A(
        "process.linux.cgroup",
        "string",
        "Path of its cgroup, when no container is known.",
        "/user.slice/user-0.slice/session-3.scope",
    ),
    _A("container.id", "string", "The container it runs in.", "4813c0ed0a96"),
    _A("k8s.pod.uid", "string", "The pod it runs in.", "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"),
    _A(
        "k8s.pod.qos_class",
        "string",
        "That pod's quality of service: `Guaranteed`, `Burstable` or `BestEffort`.",
        "Burstable",
    ),
    _A("systemd.unit", "string", "The unit it runs in.", "nginx.service"),
    _A(
        "process.known_from",
        "string",
        "How we know, when not by its exec: `fork`, `procfs`, or `partial` (only what the "
        "signal itself told, and its end whose child it was).",
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
        "process.ancestors.ended",
        "int[]",
        "Those of them that had ended by then; absent when none had.",
        "[40]",
    ),
    _A(
        "process.ancestors.command_lines",
        "string[]",
        "Their command lines, at most 256 bytes each.",
        '["-bash","/sbin/init"]',
    ),
)
"""Of the source and of the target alike, each under its prefix."""

INITIATOR = (
    _A(
        "initiator.pid",
        "int",
        "The initiator: the nearest ancestor that is no wrapper (`sh -c`, `sudo`, `xargs`, a "
        "container's runtime); absent when it is unknown or the source itself.",
        "812",
    ),
    _A("initiator.name", "string", "The kernel's name of it (comm).", "kubelet"),
    _A(
        "initiator.command_line",
        "string",
        "Its arguments joined by spaces, secrets masked.",
        "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml",
    ),
)
"""Of the source alone, under its prefix."""
