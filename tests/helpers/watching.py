"""Sending signals that an agent watches, and reading what its JSON lines say of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from real_processes import RARE, RARE_NAME
from running_agent import Record, RunningAgent

SELECT = ("--print", "json", "-i", f"{RARE_NAME},CONT", "-d", "32")
"""An agent's arguments, so that other tests' floods are none of its business."""

FIELDS = (
    "process.executable.name process.command_args process.args_count process.user.id "
    "process.ancestors.pids process.ancestors.names process.ancestors.command_lines process.tree"
).split()


def to(pid: int) -> Callable[[Record], bool]:
    """Whether a record is of a signal to that process; none of these pids was used before."""
    return lambda record: (
        record["killsnoop.event"] == "signal" and record["killsnoop.target.process.pid"] == pid
    )


def send(agent: RunningAgent, pid: int, number: int = RARE) -> Record:
    """Send a signal; its record."""
    before = len(agent.records(to(pid)))
    os.kill(pid, number)
    return agent.wait_records(before + 1, to(pid))[before]


def side(record: Record, name: str) -> dict[str, Any]:
    """What a record says of one side, by the names without prefix; None for what it leaves out."""
    return {one: record.get(f"killsnoop.{name}.{one}") for one in FIELDS}


def texts(args: Sequence[str | bytes]) -> list[str]:
    """Arguments as a record shows them."""
    return [os.fsencode(one).decode("utf-8", "replace") for one in args]


def is_rare(record: Record) -> bool:
    """SIGCONT of others, and to the agent itself, is selected too."""
    return bool(record.get("killsnoop.signal.number") == RARE)
