"""The tree view: what it says, and that it fits."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from any_signals import any_signals
from hypothesis import given, settings
from made_signals import KILL, OOM, SEGV, joined, lineage, process, usual_lineage
from rich.cells import cell_len

from otel_killsnoop.model import Joined, Process, Side

Shown = Callable[..., str]
CONTAINER = "4813c0ed0a96d843b694a980527bb9b628ccbe9052237ce4260274e4a95ac25d"
POD = "275ecb36-5aa8-4c2a-9c47-d8bb681b9aff"


def one(pid: int, comm: str, *args: str, **changes: object) -> Process:
    raw = tuple(arg.encode() for arg in args)
    usual = {"vpid": pid, "user": "root", "uid": 0, "systemd_unit": None, "args_count": len(raw)}
    return process(pid=pid, comm=comm.encode(), args=raw, **(usual | changes))


INIT = one(1, "systemd", "/sbin/init")
SHELL = (one(4702, "bash", "-bash"), one(4690, "sshd"), one(812, "sshd"), INIT)
PKILL = lineage(one(4711, "pkill", "pkill", "-9", "-f", "nginx: worker"), *SHELL)
WORKER = one(1234, "nginx", "nginx: worker process", user="www-data", uid=33)
NGINX = lineage(replace(WORKER, container_id=CONTAINER), one(1200, "nginx"), INIT)


def body(shown: Shown, target: Side, depth: int = 8) -> list[str]:
    """The lines of the target's side."""
    lines = shown("tree", joined(None, target, SEGV), depth).splitlines()
    assert lines[1] == "  from  the kernel (fault)"
    return lines[2:]


@pytest.mark.usefixtures("three_hours_east")
def test_a_usual_signal(shown: Shown) -> None:
    assert shown("tree", joined(PKILL, NGINX)) == (
        "15:03:41.208  SIGKILL  pkill > nginx  delivered  by kill\n"
        "  from  pkill[4711] root      pkill -9 -f 'nginx: worker'\n"
        "        < bash[4702] < sshd[4690] < sshd[812] < systemd[1]\n"
        "  to    nginx[1234] www-data  nginx: worker process\n"
        "        < nginx[1200] < systemd[1]   container 4813c0ed0a96\n"
    )


@pytest.mark.usefixtures("three_hours_east")
def test_a_signal_that_no_process_sent(shown: Shown) -> None:
    assert shown("tree", joined(None, NGINX, OOM)) == (
        "15:03:41.208  SIGKILL  kernel > nginx  delivered\n"
        "  from  the kernel (oom)\n"
        "  to    nginx[1234] www-data  nginx: worker process\n"
        "        < nginx[1200] < systemd[1]   container 4813c0ed0a96\n"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "SIGKILL  pkill > nginx  delivered  by kill"),
        ({"call": None}, "SIGKILL  pkill > nginx  delivered"),
        ({"result": "already_pending"}, "SIGKILL  pkill > nginx  already_pending  by kill"),
        ({"cause": "cgroup.kill", "call": "write"}, "delivered  cgroup.kill, by write"),
        ({"scope": "thread", "call": "tgkill", "code": "SI_TKILL"}, "by tgkill, to thread 1301"),
        ({"scope": "group"}, "delivered  by kill, to the group"),
        ({"code": "SI_QUEUE", "call": "rt_sigqueueinfo"}, "delivered  by rt_sigqueueinfo"),
        ({"code": "CLD_EXITED", "cause": "child", "call": None}, "delivered  child, CLD_EXITED"),
        ({"code": "-70"}, "delivered  by kill, -70"),
        ({"number": 1, "name": "SIGHUP"}, "SIGHUP   pkill > nginx  delivered  by kill"),
        ({"number": 40, "name": "SIGRTMIN+6"}, "SIGRTMIN+6  pkill > nginx  delivered  by kill"),
    ],
)
def test_the_head_says_how_and_what_came_of_it(
    shown: Shown, changes: dict[str, object], expected: str
) -> None:
    facts = replace(KILL, **changes)
    head = shown("tree", joined(PKILL, NGINX, facts, target_tid=1301)).splitlines()[0]
    assert head.endswith(expected)


