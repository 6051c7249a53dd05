"""Joined signals -> OTLP export requests, as bytes.

Everything that can be shared is encoded once: a side by its Side, what a kind of signal means by
its Facts, the body by pair and Facts. A record is then seven pieces in a list, of which only its
time and its sequence are made for it. Records of one source-target pair share a ResourceLogs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from struct import Struct

from otel_killsnoop.model import Facts, Joined, Request, Side, Signal
from otel_killsnoop.records import facts as kinds
from otel_killsnoop.records import severity
from otel_killsnoop.records.attributes import EVENT_NAME, LOG, SOURCE, TARGET
from otel_killsnoop.records.bounds import (
    LOG_ATTRIBUTES_BYTES,
    RECORD_BYTES,
    first_fit,
    utf8_text,
)
from otel_killsnoop.records.envelope import GROUP_BYTES, LOG_RECORD, Envelope
from otel_killsnoop.records.otlp import RECORD_ATTRIBUTE, Key, field, tag, varint
from otel_killsnoop.records.recent import Recent
from otel_killsnoop.records.side import Block, SideEncoder

PAIR_CACHE_BYTES = 1 << 20  # counting a side in each of its pairs, though they share its bytes
KINDS_KEPT = 256  # kinds of signal whose attributes, or bodies in a pair, are kept

KEYS = {one.name: Key(one.name, RECORD_ATTRIBUTE) for one in LOG}

_FIXED64 = Struct("<Q").pack
_TIME = tag(1, 1)
_EVENT_NAME = field(12, EVENT_NAME.encode())
_SEQUENCE_DIGITS = 16
# What has the same length in every record: the time's and the observed time's field, the
# sequence, the event name.
_FIXED_BYTES = 9 + 9 + _SEQUENCE_DIGITS + len(_EVENT_NAME)


def time_field(unix_ns: int) -> bytes:
    """LogRecord.time_unix_nano."""
    return _TIME + _FIXED64(unix_ns)


def observed_field(observed_ns: int) -> bytes:
    """LogRecord.observed_time_unix_nano."""
    return tag(11, 1) + _FIXED64(observed_ns)


def lead(level: severity.Severity, body: bytes) -> bytes:
    """LogRecord's severity and body fields."""
    text = b"\x0a" + varint(len(body))
    return b"".join((_severity(level), b"\x2a", varint(len(text) + len(body)), text, body))


@cache
def _severity(level: severity.Severity) -> bytes:
    return tag(2, 0) + varint(level.number) + field(3, level.text.encode())


def side_budget(envelope: Envelope) -> int:
    """Bytes that Loki may count for both sides together."""
    return RECORD_BYTES - LOG_ATTRIBUTES_BYTES - len(envelope.encoded)


class _Pair:
    """A source and a target, encoded.

    truncated: the attribute that names what was cut, else empty.  ids: the attributes behind the
    ones of the Facts, when the threads are the processes' first ones.  forms: by Facts, the
    record's head, what stands before and what behind the time.
    """

    __slots__ = ("cost", "forms", "ids", "source", "target", "truncated")

    def __init__(self, source: Block | None, target: Block, truncated: bytes) -> None:
        self.source = source
        self.target = target
        self.truncated = truncated
        self.ids = b""
        self.forms: dict[Facts, tuple[bytes, bytes, bytes, int]] = {}
        self.cost = 1000 + target.length + (source.length if source else 0)

    def sides(self) -> list[bytes]:
        blocks = (self.source, self.target) if self.source else (self.target,)
        return [part for block in blocks for part in (block.own, block.above)]


