"""A plan's lines put on cells, and the cells of one edge.

What the characters say: a light line belongs to one source. Where the second line into a target
joins, the rest of the way into the target is heavy, so `┶` can only be read to the right. `┼` and
`┿` are lines that cross; where such lines are connected, the cell is a knot, `╋`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from odibi.layout.drawing import Run
from odibi.layout.glyphs import (
    ACROSS,
    ARROW,
    DOWN,
    HEAVY,
    HEAVY_ACROSS,
    KNOT,
    LEFT,
    RIGHT,
    UP,
)
from odibi.layout.plan import Plan, Wire

__all__ = ["painted", "trace"]

_THROUGH: Final = (ACROSS, HEAVY_ACROSS)


def painted(plan: Plan) -> list[bytes]:
    """The rows of cells of a plan, one byte a cell (see `glyphs`)."""
    rows = _Canvas(plan).painted()
    if not plan.form.down:
        return [bytes(row) for row in rows]
    return [bytes(column) for column in zip(*rows, strict=True)]


class _Canvas:
    """The cells while lines are drawn into them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows = [bytearray(plan.width) for _ in range(plan.height)]
        self.nodes = len(plan.names)

    def painted(self) -> list[bytearray]:
        for rank, level in enumerate(self.plan.levels):
            self._pass_columns(rank, level)
            if rank + 1 < len(self.plan.levels):
                self._channel(rank, level)
        if self.plan.form.style == "boxes":
            for i in range(self.nodes):
                self._frame(i)
        return self.rows

    def _pass_columns(self, rank: int, level: list[int]) -> None:
        """Lines through the column: of passages, and from a short label to the column's end."""
        column = self.plan.columns[rank]
        end = column.start + column.size
        for item in level:
            if not self.plan.graph.below[item]:
                continue
            start = column.start if item >= self.nodes else self.plan.along(item)[1] + 1
            if start < end:
                self.rows[self.plan.row(item)][start:end] = bytes([ACROSS]) * (end - start)

    def _channel(self, rank: int, level: list[int]) -> None:
        start = self.plan.columns[rank].start + self.plan.columns[rank].size
        wires = [wires for item in level if (wires := self.plan.wires.get(item))]
        joins: dict[int, list[int]] = {}
        for pair in wires:
            self._run(pair[0].source, start, pair[0].column)
            dogleg = pair[1].source if len(pair) > 1 else -1
            if dogleg >= 0:
                self.rows[dogleg][pair[0].column] |= RIGHT
                self._run(dogleg, pair[0].column + 1, pair[1].column)
            for wire in pair:
                for row in wire.targets - {dogleg}:
                    joins.setdefault(row, []).append(max(wire.column, start - 1))
        for row, columns in joins.items():
            self._merge(row, sorted(columns), start, self.plan.columns[rank + 1].start)
        for pair in wires:
            for wire in pair:
                self._trunk(wire)
        if self.plan.form.style != "dots":
            self._arrows(rank + 1)

    def _run(self, row: int, start: int, column: int) -> None:
        """A light line from `start` into the trunk at `column`."""
        if column >= 0:
            self.rows[row][start:column] = bytes([ACROSS]) * (column - start)
            self.rows[row][column] |= LEFT

    def _merge(self, row: int, joins: list[int], start: int, end: int) -> None:
        """The way into a target: light from the first line that comes, heavy from the second."""
        cells, first = self.rows[row], joins[0]
        if first >= start:
            cells[first] |= RIGHT
        second = joins[1] if len(joins) > 1 else end
        cells[first + 1 : second] = bytes([ACROSS]) * (second - first - 1)
        if second < end:
            cells[second] |= LEFT | HEAVY * RIGHT
            cells[second + 1 : end] = bytes([HEAVY_ACROSS]) * (end - second - 1)

    def _trunk(self, wire: Wire) -> None:
        if wire.column < 0:
            return
        column, stops = wire.column, {wire.source, *wire.targets}
        low, high = min(stops), max(stops)
        self.rows[low][column] |= DOWN
        self.rows[high][column] |= UP
        for row in range(low + 1, high):
            self.rows[row][column] |= UP | DOWN
        for row in stops - {low, high}:
            if self.rows[row][column] & (ACROSS | HEAVY_ACROSS) in _THROUGH:
                self.rows[row][column] = KNOT

    def _arrows(self, rank: int) -> None:
        column = self.plan.columns[rank].start - 1
        for item in self.plan.levels[rank]:
            if item < self.nodes and self.plan.graph.above[item]:
                self.rows[self.plan.row(item)][column] = ARROW

    def _frame(self, i: int) -> None:
        (top, bottom), (left, right) = self.plan.across(i), self.plan.along(i)
        for row, start, end in (
            (top, RIGHT | DOWN, LEFT | DOWN),
            (bottom - 1, RIGHT | UP, LEFT | UP),
        ):
            line = bytes([start, *[ACROSS] * (right - left - 2), end])
            self.rows[row][left:right] = line
        for row in range(top + 1, bottom - 1):
            self.rows[row][left] = self.rows[row][right - 1] = UP | DOWN
        if self.plan.graph.below[i]:
            self.rows[self.plan.row(i)][right - 1] |= RIGHT


def trace(plan: Plan, source: str, target: str) -> tuple[Run, ...]:
    """The cells of one edge, as runs in the drawing's own direction."""
    runs = [run for run in _pieces(plan, source, target) if run[0] < run[1] and run[2] < run[3]]
    if plan.form.down:
        runs = [(x0, x1, y0, y1) for y0, y1, x0, x1 in runs]
    return tuple(dict.fromkeys((y, x0, x1) for y0, y1, x0, x1 in runs for y in range(y0, y1)))


def _pieces(plan: Plan, source: str, target: str) -> Iterator[tuple[int, int, int, int]]:
    """Rectangles one cell wide (first row, row after, first column, column after), in order."""
    item, goal = plan.number(source), plan.number(target)
    at = plan.along(item)[1]
    while item != goal:
        following = _next(plan, item, goal)
        row, end = plan.row(item), plan.row(following)
        for wire in plan.wires[item]:
            stop = end if end in wire.targets else plan.wires[item][-1].source
            column = max(wire.column, at)
            yield row, row + 1, at, column
            if wire.column >= 0:
                yield min(row, stop), max(row, stop) + 1, column, column + 1
                column += 1
            row, at = stop, column
            if stop == end:
                break
        following_column = plan.columns[plan.rank(following)]
        passed = following_column.size if following != goal else 0
        yield end, end + 1, at, following_column.start + passed
        item, at = following, following_column.start + passed


def _next(plan: Plan, item: int, goal: int) -> int:
    """The item after this one on the way to the goal: the goal or the source's passage."""
    below = plan.graph.below[item]
    return goal if goal in below else next(i for i in below if i >= len(plan.names))
