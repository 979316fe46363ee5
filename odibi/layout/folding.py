"""Smaller graphs out of a large one: groups folded into one node, and what lies around some nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["Edge", "Edges", "Nodes", "collapse", "subgraph"]

Edge = tuple[str, str]
"""`(source, target)`."""
Nodes = tuple[str, ...]
Edges = tuple[Edge, ...]


def collapse(
    nodes: Sequence[str], edges: Iterable[Edge], groups: Mapping[str, str]
) -> tuple[Nodes, Edges]:
    """The graph with the nodes of each group drawn as one node named like the group.

    `groups` names the group of each node to fold; other nodes stay. A group takes the place of
    its first node; edges inside a group vanish and parallel ones become one. Groups may depend
    on each other both ways: `draw` leaves such backward edges out and says so.
    """
    name = {node: groups.get(node, node) for node in nodes}
    folded = ((name[source], name[target]) for source, target in edges)
    return tuple(dict.fromkeys(name.values())), tuple(
        dict.fromkeys(edge for edge in folded if edge[0] != edge[1])
    )


def subgraph(
    nodes: Sequence[str],
    edges: Iterable[Edge],
    focus: Collection[str],
    up: int | None = None,
    down: int | None = None,
) -> tuple[Nodes, Edges]:
    """`focus` with what it depends on up to `up` hops and what depends on it up to `down` hops.

    `None` means any number of hops. All edges among the nodes kept stay, in the order given.
    """
    pairs = tuple(edges)
    kept = _reached(focus, [(target, source) for source, target in pairs], up)
    kept |= _reached(focus, pairs, down)
    inside = tuple(node for node in nodes if node in kept)
    return inside, tuple(edge for edge in pairs if edge[0] in kept and edge[1] in kept)


def _reached(start: Collection[str], edges: Iterable[Edge], hops: int | None) -> set[str]:
    following: dict[str, list[str]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    seen, front = set(start), list(start)
    while front and hops != 0:
        reached = dict.fromkeys(other for node in front for other in following.get(node, ()))
        front = [node for node in reached if node not in seen]
        seen.update(front)
        hops = None if hops is None else hops - 1
    return seen
