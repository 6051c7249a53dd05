"""Where a process runs, read from its cgroup's path: container, pod, systemd unit.

Values only: a path in, a ``Place`` out. The shapes are those that container runtimes and
systemd give to directories, with either cgroup driver:

    /system.slice/docker-<64 hex>.scope                       docker, systemd driver
    /docker/<64 hex>                                          docker, cgroupfs driver
    /machine.slice/libpod-<64 hex>.scope/container            podman
    /kubepods.slice/kubepods-burstable.slice/
        kubepods-burstable-pod<uid with _>.slice/
        cri-containerd-<64 hex>.scope                         containerd, systemd driver
    /kubepods/besteffort/pod<uid>/<64 hex>                    containerd, cgroupfs driver
    /system.slice/containerd.service/kubepods-...-pod<uid>.slice:cri-containerd:<64 hex>
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Place(NamedTuple):
    """path: the cgroup's, from the hierarchy's root; the others None where it names none.

    pod_qos: the pod's class as Kubernetes spells it, ``Guaranteed``, ``Burstable``, ``BestEffort``.
    """

    path: str
    container_id: str | None
    pod_uid: str | None
    systemd_unit: str | None
    pod_qos: str | None = None


_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

# ECS and its like: a task's 32 hex digits, a dash, a number.
_TASK = re.compile(r"(?<=/)[0-9a-f]{32}-[0-9]{5,20}(?=/|$)")

_POD = re.compile(
    r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})"
    r"(?=\.slice|[/:]|$)"
)

# What stands before a pod says its class; the kubelet puts those of the best one right under its
# root, and may have that root below another (kubelet-kubepods).
_QOS = re.compile(r"(?:^|[/-])kubepods(?:\.slice)?[-/](?:(burstable|besteffort)[-/])?$")
_CLASSES = {None: "Guaranteed", "burstable": "Burstable", "besteffort": "BestEffort"}

# Monitors of a container live beside it in the tree and are not in it.
_MONITOR = re.compile(r"(?:^|/)(?:libpod-conmon|crio-conmon|conmon)-[0-9a-f]{64}\.scope")

_UNIT = re.compile(r"[^/]+\.(?:service|scope|socket|mount|swap)")
_SLICE = re.compile(r"[^/]+\.slice")


def place(path: str) -> Place:
    """What a cgroup's path says of the processes in it. Any text is allowed."""
    pod_uid, pod_qos = _pod(path)
    return Place(path, _container(path), pod_uid, _unit(path), pod_qos)


def _container(path: str) -> str | None:
    """The innermost container's id (a container may run containers)."""
    without_monitors = _MONITOR.sub("", path)
    ids = _ID.findall(without_monitors) or _TASK.findall(without_monitors)
    return ids[-1] if ids else None


def _pod(path: str) -> tuple[str | None, str | None]:
    """The innermost pod's uid, as Kubernetes prints it, and its class.

    A static pod's uid is 32 hex digits.
    """
    pods = list(_POD.finditer(path))
    if not pods:
        return None, None
    pod = pods[-1]
    qos = _QOS.search(path[: pod.start()])
    return pod[1].replace("_", "-"), _CLASSES[qos[1]] if qos else None


def _unit(path: str) -> str | None:
    """The innermost unit; a slice only where there is nothing else.

    A container's own scope is not a unit that a person started, but it is one that
    ``systemctl status`` knows: it counts. cgroupfs names with colons in them are none.
    """
    segments = [segment for segment in path.split("/") if ":" not in segment]
    for shape in (_UNIT, _SLICE):
        for segment in reversed(segments):
            if shape.fullmatch(segment):
                return _unescape(segment)
    return None


def _unescape(segment: str) -> str:
    """systemd puts ``_`` before a name that could be taken for a cgroup's own file.

    What it writes as ``\\x2d`` is part of the unit's name and stays.
    """
    return segment[1:] if segment.startswith("_") else segment
