"""What the tree view says of attempts, deaths, and the signals that have more to tell."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from any_signals import deaths
from hypothesis import given, settings
from made_signals import (
    BOOT_ID,
    KILL,
    OFFSET,
    OOM,
    REFUSED,
    RESOURCE,
    SEGV,
    SIZES,
    TESTED,
    TTY,
    death,
    joined,
    lineage,
    process,
)
from rich.cells import cell_len

from otel_killsnoop.model import Death, Details, Facts, Process, Side
from otel_killsnoop.records.flat import Flattener
from otel_killsnoop.terminal.output import printer

Shown = Callable[..., str]


def one(pid: int, comm: str, *args: str, **changes: object) -> Process:
    raw = tuple(arg.encode() for arg in args)
    usual = {"vpid": pid, "user": "root", "uid": 0, "systemd_unit": None, "args_count": len(raw)}
    return process(pid=pid, comm=comm.encode(), args=raw, **(usual | changes))


INIT = one(1, "systemd", "/sbin/init")
SHELL = (one(4702, "bash", "-bash"), one(4690, "sshd"), one(812, "sshd"), INIT)
PKILL = lineage(one(4711, "pkill", "pkill", "nginx"), *SHELL)
NGINX = lineage(one(1234, "nginx", "nginx"), INIT)


def head(written: str) -> str:
    """What stands above the sides, as one line."""
    above, _, _ = written.partition("\n  from  ")
    return above.replace("\n       ", "")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"disposition": "default"}, "delivered  by kill"),
        ({"disposition": "handled"}, "delivered, handled  by kill"),
        ({"disposition": "blocked"}, "delivered, blocked  by kill"),
        ({"disposition": "ignored"}, "delivered, ignored  by kill"),
        ({"disposition": "ignored", "result": "ignored"}, "nginx  ignored  by kill"),
        ({"forged": True, "call": "rt_sigqueueinfo"}, "by rt_sigqueueinfo, forged"),
        ({"result": "refused", "error": "EPERM"}, "pkill > nginx  refused, EPERM  by kill"),
        ({"result": "tested", "name": "SIG0"}, "SIG0     pkill > nginx  tested  by kill"),
        ({"cause": "session", "call": None, "session": "leader_exit"}, "session's leader exited"),
    ],
)
def test_the_head_says_how_the_target_took_it(
    shown: Shown, changes: dict[str, object], expected: str
) -> None:
    assert head(shown("tree", joined(PKILL, NGINX, replace(KILL, **changes)))).endswith(expected)


@pytest.mark.parametrize(
    ("facts", "details", "expected"),
    [
        (KILL, Details(argument=-9, group_id=1, group_size=5), "by kill, 1 of 5 in the group"),
        (KILL, Details(argument=0, group_id=1, group_size=1), "by kill, 1 of 1 in the group"),
        (KILL, Details(argument=-1, group_id=1, group_size=300), "by kill, 1 of 300 in all"),
        (
            replace(KILL, cause="pidns", call=None),
            Details(namespace=4026532201),
            "delivered  pidns, namespace 4026532201",
        ),
        (
            replace(TTY, has_source=True, call="close", disposition=None, scope="process"),
            Details(tty=b"pts/3", session_pid=4690),
            "delivered  tty, by close, on pts/3, session of 4690",
        ),
    ],
)
def test_the_head_says_what_few_signals_have(
    shown: Shown, facts: Facts, details: Details, expected: str
) -> None:
    assert head(shown("tree", joined(PKILL, NGINX, facts, details))).endswith(expected)


@pytest.mark.parametrize(
    ("facts", "details", "expected"),
    [
        (
            TTY,
            Details(tty=b"pts/3", session_pid=4690),
            ["  from  the kernel (tty)  on pts/3, session of 4690"],
        ),
        (
            replace(SEGV, address="null_page"),
            Details(),
            ["  from  the kernel (fault)  at the null page"],
        ),
        (replace(SEGV, address="other"), Details(), ["  from  the kernel (fault)"]),
        (
            OOM,
            Details(oom=SIZES),
            [
                "  from  the kernel (oom)  1.1 GiB anonymous, 3.0 MiB of files,",
                "        2.1 MiB page tables, 4.0 GiB virtual, score +200",
            ],
        ),
        (
            OOM,
            Details(oom=SIZES._replace(anon_rss=512, file_rss=0, page_tables=4096, score_adj=0)),
            ["  from  the kernel (oom)  512 B anonymous, 4.0 KiB page tables, 4.0 GiB virtual"],
        ),
    ],
)
def test_what_no_process_sent_says_whence(
    shown: Shown, facts: Facts, details: Details, expected: list[str]
) -> None:
    lines = shown("tree", joined(None, NGINX, facts, details)).splitlines()
    assert lines[1 : 1 + len(expected)] == expected
    assert lines[1 + len(expected)].startswith("  to    nginx[1234]")


@pytest.mark.usefixtures("three_hours_east")
@pytest.mark.parametrize(
    ("call", "argument", "expected"),
    [
        ("kill", 77, "77"),
        ("kill", -77, "group 77"),
        ("kill", 0, "its group"),
        ("kill", -1, "all processes"),
        ("tgkill", -77, "-77"),
        ("pidfd_send_signal", 5, "descriptor 5"),
        ("kill", None, "nobody"),
    ],
)
def test_an_attempt_without_a_target_has_no_side_of_it(
    shown: Shown, call: str, argument: int | None, expected: str
) -> None:
    attempt = joined(PKILL, None, replace(REFUSED, call=call), Details(argument=argument))
    written = shown("tree", attempt)
    assert head(written).split() == (
        f"15:03:41.208  SIGTERM  pkill > {expected}  refused, ESRCH  by {call}".split()
    )
    assert written.splitlines()[-2:] == [
        "  from  pkill[4711] root  pkill nginx",
        "        < bash[4702] < sshd[4690] < sshd[812] < systemd[1]",
    ]
    body = Flattener(RESOURCE, BOOT_ID, 8, OFFSET).flat(attempt, OFFSET)["body"]
    to = "" if argument is None else f"to {expected} "
    assert body == f"SIGTERM from pkill[4711] {to}refused (ESRCH)"


def test_a_thread_that_is_not_there_has_no_number(shown: Shown) -> None:
    facts = replace(REFUSED, call="tgkill", scope="thread")
    written = shown("tree", joined(PKILL, None, facts, Details(argument=77)))
    assert head(written).endswith("pkill > 77  refused, ESRCH  by tgkill, to a thread")


def test_an_attempt_on_a_process_has_both_sides(shown: Shown) -> None:
    lines = shown("tree", joined(PKILL, NGINX, TESTED)).splitlines()
    assert [line[:6] for line in lines[1::2]] == ["  from", "  to  "]


def test_the_initiator_is_named_when_it_is_farther_than_the_parent(shown: Shown) -> None:
    def lines(initiator: Process | None) -> list[str]:
        return shown("tree", joined(PKILL, NGINX), initiator=lambda side: initiator).splitlines()

    plain = lines(None)
    assert lines(PKILL.process) == lines(SHELL[0]) == plain
    named = lines(SHELL[2])
    assert named[:2] == plain[:2]
    assert named[2] == plain[2] + "   initiator sshd[812]"
    assert named[3:] == plain[3:]


def test_the_initiator_is_asked_for_once_a_source() -> None:
    asked = []

    def initiator(side: Side) -> Process | None:
        asked.append(side)
        return SHELL[2]

    made = printer("tree", io.StringIO(), 8, initiator)
    assert made is not None
    for _ in range(3):
        made.print(joined(PKILL, NGINX), 0, None)
    assert asked == [PKILL]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"login_uid": 1000, "login_user": "deploy"}, "   login deploy"),
        ({"login_uid": 1000}, "   login uid 1000"),
        ({"login_uid": 0, "login_user": "root"}, ""),
        ({"title": b"app: busy"}, "   title app: busy"),
        ({"title": b""}, ""),
    ],
)
def test_login_and_title_are_named_when_they_tell_more(
    shown: Shown, changes: dict[str, object], expected: str
) -> None:
    target = lineage(one(9, "app", "app", **changes), INIT)
    lines = shown("tree", joined(None, target, SEGV)).splitlines()
    assert lines[-1] == f"        < systemd[1]{expected}"


@pytest.mark.usefixtures("three_hours_east")
def test_a_death_is_one_line(shown: Shown) -> None:
    assert shown("tree", death(NGINX)) == (
        "15:03:41.208  exit 137  nginx[1234]  died of SIGKILL after 12.3 s\n"
    )
    assert shown("tree", death(NGINX, 11 | 0x80)) == (
        "15:03:41.208  exit 139  nginx[1234]  died of SIGSEGV after 12.3 s  core dumped\n"
    )


@given(deaths())
@settings(max_examples=150, deadline=None)
def test_a_death_fits_and_says_what_its_records_body_says(shown: Shown, end: Death) -> None:
    lines = shown("tree", end).splitlines()
    assert max(map(cell_len, lines)) <= 80
    said = Flattener(RESOURCE, BOOT_ID, 8, OFFSET).flat_death(end, OFFSET)["body"]
    assert isinstance(said, str)
    told = " ".join(" ".join(lines).split())
    assert said[said.index("] died of ") + 2 :] in told
    assert told.endswith("core dumped") is bool(end.status & 0x80)
