"""Nodes put into ranks, and edges over several ranks led through the ranks between.

Longest path from the sources. What a source sends further than the next rank is one chain of
places to pass (not one per edge): the ways are bundled, and there is less to order and draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from odibi.layout.folding import Edge

__all__ = ["Ranked", "ranked", "ranks_by_layer"]


@dataclass(frozen=True)
class Ranked:
    """A graph whose edges all lead from one rank to the next.

    Items are numbers: the nodes by their place in `nodes`, then the places where a long way
    passes a rank.
    """

    nodes: tuple[str, ...]
    rank_of: list[int]
    """The rank of each node."""
    levels: list[list[int]]
    """The items of each rank."""
    below: list[list[int]]
    """By item: the items of the next rank that it leads to."""
    above: list[list[int]]
    """By item: the items of the rank before that lead to it."""
    left_out: tuple[Edge, ...]
    """Edges that lead back in a cycle, so that they can't be drawn forward."""

    @property
    def size(self) -> int:
        """How many items there are."""
        return len(self.below)


def ranked(nodes: tuple[str, ...], edges: Iterable[Edge], lowest: Mapping[str, int]) -> Ranked:
    """The graph in ranks; `lowest` is the least rank of some nodes. ValueError: unknown nodes."""
    number = {node: i for i, node in enumerate(nodes)}
    pairs = dict.fromkeys(edges)
    unknown = {node for edge in pairs for node in edge} - number.keys()
    if unknown:
        raise ValueError(f"edges name nodes that aren't in the graph: {', '.join(sorted(unknown))}")
    targets: list[list[int]] = [[] for _ in nodes]
    for source, target in pairs:
        targets[number[source]].append(number[target])
    back = _cut_cycles(targets)
    floor = [lowest.get(node, 0) for node in nodes]
    pulled = [node not in lowest for node in nodes]
    rank_of = _longest_paths(targets, floor, pulled)
    left_out = tuple((nodes[source], nodes[target]) for source, target in back)
    return _with_passages(nodes, targets, rank_of, left_out)


def ranks_by_layer(
    nodes: Sequence[str], edges: Iterable[Edge], layers: Mapping[str, str], order: Sequence[str]
) -> dict[str, int]:
    """Least ranks that give every layer of `order` its own columns, for `draw(ranks=…)`.

    Nodes without a layer get none. A node that depends on a later layer stands behind that
    one; it doesn't push its layer's neighbours away.
    """
    place = {name: i for i, name in enumerate(order)}
    number = {node: i for i, node in enumerate(nodes)}
    targets: list[list[int]] = [[] for _ in nodes]
    for source, target in dict.fromkeys(edges):
        targets[number[source]].append(number[target])
    _cut_cycles(targets)
    depth = [place.get(layers.get(node, ""), -1) for node in nodes]
    columns = _columns_of_layers(targets, depth, len(order))
    starts = [sum(columns[:k]) for k in range(len(order))]
    return {node: starts[k] for node, k in zip(nodes, depth, strict=True) if k >= 0}


def _columns_of_layers(targets: list[list[int]], depth: list[int], layers: int) -> list[int]:
    """How many ranks each layer needs for its own nodes and those that stand among them."""
    latest, steps, columns = list(depth), [0] * len(depth), [1] * layers
    for i in _topological(targets):
        if latest[i] >= 0 and depth[i] in (latest[i], -1):
            columns[latest[i]] = max(columns[latest[i]], steps[i] + 1)
        for j in targets[i]:
            if latest[i] > latest[j]:
                latest[j], steps[j] = latest[i], steps[i] + 1
            elif latest[i] == latest[j]:
                steps[j] = max(steps[j], steps[i] + 1)
    return columns


def _cut_cycles(targets: list[list[int]]) -> list[tuple[int, int]]:
    """Takes the edges out that close a cycle, as a walk in depth meets them; returns them."""
    state = [0] * len(targets)  # 1 on the way, 2 done
    back: list[tuple[int, int]] = []
    for start in range(len(targets)):
        if state[start]:
            continue
        state[start] = 1
        way = [(start, iter(tuple(targets[start])))]
        while way:
            node, rest = way[-1]
            for following in rest:
                if state[following] == 1:
                    back.append((node, following))
                    targets[node].remove(following)
                elif not state[following]:
                    state[following] = 1
                    way.append((following, iter(tuple(targets[following]))))
                    break
            else:
                state[node] = 2
                way.pop()
    return back


def _topological(targets: list[list[int]]) -> list[int]:
    waits = [0] * len(targets)
    for following in targets:
        for j in following:
            waits[j] += 1
    order = [i for i, count in enumerate(waits) if not count]
    for i in order:
        for j in targets[i]:
            waits[j] -= 1
            if not waits[j]:
                order.append(j)
    return order


def _longest_paths(targets: list[list[int]], floor: list[int], pulled: list[bool]) -> list[int]:
    """Ranks; a source that may be pulled stands right before its first consumer."""
    rank_of = list(floor)
    fed = [False] * len(targets)
    order = _topological(targets)
    for i in order:
        for j in targets[i]:
            fed[j] = True
            rank_of[j] = max(rank_of[j], rank_of[i] + 1)
    for i in reversed(order):
        if targets[i] and not fed[i] and pulled[i]:
            rank_of[i] = min(rank_of[j] for j in targets[i]) - 1
    return rank_of


def _with_passages(
    nodes: tuple[str, ...],
    targets: list[list[int]],
    rank_of: list[int],
    left_out: tuple[Edge, ...],
) -> Ranked:
    levels: list[list[int]] = [[] for _ in range(max(rank_of, default=-1) + 1)]
    for i, rank in enumerate(rank_of):
        levels[rank].append(i)
    below: list[list[int]] = [[] for _ in nodes]
    for i, following in enumerate(targets):
        if not following:
            continue
        at, rank, last = i, rank_of[i] + 1, max(rank_of[j] for j in following)
        while True:
            below[at].extend(j for j in following if rank_of[j] == rank)
            if rank == last:
                break
            passage = len(below)
            below.append([])
            levels[rank].append(passage)
            below[at].append(passage)
            at, rank = passage, rank + 1
    above: list[list[int]] = [[] for _ in below]
    for i, following in enumerate(below):
        for j in following:
            above[j].append(i)
    return Ranked(nodes, rank_of, levels, below, above, left_out)
