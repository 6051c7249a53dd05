"""Who decided on a signal: wrappers are passed over, whoever decides by itself is not."""

from __future__ import annotations

import pytest

from otel_killsnoop.errors import UsageError
from otel_killsnoop.model import Process, Side
from otel_killsnoop.processes.host import Host
from otel_killsnoop.processes.initiator import LIST, Initiators


def process(pid: int, line: str, path: str | None = None, comm: str | None = None) -> Process:
    """| parts arguments; the path is the first one's in /usr/bin unless given."""
    args = tuple(word.encode() for word in line.split("|")) if line else ()
    name = line.split("|")[0].rpartition("/")[2]
    where = f"/usr/bin/{name}" if path is None else path
    return Process(
        pid, pid * 1000, pid, 0, (comm or name)[:15].encode(), where.encode(), args, len(args),
        False, 0, None, 0, None, None, None, None, "exec",
    )  # fmt: skip


def side(*processes: Process) -> Side:
    """Nearest first."""
    above: Side | None = None
    for one in reversed(processes):
        above = Side(one, above, True)
    assert above is not None
    return above


INIT = process(1, "systemd", "/usr/lib/systemd/systemd")
BASH = process(50, "-bash", "/bin/bash")
WORKER = process(60, "python3|worker.py")

WRAPPERS = [
    "sh|-c|kill 5",
    "sh|-ec|kill 5",
    "sh|-e|-c|kill 5",
    "bash|-lc|kill 5",
    "bash|--norc|-c|kill 5",
    "bash|-o|pipefail|-c|kill 5",
    "bash|--rcfile|f|-c|kill 5",
    "/bin/dash|-c|kill 5",
    "zsh|-c|kill 5",
    "sudo|-u|bob|kill|5",
    "su|-c|kill 5",
    "doas|kill|5",
    "timeout|5|app",
    "xargs|kill",
    "env|A=1|app",
    "nice|app",
    "nohup|app",
    "setsid|app",
    "stdbuf|-oL|app",
    "kill|-9|5",
    "pkill|app",
    "killall|app",
    "runc|--root|/run|kill|abc|KILL",
    "crun|kill|abc",
    "containerd-shim|-id|abc",
    "containerd-shim-runc-v2|-id|abc",
    "conmon|-c|abc",
    "tini|--|app",
    "docker-init|--|app",
    "systemd|--user",
    "systemctl|kill|x",
]
DECIDERS = [
    "bash",
    "-bash",
    "sh|-i",
    "sh|deploy.sh",
    "bash|deploy.sh|-c",
    "bash|-x|deploy.sh|-c|x",
    "bash|-o|posix|deploy.sh|-c",
    "sh|-s|-|-c",
    "python3|-c|import os",
    "python3|worker.py",
    "sudoku",
    "my-containerd-shim",
    "dockerd",
    "containerd",
    "kubelet",
    "sshd",
    "cron",
    "systemd-oomd",
    "supervisord",
    "envoy",
]


@pytest.mark.parametrize("line", WRAPPERS)
def test_a_wrapper_is_passed_over(line: str) -> None:
    found = Initiators().of(side(process(70, line), process(65, line), WORKER, BASH, INIT))
    assert found is WORKER


@pytest.mark.parametrize("line", DECIDERS)
def test_who_decides_by_itself_is_the_initiator(line: str) -> None:
    path = "/bin/bash" if line == "-bash" else None
    one = process(70, line, path)
    assert Initiators().of(side(one, WORKER, INIT)) is one


@pytest.mark.parametrize(
    ("line", "path", "comm", "is_wrapper"),
    [
        ("sh|-c|x", "/usr/bin/dash", "sh", True),  # /proc/PID/exe has the file behind the link
        ("sudo", "/usr/bin/app", "sudo", False),  # a borrowed name hides nobody
        ("timeout|5|x", "/bin/busybox", "timeout", True),
        ("/bin/busybox|timeout|5|x", "/bin/busybox", "busybox", True),
        ("busybox|sh|-c|x", "/bin/busybox", "busybox", True),
        ("busybox|sh|deploy.sh", "/bin/busybox", "busybox", False),
        ("httpd|-f", "/bin/busybox", "httpd", False),
        ("runc|init", "/proc/self/exe", "runc:[2:INIT]", True),
        ("runc|kill|x", "/memfd:runc_cloned:/proc/self/exe (deleted)", "runc", True),
        ("/bin/sh|/usr/bin/sudo|-c", "/opt/deploy", "deploy", False),  # a script by that name
        ("", "", "sudo", True),  # known by nothing but an event
        ("", "", "app", False),
        ("", "/usr/bin/kill", "kill", True),
        ("sh", "/bin/sh", "sh", False),  # --args none
    ],
)
def test_a_program_is_told_by_its_file_and_else_by_how_it_was_called(
    line: str, path: str, comm: str, is_wrapper: bool
) -> None:
    assert Initiators().is_wrapper(process(70, line, path, comm)) is is_wrapper


def test_a_kill_in_a_container_leads_to_the_daemon_that_asked() -> None:
    containerd = process(10, "containerd")
    shim = process(20, "containerd-shim-runc-v2|-namespace|moby|-id|abc")
    runc = process(30, "runc|--root|/run/x|kill|abc|9")
    assert Initiators().of(side(runc, shim, containerd, INIT)) is containerd


def test_none_decided_where_all_are_wrappers_and_systemd_is_one() -> None:
    initiators = Initiators()
    assert initiators.of(side(INIT)) is None
    assert initiators.of(side(process(70, "kill|5"), INIT)) is None


def test_the_answer_is_remembered_by_side_and_for_a_bounded_number() -> None:
    initiators = Initiators()
    sides = [side(process(100 + n, "app"), INIT) for n in range(3000)]
    for _ in range(2):
        assert [initiators.of(one) for one in sides] == [one.process for one in sides]
    assert len(initiators._known) <= 1024


@pytest.mark.parametrize(
    ("extra", "line", "is_wrapper"),
    [
        ("mytool", "mytool|x", True),
        ("mytool", "mytools|x", False),
        ("my*", "mytools|x", True),
        ("python3 */ansible-playbook", "python3|/usr/bin/ansible-playbook|x.yml", True),
        ("python3 */ansible-playbook", "python3|/usr/bin/ansible|x.yml", False),
        ("tool -k run", "tool|-vk|run", True),
        ("tool -k run", "tool|-v|run", False),
        ("tool --quick", "tool|a|--quick", True),
        ("t[ab]", "ta", True),
    ],
)
def test_users_add_patterns(extra: str, line: str, is_wrapper: bool) -> None:
    assert not Initiators().is_wrapper(process(70, line))
    assert Initiators([extra]).is_wrapper(process(70, line)) is is_wrapper
    assert Host("/", wrappers=[extra]).initiators.is_wrapper(process(70, line)) is is_wrapper


@pytest.mark.parametrize("extra", ["", "  ", "-c sh", "/usr/bin/mytool"])
def test_a_pattern_without_a_name_cannot_be_meant(extra: str) -> None:
    with pytest.raises(UsageError, match="must begin with a program's name"):
        Initiators([extra])


def test_each_line_of_the_list_is_a_pattern_or_a_comment_and_none_is_there_twice() -> None:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(set(lines)) > 40
    assert all(line == " ".join(line.split()) for line in lines)
