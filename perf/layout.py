"""What drawing a graph costs: CPU milliseconds, and as a multiple of one longest-path pass over it.

python perf/layout.py [--times 9]
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from odibi import layout

Graph = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]
SIZES = ((12, 4), (50, 6), (200, 8), (1000, 12))


def layered(nodes: int, ranks: int, seed: int = 7, skips: float = 0.08) -> Graph:
    """A graph like those of data projects: few inputs a node, from near by, some from far back."""
    chance = random.Random(seed)
    levels = [[f"n{rank:02}_{i:03}" for i in range(rank, nodes, ranks)] for rank in range(ranks)]
    edges: dict[tuple[str, str], None] = {}
    for rank in range(1, ranks):
        before = levels[rank - 1]
        for i, node in enumerate(levels[rank]):
            for _ in range(chance.choice((1, 1, 2, 2, 3))):
                near = round(chance.gauss(i * len(before) / len(levels[rank]), 2.0))
                edges[before[min(max(near, 0), len(before) - 1)], node] = None
            if rank > 1 and chance.random() < skips:
                edges[chance.choice(levels[chance.randrange(rank - 1)]), node] = None
    return tuple(node for level in levels for node in level), tuple(edges)


def longest_paths(graph: Graph) -> dict[str, int]:
    """The rank of each node by one bare pass: the measure that the drawing is compared with."""
    nodes, edges = graph
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        targets[source].append(target)
    rank = dict.fromkeys(nodes, 0)
    for node in nodes:
        for target in targets[node]:
            rank[target] = max(rank[target], rank[node] + 1)
    return rank


def least_cpu(times: int, work: Callable[[int], object]) -> float:
    """Seconds of the cheapest of some calls; each is told its number."""
    found = []
    for i in range(times):
        start = time.process_time()
        work(i)
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9)
    times = parser.parse_args().times
    for size, ranks in SIZES:
        nodes, edges = graph = layered(size, ranks)
        pass_cost = least_cpu(times, lambda _: [longest_paths(graph) for _ in range(20)]) / 20  # noqa: B023
        # every call gets a graph of its own, so that none comes out of the cache
        fresh = [(*nodes, f"alone{i}") for i in range(times)]
        cost = least_cpu(times, lambda i: layout.draw(fresh[i], edges))  # noqa: B023
        drawing = layout.draw(nodes, edges)
        print(
            f"{size:5d} nodes {len(edges):5d} edges  {cost * 1000:6.1f} ms CPU "
            f"= {cost / pass_cost:4.0f} longest-path passes   {drawing.width} x {drawing.height} cells"
        )


if __name__ == "__main__":
    main()
