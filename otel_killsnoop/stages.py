"""What a pipeline is made of: the rooms as it sees them, put together by `rooms`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from otel_killsnoop.model import Death, Event, Joined, Request


class OutputGone(Exception):  # noqa: N818  # the end of the work, not a fault of ours
    """Nothing is shipped, and what is printed cannot be written. error: why."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


class Ring(Protocol):
    """``tracer.ring.Ring``."""

    def read(self, limit: int) -> list[tuple[int, bytes]]: ...
    def commit(self, before: int | None = None) -> None: ...


class Notebook(Protocol):
    """``lives.Lives``."""

    @property
    def reread_to(self) -> int: ...
    def again(self, signals: int) -> None: ...
    def note(self, waiting: int, reached: int) -> None: ...


class Applied(Protocol):
    """``processes.table.Applied``."""

    @property
    def joined(self) -> list[Joined]: ...
    @property
    def rest(self) -> Sequence[Event]: ...
    @property
    def deaths(self) -> list[Death]: ...


class Printer(Protocol):
    """``terminal.output.Printer``."""

    @property
    def needs_flat(self) -> bool: ...
    def print(self, joined: Joined, unix_ns: int, flat: Mapping[str, object] | None) -> None: ...
    def print_death(
        self, death: Death, unix_ns: int, flat: Mapping[str, object] | None
    ) -> None: ...
    def flush(self) -> None: ...


class Stages(Protocol):
    """What the rooms do for a batch; ``agent`` puts it together."""

    def decode(self, records: list[tuple[int, bytes]]) -> list[Event]: ...
    def judge(self, events: Sequence[Event], waited: int) -> tuple[list[Event], list[Event]]: ...
    def apply(self, events: Sequence[Event], waited: int) -> Applied: ...
    def encode(self, joined: Sequence[Joined], offset_ns: int) -> list[Request]: ...
    def encode_deaths(self, deaths: Sequence[Death], offset_ns: int) -> list[Request]: ...
    def flat(self, joined: Joined, offset_ns: int) -> Mapping[str, object]: ...
    def flat_death(self, death: Death, offset_ns: int) -> Mapping[str, object]: ...
