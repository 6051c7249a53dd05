"""Walks up the lines of forebears, from a node to who forked it."""

from __future__ import annotations

from otel_killsnoop.processes.node import Node

DEEPEST = 33  # a tree shows a process and at most 32 ancestors


def descends(node: Node, forebear: Node) -> bool:
    """Whether one node is above another."""
    above = node.parent
    while above is not None:
        if above is forebear:
            return True
        above = above.parent
    return False


def last_shown(node: Node) -> Node | None:
    """Of a buried node the highest forebear that any tree of a descendant can show.

    What is above it may be let go: without that a service that hands over to a child of its own
    again and again would keep all its generations. None when nothing is, or when the way up is not
    one of buried nodes with one child each, for any other descendant could need what is above.
    """
    top = node
    for _ in range(DEEPEST):
        above = top.parent
        if above is None or not above.buried or above.children != 1:
            return None
        top = above
    return top if top.parent is not None else None
