"""Nodes -> what is handed on: ``model.Process`` and ``model.Side``, built only when named.

A Side is a linked list that ends nowhere near: lineages may be thousands long. But no tree shows
more than ``REACH`` ancestors, so what lies further up need be neither built nor right. Hence:

- A node's Side is trusted while its stamp is the registry's epoch, which goes up when any node
  that a Side shows has changed. So the usual case is one comparison.
  A Side that was cut too near to its node never gets that stamp.
- Otherwise the lineage is walked up to the first node whose Side can be trusted, at most
  ``FURTHEST`` links, and down again; what has not changed is the same object.
- No list grows beyond ``LONGEST``: there it is begun anew, cut above ``FURTHEST`` ancestors.
"""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.model import Process, Side
from otel_killsnoop.processes.node import (
    ALIVE,
    ARGUMENT_BYTES,
    IMAGE_BYTES,
    KERNEL_THREAD,
    Image,
    Node,
)
from otel_killsnoop.processes.parents import Parents
from otel_killsnoop.processes.places import Place
from otel_killsnoop.processes.redact import Redact
from otel_killsnoop.processes.registry import Registry
from otel_killsnoop.processes.titles import Titles

REACH = 32  # ancestors that a tree shows at most
FURTHEST = 64
LONGEST = 256


class Sides:
    """Builds Processes and Sides of the registry's nodes.

    user: uid -> name or None.  place: (cgroup id, pid) -> where that is, or None.
    redact: arguments -> arguments to show, and how many values in them were masked.
    parents: of orphans.  titles: None when none are to be read.
    """

    def __init__(
        self,
        registry: Registry,
        user: Callable[[int], str | None],
        place: Callable[[int, int], Place | None],
        redact: Redact,
        parents: Parents,
        titles: Titles | None = None,
    ) -> None:
        self._masked = 0
        self._parents = parents
        self._titles = titles
        self._registry = registry
        self._user = user
        self._place = place
        self._redact = redact

    @property
    def masked(self) -> int:
        """Values masked so far, in arguments and titles."""
        return self._masked + (self._titles.masked if self._titles else 0)

    def begin(self) -> None:
        """A batch begins: once in a while nothing is trusted, so that titles are looked at."""
        if self._titles is not None and self._titles.are_due():
            self._registry.epoch += 1

    def of(self, node: Node) -> Side:
        """The node and its ancestry as of now."""
        if node.stamp == self._registry.epoch and node.side is not None:
            return node.side
        if self._titles is not None and self._titles.look(node):
            self._registry.changed(node)
        if self._parents.look(node):
            self._registry.changed(node)
        epoch = self._registry.epoch
        way = [node]
        above = _parent(node)
        while above is not None:
            if above.stamp == epoch and len(way) + above.reach <= LONGEST:
                break
            if len(way) == FURTHEST:
                break
            way.append(above)
            above = _parent(above)
        side: Side | None
        if above is None:
            side, reach, right, whole, complete = None, -1, -1, True, _is_root(way[-1])
        elif above.side is None or len(way) + above.reach > LONGEST:
            side, reach, right, whole, complete = None, -1, -1, False, False
        else:
            # Trusted, or so far up that what it gets wrong is above what any tree shows.
            side, reach, whole = above.side, above.reach, above.whole
            complete = side.complete
            right = reach if above.stamp == epoch else -1
            whole = whole and right >= 0
        for one in reversed(way):
            reach += 1
            right += 1
            side = self._one(one, side, complete)
            one.side, one.reach, one.whole = side, reach, whole
            # A list that is right for too short a way for its own node serves those below only.
            one.stamp = epoch if whole or right >= REACH else -1
        assert side is not None
        return side

    def _one(self, node: Node, parent: Side | None, complete: bool) -> Side:
        process = node.process or self._build(node)
        side = node.side
        if (
            side is not None
            and side.process is process
            and side.parent is parent
            and side.complete is complete
        ):
            return side
        return Side(process, parent, complete)

    def _build(self, node: Node) -> Process:
        place = node.place
        if place is None and node.cgroup:
            place = node.place = self._place(node.cgroup, node.pid)
        image = node.image
        args: tuple[bytes, ...]
        if node.flags & KERNEL_THREAD:
            path, args, args_count, args_cut = b"", (), 0, False
        else:
            path, args_count, args_cut = image.path, image.args_count, image.args_cut
            args = image.shown if image.shown is not None else self._show(image)
        process = node.process = Process(
            node.pid,
            node.start,
            node.vpid,
            node.parent_pid,
            node.comm,
            path,
            args,
            args_count,
            args_cut,
            node.uid,
            self._user(node.uid),
            node.gid,
            None if place is None else place.path,
            None if place is None else place.container_id,
            None if place is None else place.pod_uid,
            None if place is None else place.systemd_unit,
            node.known_from,
            node.login_uid,
            None if node.login_uid is None else self._user(node.login_uid),
            node.audit_session,
            node.title,
            node.died != ALIVE,
            None if place is None else place.pod_qos,
        )
        return process

    def _show(self, image: Image) -> tuple[bytes, ...]:
        shown, masked = self._shown_of(image)
        self._masked += masked
        image.shown = shown
        image.mark = hash(image.args)
        image.args = ()
        size = IMAGE_BYTES + len(image.path) + ARGUMENT_BYTES * len(shown) + sum(map(len, shown))
        self._registry.resize(image, size)
        return shown

    def _shown_of(self, image: Image) -> tuple[tuple[bytes, ...], int]:
        """Arguments to show and how many values in them were masked."""
        args = image.args
        if not image.args_cut or not args:
            return self._redact(args)
        # Cut in a password, a URL has lost the sign by which it is one: it is given it back.
        shown, masked = self._redact((*args[:-1], args[-1] + b"@"))
        if len(shown) == len(args) and shown[-1].endswith(b"@"):
            shown = (*shown[:-1], shown[-1][:-1])
        return shown, masked


def _parent(node: Node) -> Node | None:
    parent = node.parent
    return None if parent is None or parent.gone else parent


def _is_root(node: Node) -> bool:
    """Whether a lineage that ends at this node ends there in truth."""
    return node.parent is None and node.parent_pid == 0 and node.known_from != "partial"
