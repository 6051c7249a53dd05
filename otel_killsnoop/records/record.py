"""Joined signals -> OTLP export requests, as bytes.

Everything that can be shared is encoded once: a side by its Side, what a kind of signal means by
its Facts, the body by pair and Facts. A record is then seven pieces in a list, of which only its
time and its sequence are made for it. Records of one source-target pair share a ResourceLogs.
Signals with details, of other threads than the first, or without a target are made piece by piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct

from otel_killsnoop.model import Details, Facts, Joined, Request, Side, Signal
from otel_killsnoop.records import details as particulars
from otel_killsnoop.records import facts as kinds
from otel_killsnoop.records import severity
from otel_killsnoop.records.ancestry import Ancestries
from otel_killsnoop.records.attributes import EVENT_NAME, SOURCE, TARGET
from otel_killsnoop.records.bounds import Limits, first_fit
from otel_killsnoop.records.envelope import GROUP_BYTES, LOG_RECORD, Envelope, uid
from otel_killsnoop.records.log_record import KEYS, TIME, encoded, lead, observed_field, side_budget
from otel_killsnoop.records.otlp import field, varint
from otel_killsnoop.records.pair import Form, Pair
from otel_killsnoop.records.recent import Recent
from otel_killsnoop.records.side import FULL, Block, Initiator, SideEncoder

PAIR_CACHE_BYTES = 1 << 20  # counting a side in each of its pairs, though they share its bytes
KINDS_KEPT = 256  # kinds of signal whose attributes, or bodies in a pair, are kept

_FIXED64 = Struct("<Q").pack
_EVENT_NAME = field(12, EVENT_NAME.encode())
_SEQUENCE_DIGITS = 16
# What has the same length in every record: the time's and the observed time's field, the
# sequence, the event name.
_FIXED_BYTES = 9 + 9 + _SEQUENCE_DIGITS + len(_EVENT_NAME)


class Encoder:
    """Encodes batches; not for use by several threads at once.

    resource: the agent's own attributes (``resource.agent_resource``), within the bounds of
    ``bounds.RESOURCE_*``.  boot_id: as in /proc/sys/kernel/random/boot_id.  max_depth: ancestors
    a side, 0 to 32.  boot_to_unix_ns: what to add to boot time for the processes' creation times,
    fixed for good.  max_request_bytes: a request is longer only when its one record is.
    initiator: who started what a source did, asked once for each source that is encoded.
    cgroup: path of the cgroup with a kernfs id.

    target: the encoder of targets, for others to share.
    """

    def __init__(
        self,
        resource: Mapping[str, str | int],
        boot_id: str,
        max_depth: int,
        boot_to_unix_ns: int,
        max_request_bytes: int = 1_000_000,
        initiator: Initiator = lambda side: None,
        cgroup: particulars.CgroupPath = lambda number: None,
    ) -> None:
        ancestries = Ancestries(max_depth)
        self.target = SideEncoder(TARGET, ancestries, boot_to_unix_ns)
        self._source = SideEncoder(SOURCE, ancestries, boot_to_unix_ns, initiator)
        self._envelope = Envelope(resource)
        self._budget = side_budget(self._envelope)
        self._boot_id = boot_id
        self._cgroup = cgroup
        self._max_request_bytes = max_request_bytes
        self._pairs: Recent[tuple[Side | None, Side | None], Pair] = Recent(PAIR_CACHE_BYTES)
        self._kinds: dict[Facts, bytes] = {}
        # Members of a group have the same details: a batch's attributes, and what is cut of them.
        self._offset = 0  # of the batch, for times among the details
        self._said: dict[Details, tuple[bytes, list[bytes]]] = {}
        # The attribute with the sequence's digits cut off: they come with each record.
        self._uid = KEYS["log.record.uid"].string(uid(boot_id, 0))[:-_SEQUENCE_DIGITS]

    def encode(self, joined: Sequence[Joined], offset_ns: int, observed_ns: int) -> list[Request]:
        """The batch as requests; the records of one pair stand together, in their order.

        offset_ns: what to add to the signals' boot time for unix time.  observed_ns: unix time
        at which the batch was taken.
        """
        tail = observed_field(observed_ns) + _EVENT_NAME
        self._offset = offset_ns
        self._said.clear()  # a cgroup's path may be known by now
        get_pair = self._pairs.get
        requests: list[Request] = []
        groups: dict[Pair, list[bytes]] = {}
        room = self._max_request_bytes
        count = 0
        for signal, source, target in _by_pair(joined):
            pair = get_pair((source, target)) or self._pair(source, target)
            form = pair.forms.get(signal.facts) or self._form(pair, signal.facts)
            head, front, kind, size = form
            ids = pair.ids
            if (
                signal.details is not None
                or signal.target_tid != pair.target_tid
                or (source is not None and signal.source_tid != pair.source_tid)
            ):
                if target is None:
                    front = self._front(pair, signal.facts, signal.details)
                ids = self._ids(pair, signal)
                length = len(front) + len(kind) + len(ids) + _FIXED_BYTES
                head = LOG_RECORD + varint(length) + TIME
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

    def _group_bytes(self, pair: Pair) -> int:
        return len(self._envelope.encoded) + pair.length + GROUP_BYTES

    def _request(self, groups: Mapping[Pair, list[bytes]], count: int) -> Request:
        parts: list[bytes] = []
        for pair, records in groups.items():
            parts += self._envelope.group(pair.sides, records)
        return Request(b"".join(parts), count)

    def _pair(self, source: Side | None, target: Side | None) -> Pair:
        blocks = self._blocks(source, target)
        if _size(blocks) > self._budget:
            blocks = first_fit(
                lambda limits: self._blocks(source, target, limits), _size, self._budget
            )
        pair = Pair(source, target, blocks)
        pair.ids = self._thread_ids(pair, pair.source_tid, pair.target_tid) + self._rest(pair.cut)
        self._pairs.put((source, target), pair)
        return pair

    def _blocks(
        self, source: Side | None, target: Side | None, limits: Limits = FULL
    ) -> tuple[Block | None, Block | None]:
        return (
            self._source.block(source, limits) if source else None,
            self.target.block(target, limits) if target else None,
        )

    def _form(self, pair: Pair, facts: Facts) -> Form:
        kind = self._kinds.get(facts)
        if kind is None:
            if len(self._kinds) == KINDS_KEPT:
                self._kinds.clear()
            kind = encoded(kinds.describe(facts))
            self._kinds[facts] = kind
        front = self._front(pair, facts, None)
        length = len(front) + len(kind) + len(pair.ids) + _FIXED_BYTES
        head = LOG_RECORD + varint(length) + TIME
        form = (head, front, kind, length + len(head) - len(TIME))
        if len(pair.forms) == KINDS_KEPT:
            pair.forms.clear()
        pair.forms[facts] = form
        return form

    def _front(self, pair: Pair, facts: Facts, details: Details | None) -> bytes:
        source, target = pair.blocks
        to = target.label if target else particulars.aim(facts.call, details)
        return lead(severity.of(facts), kinds.body(facts, source.label if source else None, to))

    def _ids(self, pair: Pair, signal: Signal) -> bytes:
        """What ``Pair.ids`` is, for details, and for other threads than the first ones."""
        ids = self._thread_ids(pair, signal.source_tid, signal.target_tid)
        if signal.details is None:
            return ids + self._rest(pair.cut)
        known = self._said.get(signal.details)
        if known is None:
            values, cut = particulars.describe(
                signal.details, self._boot_id, self._cgroup, self._offset
            )
            known = encoded(values), [name.encode() for name in cut]
            self._said[signal.details] = known
        said, also_cut = known
        return said + ids + self._rest((*pair.cut, *also_cut))

    def _thread_ids(self, pair: Pair, source_tid: int, target_tid: int) -> bytes:
        source, target = pair.blocks
        ids = KEYS["killsnoop.source.thread.id"].integer(source_tid) if source else b""
        if target:
            ids += KEYS["killsnoop.target.thread.id"].integer(target_tid)
        return ids

    def _rest(self, cut: Sequence[bytes]) -> bytes:
        return KEYS["killsnoop.truncated"].strings(cut) + self._uid if cut else self._uid


def _by_pair(joined: Sequence[Joined]) -> list[Joined]:
    """So that a pair's sides, most of a record's bytes, are in as few requests as can be."""
    together: dict[tuple[Side | None, Side | None], list[Joined]] = {}
    for one in joined:
        together.setdefault(one[1:], []).append(one)
    return [one for group in together.values() for one in group]


def _size(blocks: tuple[Block | None, Block | None]) -> int:
    return sum([block.size for block in blocks if block])
