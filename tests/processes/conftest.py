"""Constructed kernel events, and a table fed by them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from otel_killsnoop.model import Attempt, Death, Event, Exec, Exit, Facts, Fork, Joined, Signal
from otel_killsnoop.processes.node import INITIAL_NAMESPACE, TICK, Entry
from otel_killsnoop.processes.places import Place, place
from otel_killsnoop.processes.redact import redactor
from otel_killsnoop.processes.table import Table
from otel_killsnoop.processes.titles import Titles

KILL = Facts(9, "SIGKILL", "SI_USER", "user", "kill", "process", "delivered", True)
DENIED = Facts(15, "SIGTERM", "SI_USER", "user", "kill", "process", "refused", True, error="EPERM")
FAULT = Facts(11, "SIGSEGV", "SEGV_MAPERR", "fault", None, "thread", "delivered", False)


class World:
    """Makes events with a clock and a sequence that go on, and a table with a /proc of its own.

    A process is named by (pid, start); ``who(pid)`` gives the start used for a pid by default.
    """

    fault = FAULT
    sigkill = KILL
    denied = DENIED

    def __init__(self) -> None:
        self._sequence = itertools.count(1)
        self.now = 1_000_000_000_000
        self.proc: dict[int, Entry] = {}
        self.threads: dict[int, tuple[int, int]] = {}
        self.parents: dict[int, int] = {}
        self.titles: Titles | None = None
        self.asked: list[int] = []
        self.cgroups: dict[int, str] = {}
        self.table = self.make()

    def make(self, mode: str = "redacted", **bounds: int) -> Table:
        def look_up(pid: int) -> Entry | None:
            self.asked.append(pid)
            return self.proc.get(pid)

        def at(identity: int, pid: int) -> Place | None:
            path = self.cgroups.get(identity)
            return None if path is None else place(path)

        def owner(tid: int) -> tuple[int, int] | None:
            entry = self.proc.get(tid)
            return (tid, entry.ticks) if entry is not None else self.threads.get(tid)

        return Table(
            look_up=look_up,
            owner=owner,
            parent=lambda pid, ticks: self.parents.get(pid),
            titles=self.titles,
            user={0: "root", 1000: "bob"}.get,
            place=at,
            place_of_path=place,
            redact=redactor(mode),
            **bounds,
        )

    @staticmethod
    def start(pid: int) -> int:
        return pid * 1_000_000_007

    def tick(self, ns: int = 1000) -> tuple[int, int]:
        self.now += ns
        return next(self._sequence), self.now

    def fork(
        self,
        parent: int,
        pid: int,
        comm: bytes = b"sh",
        start: int = 0,
        parent_start: int = 0,
        real_parent: int = 0,
        parent_tid: int = 0,
        cgroup: int = 0,
        login: tuple[int | None, int | None] = (None, None),
        levels: tuple[tuple[int, int], ...] = (),
    ) -> Fork:
        start, parent_start = start or self.start(pid), parent_start or self.start(parent)
        real_parent = real_parent or parent
        return Fork(
            *self.tick(), start, pid, pid, 0, 0, pid, 0, cgroup, comm,
            parent_start, parent, parent_tid or parent, self.start(real_parent), real_parent,
            *login, levels,
        )  # fmt: skip

    def exec(
        self,
        pid: int,
        *args: bytes,
        start: int = 0,
        cut: bool = False,
        argc: int = -1,
        comm: bytes = b"",
        uid: int = 0,
        cgroup: int = 0,
        login: tuple[int | None, int | None] = (None, None),
        parent: int = 0,
    ) -> Exec:
        return Exec(
            *self.tick(), start or self.start(pid), pid, pid, uid, 0, pid, 0, cgroup,
            comm or args[0][:15], len(args) if argc < 0 else argc, cut,
            b"/bin/" + (args[0] if args else comm), args, *login,
            self.start(parent), parent,
        )  # fmt: skip

    def exit(
        self, pid: int, start: int = 0, status: int = 0, tid: int = 0, parent: int = 0
    ) -> Exit:
        own = (start or self.start(pid), pid, tid or pid, status)
        return Exit(*self.tick(), *own, self.start(parent), parent)

    def attempt(
        self,
        source: int,
        target: int | None,
        facts: Facts = DENIED,
        namespace: int = INITIAL_NAMESPACE,
        argument: int | None = None,
        is_thread: bool = False,
        source_vpid: int = 0,
    ) -> Attempt:
        return Attempt(
            *self._facts_and_time(facts), self.start(source), source, source, 0, 0,
            source_vpid or source, 0, 0, b"sh",
            namespace, target, is_thread, (target or 0) if argument is None else argument,
        )  # fmt: skip

    def _facts_and_time(self, facts: Facts) -> tuple[int, Facts, int]:
        sequence, time = self.tick()
        return sequence, facts, time

    def kill(
        self,
        source: int,
        target: int,
        facts: Facts = KILL,
        target_start: int = 0,
        source_start: int = 0,
        source_tid: int = 0,
        source_comm: bytes = b"sh",
        target_comm: bytes = b"sh",
        target_uid: int = 0,
        target_flags: int = 0,
        target_cgroup: int = 0,
    ) -> Signal:
        sequence, time = self.tick()
        return Signal(
            sequence, facts, time,
            source_start or self.start(source), source, source_tid or source, 0, 0, source, 0, 0,
            source_comm,
            target_start or self.start(target), target, target, target_uid, 0, target,
            target_flags, target_cgroup, target_comm,
        )  # fmt: skip

    def entry(self, pid: int, ppid: int, *args: bytes, start: int = 0, comm: bytes = b"") -> Entry:
        ticks = (start or self.start(pid)) // TICK
        comm = comm or (args[0][:15] if args else b"kthread")
        return Entry(
            pid, ppid, ticks, comm, b"/bin/" + comm, args, len(args), False, 0, 0, pid, 0, "/a"
        )

    def seed(self, *entries: Entry) -> None:
        self.table.seed(entries)

    def joined(self, *events: Event) -> list[Joined]:
        """Apply to the end; nothing may have to wait."""
        applied = self.table.apply(events)
        assert applied.rest == ()
        return applied.joined

    def deaths(self, *events: Event) -> list[Death]:
        """The same, and who died."""
        applied = self.table.apply(events)
        assert applied.rest == ()
        return applied.deaths

    def forced(self, events: Sequence[Event]) -> list[Joined]:
        """Apply to the end, whatever is unknown."""
        applied = self.table.apply(events, waited=len(events))
        assert not applied.rest
        return applied.joined


@pytest.fixture
def world() -> World:
    """A table that knows init[1], sh[100] and its child sh[200] from /proc."""
    made = World()
    made.seed(
        made.entry(1, 0, b"init"), made.entry(100, 1, b"sh", b"-i"), made.entry(200, 100, b"sh")
    )
    return made


@pytest.fixture(scope="session")
def new_world() -> type[World]:
    """For property tests: each example makes a world of its own."""
    return World