class Encoder:
    """Encodes batches; not for use by several threads at once.

    resource: the agent's own attributes (``resource.agent_resource``), within the bounds of
    ``bounds.RESOURCE_*``.  boot_id: as in /proc/sys/kernel/random/boot_id.  max_depth: ancestors
    a side, 0 to 32.  boot_to_unix_ns: what to add to boot time for the processes' creation times,
    fixed for good.  max_request_bytes: a request is longer only when its one record is.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        boot_id: str,
        max_depth: int,
        boot_to_unix_ns: int,
        max_request_bytes: int = 1_000_000,
    ) -> None:
        self._envelope = Envelope(resource)
        self._budget = side_budget(self._envelope)
        self._source = SideEncoder(SOURCE, max_depth, boot_to_unix_ns)
        self._target = SideEncoder(TARGET, max_depth, boot_to_unix_ns)
        self._max_request_bytes = max_request_bytes
        self._pairs: Recent[tuple[Side | None, Side], _Pair] = Recent(PAIR_CACHE_BYTES)
        self._kinds: dict[Facts, bytes] = {}
        # The attribute with the sequence's digits cut off: they come with each record.
        self._uid = KEYS["log.record.uid"].string(utf8_text(boot_id) + b"-" + b"0" * 16)[:-16]

    def encode(self, joined: Sequence[Joined], offset_ns: int, observed_ns: int) -> list[Request]:
        """The batch as requests, in about its order.

        offset_ns: what to add to the signals' boot time for unix time.  observed_ns: unix time
        at which the batch was taken.
        """
        tail = observed_field(observed_ns) + _EVENT_NAME
        get_pair = self._pairs.get
        requests: list[Request] = []
        groups: dict[_Pair, list[bytes]] = {}
        room = self._max_request_bytes
        count = 0
        for signal, source, target in joined:
            pair = get_pair((source, target)) or self._pair(source, target)
            form = pair.forms.get(signal.facts) or self._form(pair, signal.facts)
            head, front, kind, size = form
            ids = pair.ids
            if signal.target_tid != target.process.pid or (
                source is not None and signal.source_tid != source.process.pid
            ):
                ids = self._ids(pair.truncated, signal, source)
                length = len(front) + len(kind) + len(ids) + _FIXED_BYTES
                head = LOG_RECORD + varint(length) + _TIME
                size = length + len(head) - 1
            group = groups.get(pair)
            need = size if group is not None else size + self._group_bytes(pair)
            if need > room and count:
                requests.append(self._request(groups, count))
                groups, group, count = {}, None, 0
                room = self._max_request_bytes
                need = size + self._group_bytes(pair)
            if group is None:
                group = groups[pair] = []
            room -= need
            count += 1
            group += (
                head,
                _FIXED64(signal.time + offset_ns),
                front,
                kind,
                ids,
                b"%016x" % signal.sequence,
                tail,
            )
        if count:
            requests.append(self._request(groups, count))
        return requests

    def _group_bytes(self, pair: _Pair) -> int:
        sides = pair.target.length + (pair.source.length if pair.source else 0)
        return len(self._envelope.encoded) + sides + GROUP_BYTES

    def _request(self, groups: Mapping[_Pair, list[bytes]], count: int) -> Request:
        parts: list[bytes] = []
        for pair, records in groups.items():
            parts += self._envelope.group(pair.sides(), records)
        return Request(b"".join(parts), count)

    def _pair(self, source: Side | None, target: Side) -> _Pair:
        from_block = self._source.block(source) if source else None
        to_block = self._target.block(target)
        if to_block.size + (from_block.size if from_block else 0) > self._budget:
            from_block, to_block = self._trimmed(source, target)
        cut = (from_block.cut if from_block else ()) + to_block.cut
        truncated = KEYS["killsnoop.truncated"].strings(cut) if cut else b""
        pair = _Pair(from_block, to_block, truncated)
        source_tid = source.process.pid if source else None
        ids = self._thread_ids(source_tid, target.process.pid)
        pair.ids = ids + truncated + self._uid
        self._pairs.put((source, target), pair)
        return pair

    def _trimmed(self, source: Side | None, target: Side) -> tuple[Block | None, Block]:
        return first_fit(
            lambda limits: (
                self._source.block(source, limits) if source else None,
                self._target.block(target, limits),
            ),
            lambda blocks: blocks[1].size + (blocks[0].size if blocks[0] else 0),
            self._budget,
        )

    def _form(self, pair: _Pair, facts: Facts) -> tuple[bytes, bytes, bytes, int]:
        kind = self._kinds.get(facts)
        if kind is None:
            if len(self._kinds) == KINDS_KEPT:
                self._kinds.clear()
            kind = b"".join([KEYS[name].encode(value) for name, value in kinds.describe(facts)])
            self._kinds[facts] = kind
        source = pair.source.label if pair.source else None
        front = lead(severity.of(facts), kinds.body(facts, source, pair.target.label))
        length = len(front) + len(kind) + len(pair.ids) + _FIXED_BYTES
        head = LOG_RECORD + varint(length) + _TIME
        form = (head, front, kind, length + len(head) - len(_TIME))
        if len(pair.forms) == KINDS_KEPT:
            pair.forms.clear()
        pair.forms[facts] = form
        return form

    def _ids(self, truncated: bytes, signal: Signal, source: Side | None) -> bytes:
        """What ``_Pair.ids`` is, for other threads than the processes' first ones."""
        source_tid = None if source is None else signal.source_tid
        return self._thread_ids(source_tid, signal.target_tid) + truncated + self._uid

    def _thread_ids(self, source_tid: int | None, target_tid: int) -> bytes:
        target = KEYS["killsnoop.target.thread.id"].integer(target_tid)
        if source_tid is None:
            return target
        return KEYS["killsnoop.source.thread.id"].integer(source_tid) + target