def test_a_head_that_is_too_long_goes_on_below(shown: Shown) -> None:
    facts = replace(KILL, name="SIGRTMIN+30", call="pidfd_send_signal")
    long = lineage(one(7, "kworker/u8:2-ev"))
    lines = shown("tree", joined(long, long, facts)).splitlines()
    assert lines[0].endswith("  SIGRTMIN+30  kworker/u8:2-ev > kworker/u8:2-ev  delivered")
    assert lines[1] == "        by pidfd_send_signal"


def test_a_user_without_a_name_is_a_number(shown: Shown) -> None:
    lines = body(shown, lineage(one(7, "app", "app", user=None, uid=10001)))
    assert lines == ["  to    app[7] uid 10001  app"]


def test_a_side_without_ancestors_places_or_arguments_is_one_line(shown: Shown) -> None:
    assert body(shown, lineage(one(7, "app", path=b""))) == ["  to    app[7] root"]


def test_the_path_stands_in_for_unknown_arguments(shown: Shown) -> None:
    assert body(shown, lineage(one(7, "app", path=b"/bin/app"))) == [
        "  to    app[7] root  /bin/app"
    ]


@pytest.mark.parametrize(
    ("depth", "complete", "expected"),
    [
        (8, True, "< bash[4702] < sshd[4690] < sshd[812] < systemd[1]"),
        (8, False, "< bash[4702] < sshd[4690] < sshd[812] < systemd[1] < ..."),
        (4, True, "< bash[4702] < sshd[4690] < sshd[812] < systemd[1]"),
        (3, True, "< bash[4702] < sshd[4690] < sshd[812] < ..."),
        (0, True, "< ..."),
    ],
)
def test_an_ancestry_that_ends_too_early_says_so(
    shown: Shown, depth: int, complete: bool, expected: str
) -> None:
    side = lineage(one(7, "app", "app"), *SHELL, complete=complete)
    assert body(shown, side, depth)[1:] == [f"        {expected}"]


def test_unknown_parents_are_not_taken_for_none(shown: Shown) -> None:
    assert body(shown, lineage(one(7, "app", "app"), complete=False))[1:] == ["        < ..."]


def test_a_long_ancestry_is_wrapped_between_processes(shown: Shown) -> None:
    assert body(shown, usual_lineage(one(7, "app", "app"), 8))[1:] == [
        "        < bash[4702] < sshd[4701] < sshd[4700] < make[4699] < python3[4698]",
        "        < sh[4697] < containerd-shim[4696] < systemd[1]",
    ]


def test_container_pod_and_unit_are_named(shown: Shown) -> None:
    place = {"container_id": CONTAINER, "pod_uid": POD, "vpid": 7}
    unit = f"cri-containerd-{CONTAINER}.scope"
    assert body(shown, lineage(one(9, "app", "app", systemd_unit=unit, **place), INIT))[1:] == [
        "        < systemd[1]   container 4813c0ed0a96 (pid 7)",
        f"        pod {POD}",
        "        unit cri-containerd-4813c0ed0a96.scope",
    ]


def test_a_unit_stands_beside_the_ancestry(shown: Shown) -> None:
    lines = body(shown, lineage(one(9, "app", "app", systemd_unit="app.service"), INIT))
    assert lines[1:] == ["        < systemd[1]   unit app.service"]


def test_arguments_are_quoted_and_a_title_is_not(shown: Shown) -> None:
    assert body(shown, lineage(one(9, "sh", "sh", "-c", "a; b", "")))[0].endswith("sh -c 'a; b' ''")
    assert body(shown, lineage(one(9, "sh", "a; b")))[0].endswith("root  a; b")
    assert body(shown, lineage(one(9, "sh", "")))[0].endswith("root  ''")


