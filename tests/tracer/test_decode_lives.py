"""Bytes -> forks, execs, exits, the OOM killer's choices and new cgroups, as C lays them out."""

from __future__ import annotations

import os

import pytest
from c_records import execution, party, record, signal
from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.model import Cgroup, Event, Exec, Exit, Fork, Oom, OomSizes
from otel_killsnoop.tracer.decode import Decoder

MADE_AT = 86_000_000_000_000
NOBODY = 0xFFFFFFFF
PAGE = os.sysconf("SC_PAGESIZE")


def one(payload: object) -> Event:
    decoder = Decoder(MADE_AT, "x86_64")
    (event,) = decoder.decode([(168, bytes(payload))])
    assert (decoder.undecodable, decoder.undecodable_signals) == (0, 0)
    return event


def fork(**changes: object) -> Fork:
    usual = {"time": 9, "child": party(50, b"sh"), "login_uid": NOBODY, "session": NOBODY}
    usual |= {"parent_start": 111, "parent_pid": 40, "parent_tid": 41}
    made = record("fork", **{**usual, "real_parent_start": 222, "real_parent_pid": 30})
    for name, value in changes.items():
        if name == "level":
            for place, pair in enumerate(value):
                made.level[place] = pair
        else:
            setattr(made, name, value)
    event = one(made)
    assert isinstance(event, Fork)
    return event


def test_a_fork() -> None:
    child = one(signal(source=party(50, b"sh")))[3:12]
    parents = (111, 40, 41, 222, 30)
    assert fork() == (MADE_AT + 168, 9, *child, *parents, None, None, ())


@pytest.mark.parametrize(
    ("login", "session", "told"),
    [
        (1000, 7, (1000, 7)),
        (0, 1, (0, 1)),
        (1000, NOBODY, (1000, None)),
        (NOBODY, NOBODY, (None, None)),
        (NOBODY, 0, (None, None)),  # no audit in this kernel: what is read is no session
    ],
)
def test_who_logged_in(login, session, told) -> None:
    event = fork(login_uid=login, session=session)
    assert (event.login_uid, event.audit_session) == told
    ran = one(execution(b"x\0", b"/x\0", login_uid=login, session=session))
    assert (ran.login_uid, ran.audit_session) == told


@pytest.mark.parametrize("deepest", [0, 1, 2, 4, 5, 32, NOBODY])
def test_the_numbers_of_every_level_that_is_carried(deepest) -> None:
    pairs = [(4026532000 + level, 100 - level) for level in range(4)]
    assert fork(levels=deepest, level=pairs).levels == tuple(pairs[:deepest])


def test_an_exit() -> None:
    parent = {"parent_start": 111, "parent_pid": 40}
    event = one(record("exit", status=139, time=8, start=222, pid=50, tid=51, **parent))
    assert isinstance(event, Exit)
    assert event == (MADE_AT + 168, 8, 222, 50, 51, 139, 111, 40)
    ran = one(execution(b"x\0", b"/x\0", **parent))
    assert (ran.parent_start, ran.parent_pid) == (111, 40)
    assert one(record("exit", status=-1)).status == -1


@pytest.mark.parametrize(
    ("argv", "total", "args", "cut"),
    [
        (b"sleep\x0060\0", None, (b"sleep", b"60"), False),
        (b"a\0\0b\0\0", None, (b"a", b"", b"b", b""), False),
        (b"\0", None, (b"",), False),
        (b"", 0, (), False),
        (b"", 300, (), True),
        (b"tail\0-f\0/var/lo", 30, (b"tail", b"-f", b"/var/lo"), True),
        (b"tail\0-f\0", 30, (b"tail", b"-f"), True),
        (b"tail\0-f", 30, (b"tail", b"-f"), True),
        (b"\xff\xfe\0", None, (b"\xff\xfe",), False),
    ],
)
def test_the_arguments_of_an_exec(argv, total, args, cut) -> None:
    event = one(execution(argv, b"/bin/tail\0", total, argc=4))
    assert isinstance(event, Exec)
    assert (event.args, event.args_cut, event.argc) == (args, cut, 4)
    assert (event.filename, event.comm, event.pid) == (b"/bin/tail", b"pkill", 4711)


def test_an_exec_may_lack_its_path() -> None:
    assert one(execution(b"x\0", b"")).filename == b""


def test_an_exec_is_rounded_up_to_eight_bytes_and_no_further() -> None:
    made = execution(b"x\0", b"/x\0")
    assert len(made) % 8 == 5
    assert one(made + b"\0\0\0").filename == b"/x"
    decoder = Decoder(0)
    assert decoder.decode([(0, made + bytes(4)), (1, made[:-1])]) == []
    assert (decoder.undecodable, decoder.undecodable_signals) == (2, 0)


def test_a_choice_of_the_oom_killer() -> None:
    pages = {"total_vm": 1000, "anon_rss": 200, "file_rss": 30, "shmem_rss": 4}
    made = record("oom", time=6, start=111, pid=50, tid=7, page_tables=8192, score_adj=-17, **pages)
    event = one(made)
    assert isinstance(event, Oom)
    sizes = OomSizes(1000 * PAGE, 200 * PAGE, 30 * PAGE, 4 * PAGE, 8192, -17)
    assert event == (MADE_AT + 168, 6, 50, 111, 7, sizes)


def test_a_kernel_that_tells_a_number_alone_tells_no_sizes() -> None:
    event = one(record("oom", pid=50, tid=7))
    assert (event.pid, event.start, event.sizes) == (50, 0, None)


def test_counters_below_nothing_are_nothing() -> None:
    below = (1 << 64) - 3
    event = one(record("oom", total_vm=5, anon_rss=below, file_rss=2, shmem_rss=below))
    assert event.sizes == OomSizes(5 * PAGE, 0, 2 * PAGE, 0, 0, 0)


@given(st.binary(max_size=300).filter(lambda path: b"\0" not in path))
def test_a_new_cgroup(path) -> None:
    head = record("cgroup", path_size=len(path) + 1, time=4, id=99, hierarchy=3)
    whole = bytes(head) + path + b"\0"
    for payload in (whole, whole + bytes(-len(whole) % 8)):
        assert one(payload) == Cgroup(MADE_AT + 168, 4, 99, 3, path)


def test_a_cgroup_that_is_shorter_or_longer_than_it_says_is_none() -> None:
    head = bytes(record("cgroup", path_size=3))
    decoder = Decoder(0)
    assert decoder.decode([(0, head + b"/x"), (1, head + b"/x\0" + bytes(8)), (2, head)]) == []
    assert (decoder.undecodable, decoder.undecodable_signals) == (3, 0)
