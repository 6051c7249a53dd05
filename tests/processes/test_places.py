"""cgroup paths of each runtime and driver, and ids of real and made hierarchies."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.processes.cgroups import V1, Cgroups
from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.places import place

C = "4813c0ed0a96f2f1d5b4a3c2e1f00d1e2c3b4a5968778695a4b3c2d1e0f9a8b7"
D = "0" * 32 + "f" * 32
U = "0f3c8f2a-1b2c-4d5e-8f90-a1b2c3d4e5f6"
_U = U.replace("-", "_")
STATIC = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "container", "pod", "unit"),
    [
        ("/", None, None, None),
        ("/init.scope", None, None, "init.scope"),
        ("/system.slice/ssh.service", None, None, "ssh.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", None, None, "getty@tty1.service"),
        ("/system.slice/docker.socket", None, None, "docker.socket"),
        ("/user.slice/user-1000.slice/session-3.scope", None, None, "session-3.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo\\x2dbar-12.scope",
            None, None, "app-foo\\x2dbar-12.scope",
        ),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", None, None, "init.scope"),
        ("/system.slice", None, None, "system.slice"),
        ("/system.slice/foo.service/payload", None, None, "foo.service"),
        (f"/system.slice/docker-{C}.scope", C, None, f"docker-{C}.scope"),
        (f"/docker/{C}", C, None, None),
        (f"/docker/{C}/docker/{D}", D, None, None),
        (f"/docker/{C}/system.slice/ssh.service", C, None, "ssh.service"),
        (f"/system.slice/containerd.service/docker/{C}", C, None, "containerd.service"),
        (f"/machine.slice/libpod-{C}.scope", C, None, f"libpod-{C}.scope"),
        (f"/machine.slice/libpod-{C}.scope/container", C, None, f"libpod-{C}.scope"),
        (f"/machine.slice/libpod-conmon-{C}.scope", None, None, f"libpod-conmon-{C}.scope"),
        (
            f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{C}.scope/container",
            C, None, f"libpod-{C}.scope",
        ),
        (f"/libpod_parent/libpod-{C}", C, None, None),
        (
            "/kubepods.slice/kubepods-burstable.slice/"
            f"kubepods-burstable-pod{_U}.slice/cri-containerd-{C}.scope",
            C, U, f"cri-containerd-{C}.scope",
        ),
        (f"/kubepods.slice/kubepods-pod{_U}.slice/crio-{C}.scope", C, U, f"crio-{C}.scope"),
        (
            f"/kubepods.slice/kubepods-pod{_U}.slice/crio-conmon-{C}.scope",
            None, U, f"crio-conmon-{C}.scope",
        ),
        (f"/kubepods/besteffort/pod{U}/{C}", C, U, None),
        (f"/kubepods/pod{U}/{C}/init.scope", C, U, "init.scope"),
        (f"/kubepods/burstable/pod{STATIC}/{C}", C, STATIC, None),
        (
            "/system.slice/containerd.service/"
            f"kubepods-burstable-pod{_U}.slice:cri-containerd:{C}",
            C, U, "containerd.service",
        ),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{_U}.slice/"
            f"cri-containerd-{C}.scope",
            C, U, f"cri-containerd-{C}.scope",
        ),
        (f"/ecs/task-x/{STATIC}-1234567890", f"{STATIC}-1234567890", None, None),
        (f"/ecs/{STATIC}/{C}", C, None, None),
        (f"/lxc/web/docker/{C}", C, None, None),
        ("/lxc.payload.web", None, None, None),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", None, None,
         "machine-qemu\\x2d1\\x2dvm.scope"),
        ("/system.slice/_memory.foo.service", None, None, "memory.foo.service"),
        (f"/{C}a", None, None, None),
        (f"/kubepods/podium/{U}", None, None, None),
    ],
)  # fmt: skip
def test_what_a_path_says(path, container, pod, unit) -> None:
    assert place(path)[:4] == (path, container, pod, unit)


P = f"pod{_U}"


@pytest.mark.parametrize(
    ("path", "qos"),
    [
        # the systemd driver, with containerd and cri-o, also below another slice (kind)
        (f"/kubepods.slice/kubepods-{P}.slice/cri-containerd-{C}.scope", "Guaranteed"),
        (f"/kubepods.slice/kubepods-{P}.slice/crio-{C}.scope", "Guaranteed"),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{P}.slice/crio-{C}.scope",
            "Burstable",
        ),
        (
            f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-{P}.slice/"
            f"cri-containerd-{C}.scope",
            "BestEffort",
        ),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-{P}.slice/"
            f"cri-containerd-{C}.scope",
            "Guaranteed",
        ),
        (
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
            f"kubelet-kubepods-burstable-{P}.slice/cri-containerd-{C}.scope",
            "Burstable",
        ),
        # a runtime that was given the systemd driver's path and takes it for its own
        (
            f"/system.slice/containerd.service/kubepods-besteffort-{P}.slice:cri-containerd:{C}",
            "BestEffort",
        ),
        (f"/system.slice/containerd.service/kubepods-{P}.slice:cri-containerd:{C}", "Guaranteed"),
        # the cgroupfs driver, also below another root and for a static pod
        (f"/kubepods/pod{U}/{C}", "Guaranteed"),
        (f"/kubepods/burstable/pod{U}/{C}", "Burstable"),
        (f"/kubepods/besteffort/pod{U}/{C}", "BestEffort"),
        (f"/kubelet/kubepods/burstable/pod{U}/{C}", "Burstable"),
        (f"/kubepods/burstable/pod{STATIC}/{C}", "Burstable"),
        # the innermost pod's, where a node is itself a pod's container
        (f"/kubepods/burstable/pod{U}/{C}/kubepods/besteffort/pod{STATIC}/{D}", "BestEffort"),
        # a pod of nothing that we know to be Kubernetes', and no pod
        (f"/machine.slice/pod{U}/{C}", None),
        (f"/mykubepods/pod{U}/{C}", None),
        (f"/kubepods/guaranteed/pod{U}/{C}", None),
        (f"/kubepods/burstable/{C}", None),
        (f"/docker/{C}", None),
    ],
)
def test_what_a_path_says_of_a_pods_class(path: str, qos: str | None) -> None:
    assert place(path).pod_qos == qos


@given(st.text())
def test_any_text_is_a_place(path) -> None:
    assert place(path).path == path


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(root: pathlib.Path, *paths: str, v1: bool = False) -> dict[str, int]:
    """A tree that looks like a mounted hierarchy; inode numbers by path."""
    top = root / "sys/fs/cgroup"
    top = top / "memory" if v1 else top
    top.mkdir(parents=True, exist_ok=True)
    (top / ("tasks" if v1 else "cgroup.controllers")).touch()
    for path in paths:
        (top / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return {path: (top / path.lstrip("/")).stat().st_ino for path in ("/", *paths)}


def test_ids_are_found_by_walking_where_no_process_can_be_asked(tmp_path) -> None:
    inodes = made(tmp_path, "/a", "/a/b.service", "/c")
    cgroups = Cgroups(str(tmp_path))
    for path, inode in inodes.items():
        found = cgroups.of(inode, 0)
        assert found is not None
        assert found.path == path
        assert cgroups.of(inode, 0) is found
        assert cgroups.at(path) is found
    assert cgroups.of(inodes["/a"] | V1, 0) is None  # no v1 hierarchy here


def test_a_v1_id_is_sought_in_the_v1_hierarchy(tmp_path) -> None:
    unified = made(tmp_path, "/x")
    memory = made(tmp_path, f"/docker/{C}", v1=True)
    cgroups = Cgroups(str(tmp_path))
    assert cgroups.of(unified["/x"], 0).path == "/x"
    assert cgroups.of(memory[f"/docker/{C}"] | V1, 0).container_id == C


def test_an_unknown_id_does_not_walk_again_at_once_and_a_new_one_is_found_later(tmp_path) -> None:
    made(tmp_path, "/a")
    clock = Clock()
    cgroups = Cgroups(str(tmp_path), clock)
    assert cgroups.of(1, 0) is None
    inode = made(tmp_path, "/late")["/late"]
    assert cgroups.of(inode, 0) is None
    clock.now += 60
    assert cgroups.of(inode, 0).path == "/late"


def test_a_removed_cgroup_is_forgotten_by_a_walk_when_nobody_can_be_named_in_it(tmp_path) -> None:
    """A minute after the first walk that misses it."""
    inode = made(tmp_path, "/a")["/a"]
    clock = Clock()
    cgroups = Cgroups(str(tmp_path), clock)
    assert cgroups.of(inode, 0) is not None
    (tmp_path / "sys/fs/cgroup/a").rmdir()
    for number in (1, 2):
        assert cgroups.of(inode, 0) is not None
        clock.now += 60
        assert cgroups.of(number, 0) is None
    assert cgroups.of(inode, 0) is None


def test_what_the_kernel_told_of_a_cgroup_outlives_it_and_the_next_walk(tmp_path) -> None:
    """Made and removed before the agent came to read of it; another unknown one makes it walk."""
    made(tmp_path, "/a")
    cgroups = Cgroups(str(tmp_path), Clock())
    cgroups.learn(4711, 0, b"/docker/" + C.encode())
    assert cgroups.of(1, 0) is None
    assert cgroups.of(4711, 0).container_id == C


def test_without_a_mount_a_process_of_the_cgroup_is_believed(tmp_path) -> None:
    (tmp_path / "proc/5").mkdir(parents=True)
    (tmp_path / "proc/5/cgroup").write_text(f"0::/../../docker/{C}\n")
    cgroups = Cgroups(str(tmp_path))
    assert cgroups.of(77, 5).path == f"/docker/{C}"
    assert cgroups.of(78, 6) is None


@pytest.fixture
def real_cgroup() -> Iterator[tuple[str, pathlib.Path]]:
    """A cgroup of our own in the running system's v2 hierarchy."""
    top = pathlib.Path("/sys/fs/cgroup")
    top = top if (top / "cgroup.controllers").exists() else top / "unified"
    name = f"killsnoop-test-{os.getpid()}-{time.monotonic_ns()}.scope"
    try:
        (top / name).mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield f"/{name}", top / name
    (top / name).rmdir()


def test_a_real_cgroups_inode_is_its_id_by_walk_and_by_process(real_cgroup) -> None:
    path, directory = real_cgroup
    inode = directory.stat().st_ino
    assert Cgroups("/").of(inode, 0).path == path
    assert Host("/").cgroup(inode) == path
    assert Host("/").cgroup(1 << 62) is None
    child = os.fork()
    if child == 0:
        (directory / "cgroup.procs").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    try:
        for _ in range(500):
            if directory.name in pathlib.Path(f"/proc/{child}/cgroup").read_text():
                break
            time.sleep(0.01)
        asked = Cgroups("/", clock := Clock())
        asked._next_walk = {False: clock.now + 1, True: clock.now + 1}  # no walk can help
        assert asked.of(inode, child).systemd_unit == path[1:]
        assert asked.of(inode + 1, child) is None
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