def test_a_command_of_a_few_lines_stays_beside_its_process(shown: Shown) -> None:
    lines = body(shown, lineage(one(9, "app", "app", *["--option=value"] * 8)))
    assert lines == [
        "  to    app[9] root  app --option=value --option=value --option=value",
        "                     --option=value --option=value --option=value --option=value",
        "                     --option=value",
    ]


def test_a_longer_command_has_the_width_below_its_process(shown: Shown) -> None:
    words = ["--option=value"] * 40
    lines = body(shown, lineage(one(9, "app", "app", *words)))
    assert lines[0] == "  to    app[9] root"
    assert all(line.startswith("        -") for line in lines[2:])
    assert " ".join(line.strip() for line in lines[1:]) == " ".join(["app", *words])


def test_a_word_longer_than_a_line_is_broken_at_a_seam(shown: Shown) -> None:
    path = ":".join(f"/srv/app/lib/library-{number}.jar" for number in range(12))
    lines = body(shown, lineage(one(9, "java", "java", "-cp", path)))[1:]
    assert lines[0] == "        java -cp"
    assert all(line.endswith((":", "/")) for line in lines[1:-1])
    assert "".join(line.strip() for line in lines[1:]) == path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"args_cut": True, "args_count": 412}, "app -v ... (412 arguments)"),
        ({"args_cut": True, "args_count": 0}, "app -v ..."),
        ({"args_count": 3}, "app -v ... (3 arguments)"),
        ({}, "app -v"),
    ],
)
def test_missing_arguments_are_counted(
    shown: Shown, changes: dict[str, object], expected: str
) -> None:
    lines = body(shown, lineage(one(9, "app", "app", "-v", **changes)))
    assert lines == [f"  to    app[9] root  {expected}"]


@pytest.mark.parametrize("argument", ["x", "'", "\x1b", "\U000e0001", "日"])
def test_an_endless_command_is_cut_and_marked(shown: Shown, argument: str) -> None:
    many = lineage(one(9, "app", *["app"] * 5000))
    long = lineage(one(9, "app", "app", argument * 16_000))
    for side, count in ((many, 5000), (long, 2)):
        lines = body(shown, side)
        assert lines[-1].endswith(f"... ({count} arguments)")
        assert len(lines) < 70
    assert "".join(lines).count("'") % 2 == 0


def test_a_command_that_just_fits_is_not_marked(shown: Shown) -> None:
    def ends_marked(length: int) -> bool:
        return body(shown, lineage(one(9, "app", "a" * length, "b")))[-1].endswith("arguments)")

    assert not ends_marked(2045)
    assert ends_marked(2049)


def test_wide_characters_count_two_columns(shown: Shown) -> None:
    lines = body(shown, lineage(one(9, "日本", "日本", *["語" * 9] * 12, user="ユーザー"), INIT))
    widths = [
        sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in lines
    ]
    assert max(widths) <= 80
    assert max(widths) > 60
    aligned = shown("tree", joined(lineage(one(9, "日本", "a b")), lineage(one(10, "abc", "a b"))))
    starts = [cell_len(line[: line.index("a b")]) for line in aligned.splitlines() if "a b" in line]
    assert len(starts) == 2
    assert len(set(starts)) == 1


def test_what_looks_like_markup_or_emoji_is_left_alone(shown: Shown) -> None:
    (line,) = body(shown, lineage(one(9, "[red]", "[bold]x[/bold]", ":smile:", user="[/]")))
    assert line == "  to    [red][9] [/]  '[bold]x[/bold]' :smile:"


@given(any_signals())
@settings(max_examples=300, deadline=None)
def test_eighty_columns_hold(shown: Shown, any_signal: Joined) -> None:
    lines = shown("tree", any_signal, initiator=lambda side: WORKER).splitlines()
    assert max(map(cell_len, lines)) <= 80
    heads = ["  from ", "  to   "] if any_signal.target else ["  from "]
    assert [line[:7] for line in lines if line[2] != " " and line[0] == " "] == heads
