"""What logfmt says of attempts, deaths, and the signals that have more to tell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from any_signals import deaths
from hypothesis import given, settings
from made_signals import (
    KILL,
    OOM,
    REFUSED,
    SEGV,
    SIZES,
    TESTED,
    TTY,
    death,
    joined,
    lineage,
    process,
)

from otel_killsnoop.model import Death, Details, Joined, Process

Shown = Callable[..., str]
INITIATOR = process(pid=812, comm=b"kube let", args=(b"kubelet", b"--x=1"), args_count=2)
PAIR = re.compile(r'([a-z._]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')


def parse(line: str) -> dict[str, str]:
    """The pairs of one line, in its order; nothing may stand between them."""
    found = PAIR.findall(line[:-1])
    assert " ".join(f"{key}={value}" for key, value in found) + "\n" == line
    assert len({key for key, _ in found}) == len(found)
    return {key: json.loads(v) if v.startswith('"') else v for key, v in found}


def further(line: str) -> dict[str, str]:
    """The pairs behind those that every signal has."""
    pairs = parse(line)
    last = [key for key in pairs if key in ("result", "source.uid", "target.uid")][-1]
    return dict(list(pairs.items())[list(pairs).index(last) + 1 :])


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            joined(
                lineage(process()),
                lineage(process()),
                replace(KILL, disposition="handled", forged=True),
                Details(argument=-7, group_id=255, group_size=5),
            ),
            {
                "disposition": "handled",
                "forged": "true",
                "argument": "-7",
                "group.id": "00000000000000ff",
                "group.size": "5",
            },
        ),
        (
            joined(None, lineage(process()), TTY, Details(tty=b"pts/3", session_pid=4690)),
            {"disposition": "handled", "tty": "pts/3", "session.pid": "4690"},
        ),
        (
            joined(None, lineage(process()), replace(SEGV, address="null_page")),
            {"fault.address": "null_page"},
        ),
        (
            joined(None, lineage(process()), replace(KILL, session="leader_exit")),
            {"session.reason": "leader_exit"},
        ),
        (
            joined(None, lineage(process()), KILL, Details(namespace=4026532201)),
            {"namespace": "4026532201"},
        ),
        (
            joined(None, lineage(process()), OOM, Details(oom=SIZES)),
            {
                "oom.total_vm": "4294967296",
                "oom.anon_rss": "1181116006",
                "oom.file_rss": "3145728",
                "oom.shmem_rss": "0",
                "oom.page_tables": "2162688",
                "oom.score_adj": "200",
            },
        ),
        (
            joined(lineage(process()), lineage(process()), replace(REFUSED, error="EPERM")),
            {"error": "EPERM"},
        ),
        (joined(lineage(process()), lineage(process()), TESTED), {}),
    ],
)
def test_what_few_signals_have_comes_last(
    shown: Shown, one: Joined, expected: dict[str, str]
) -> None:
    assert further(shown("logfmt", one)) == expected


def test_an_attempt_on_nobody_has_no_target_keys(shown: Shown) -> None:
    one = joined(lineage(process(pid=42)), None, REFUSED, Details(argument=77))
    pairs = parse(shown("logfmt", one))
    assert not [key for key in pairs if key.startswith("target")]
    assert (pairs["result"], pairs["error"], pairs["argument"]) == ("refused", "ESRCH", "77")


def test_who_logged_in_is_named_beside_the_user(shown: Shown) -> None:
    source = lineage(process(uid=0, login_uid=1000, login_user="deploy"))
    pairs = parse(shown("logfmt", joined(source, lineage(process(login_uid=1001)))))
    assert (pairs["source.uid"], pairs["source.login"]) == ("0", "deploy")
    assert pairs["target.login"] == "1001"


def test_the_initiator_is_named_when_it_is_farther_than_the_parent(shown: Shown) -> None:
    own, parent = process(pid=42), process(pid=41)
    one = joined(lineage(own, parent), lineage(process()))

    def said(initiator: Process | None) -> dict[str, str]:
        pairs = parse(shown("logfmt", one, initiator=lambda side: initiator))
        return {key: value for key, value in pairs.items() if "initiator" in key}

    assert said(None) == said(own) == said(parent) == {}
    assert said(INITIATOR) == {
        "source.initiator.pid": "812",
        "source.initiator.cmdline": "[kubelet --x=1]",
        "source.initiator.comm": "kube let",
    }


def test_a_death_is_a_line_by_the_keys_of_a_target(shown: Shown) -> None:
    yes = process(comm=b"yes", args=(b"yes",), parent_pid=4702, uid=1000)
    assert shown("logfmt", death(lineage(yes, complete=False), 11 | 0x80)) == (
        'time=2026-11-25T12:03:41.208123456Z level=INFO msg="process died" '
        "target.pid=1234 target.cmdline=[yes] target.comm=yes target.parent.pid=4702 "
        "signal.name=SIGSEGV exit.code=139 exit.core_dumped=true exit.run_time=12.304118 "
        "target.uid=1000\n"
    )


@given(deaths())
@settings(max_examples=100, deadline=None)
def test_any_death_parses_back(shown: Shown, one: Death) -> None:
    line = shown("logfmt", one)
    assert line[:-1].isprintable()
    pairs = parse(line)
    assert pairs["exit.code"] == str(128 + one.status % 128)
    assert pairs["target.pid"] == str(one.target.process.pid)
