"""Signals, processes and sides for tests and benchmarks: usual ones, each part replaceable."""

from __future__ import annotations

from dataclasses import replace

from otel_killsnoop.model import Death, Details, Facts, Joined, OomSizes, Process, Side, Signal

KILL = Facts(9, "SIGKILL", "SI_USER", "user", "kill", "process", "delivered", True)
SEGV = Facts(11, "SIGSEGV", "SEGV_MAPERR", "fault", None, "thread", "delivered", False)
OOM = Facts(9, "SIGKILL", "SI_KERNEL", "oom", None, "process", "delivered", False)
TTY = Facts(2, "SIGINT", "SI_KERNEL", "tty", None, "group", "delivered", False, "handled")
REFUSED = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "refused", True, error="ESRCH")
TESTED = Facts(0, "SIG0", "SI_USER", "user", "kill", "process", "tested", True)
SIZES = OomSizes(4 << 30, 1_181_116_006, 3 << 20, 0, 2_162_688, 200)

BOOT_ID = "6d3c1f0a-9a2b-4c3d-8e4f-5a6b7c8d9e0f"
OFFSET = 1_790_000_000_000_000_000
OBSERVED = 1_790_000_500_000_000_321
RESOURCE = {
    "service.name": "otel-killsnoop",
    "service.version": "0.1.0",
    "service.instance.id": "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b",
    "host.id": "d1f3c0ffee4b4f0d9a6b1c2d3e4f5a6b",
    "host.name": "node-7",
    "os.type": "linux",
    "os.version": "6.12.9-amd64",
    "telemetry.distro.name": "otel-killsnoop",
    "telemetry.distro.version": "0.1.0",
}

_USUAL = Process(
    pid=1234,
    start=86_400_123_456_789,
    vpid=1234,
    parent_pid=1200,
    comm=b"nginx",
    path=b"/usr/sbin/nginx",
    args=(b"nginx: worker process",),
    args_count=1,
    args_cut=False,
    uid=33,
    user="www-data",
    gid=33,
    cgroup="/system.slice/nginx.service",
    container_id=None,
    pod_uid=None,
    systemd_unit="nginx.service",
    known_from="exec",
)


def process(**changes: object) -> Process:
    """A usual process, with these fields instead."""
    return replace(_USUAL, **changes)


def lineage(*processes: Process, complete: bool = True) -> Side:
    """A Side of the first process, the others its ancestors, nearest first."""
    side: Side | None = None
    for one in reversed(processes):
        side = Side(one, side, complete)
    assert side is not None
    return side


def usual_lineage(own: Process, depth: int) -> Side:
    """A Side with this many ancestors, with command lines as they are on a server."""
    lines = (
        (b"bash", b"-bash"),
        (b"sshd", b"sshd: deploy@pts/0"),
        (b"sshd", b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),
        (b"make", b"make -C /srv/app restart"),
        (b"python3", b"python3 /opt/deploy/bin/runner --queue default --concurrency 4"),
        (b"sh", b"sh -c /srv/app/bin/restart.sh"),
        (b"containerd-shim", b"/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id 4813c0ed"),
        (b"systemd", b"/sbin/init"),
    )
    above = []
    for level in range(depth):
        comm, line = lines[-1] if level == depth - 1 else lines[level % (len(lines) - 1)]
        args = tuple(line.split(b" "))
        pid = 1 if level == depth - 1 else 4702 - level
        above.append(process(pid=pid, comm=comm, args=args, args_count=len(args)))
    return lineage(own, *above)


_NOBODY = process(pid=0, start=0, vpid=0, uid=0, gid=0, comm=b"")


def signal(
    source: Side | None,
    target: Side | None,
    facts: Facts = KILL,
    details: Details | None = None,
    **changes: int,
) -> Signal:
    """A signal between them, by each one's first thread."""
    other = target.process if target else _NOBODY
    one = source.process if source else other
    made = Signal(
        sequence=86_401_000_000_000,
        facts=facts,
        time=86_500_123_456_789,
        source_start=one.start,
        source_pid=one.pid,
        source_tid=one.pid,
        source_uid=one.uid,
        source_gid=one.gid,
        source_vpid=one.vpid,
        source_flags=0,
        source_cgroup=1,
        source_comm=one.comm,
        target_start=other.start,
        target_pid=other.pid,
        target_tid=other.pid,
        target_uid=other.uid,
        target_gid=other.gid,
        target_vpid=other.vpid,
        target_flags=0,
        target_cgroup=1,
        target_comm=other.comm,
        details=details,
    )
    return made._replace(**changes)  # type: ignore[arg-type]  # only its integers are changed


def joined(
    source: Side | None,
    target: Side | None,
    facts: Facts = KILL,
    details: Details | None = None,
    **changes: int,
) -> Joined:
    """The signal with its sides."""
    return Joined(signal(source, target, facts, details, **changes), source, target)


def death(target: Side, status: int = 9, killer: int | None = None, **changes: int) -> Death:
    """A usual end of this process, by SIGKILL."""
    made = Death(86_401_000_000_777, 86_500_223_456_789, status, 12_304_118_222, target, killer)
    return made._replace(**changes)  # type: ignore[arg-type]  # only its integers are changed
