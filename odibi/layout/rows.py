"""Where along its rank each item stands: near its neighbours, in the order given.

Sweeps of isotonic regression (pool adjacent violators): the least-squares places that keep the
order and the distances, toward the median of an item's neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

from odibi.layout.ranks import Ranked

__all__ = ["placed"]

_SWEEPS = 8


def placed(
    graph: Ranked, levels: list[list[int]], distance: Callable[[int, int], int]
) -> list[int]:
    """The place (cells, from 0) of each item's port.

    `distance(first, second)` is the least number of cells between the ports of two items that
    follow each other in a rank.
    """
    offsets = [_offsets(level, distance) for level in levels]
    at = [0.0] * graph.size
    for level, offset in zip(levels, offsets, strict=True):
        for item, start in zip(level, offset, strict=True):
            at[item] = start
    last = len(levels) - 1
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        near, far = (graph.above, graph.below) if forward else (graph.below, graph.above)
        for rank in range(last + 1) if forward else range(last, -1, -1):
            level, offset = levels[rank], offsets[rank]
            wanted = [_median(at, near[item] or far[item], at[item]) for item in level]
            for item, value in zip(level, _isotonic(wanted, offset), strict=True):
                at[item] = value
    return _whole(levels, offsets, at)


def _offsets(level: list[int], distance: Callable[[int, int], int]) -> list[int]:
    offsets = [0] * len(level)
    for i in range(1, len(level)):
        offsets[i] = offsets[i - 1] + distance(level[i - 1], level[i])
    return offsets


def _median(at: list[float], near: list[int], otherwise: float) -> float:
    if not near:
        return otherwise
    if len(near) == 1:
        return at[near[0]]
    values = sorted([at[item] for item in near])
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def _isotonic(wanted: list[float], offsets: list[int]) -> list[float]:
    blocks: list[tuple[float, int]] = []  # sum and count of items that stand shoulder to shoulder
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while blocks and blocks[-1][0] * count > total * blocks[-1][1]:
            before, members = blocks.pop()
            total, count = total + before, count + members
        blocks.append((total, count))
    means = [total / count for total, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _whole(levels: list[list[int]], offsets: list[list[int]], at: list[float]) -> list[int]:
    """The places as whole cells, least 0; distances hold."""
    whole, first = [0] * len(at), min(at, default=0.0)
    for level, offset in zip(levels, offsets, strict=True):
        shift = None
        for item, start in zip(level, offset, strict=True):
            value = round(at[item] - first) - start
            shift = value if shift is None else max(value, shift)
            whole[item] = shift + start
    least = min(whole, default=0)
    return [value - least for value in whole]
