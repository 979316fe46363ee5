"""A drawn graph: its lines as text, and where every node, column and edge of it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from odibi.layout.cells import cell_width
from odibi.layout.folding import Edge

__all__ = ["Box", "Column", "Direction", "Drawing", "Run", "Style", "Way"]

Style = Literal["boxes", "lines", "dots"]
Direction = Literal["right", "down"]
Way = Literal["left", "right", "up", "down"]
Run = tuple[int, int, int]
"""`(y, x0, x1)`: the cells x0 ≤ x < x1 of row y."""


@dataclass(frozen=True)
class Box:
    """The cells of one node, with a frame when it is higher than one row."""

    x: int
    y: int
    width: int
    height: int
    rank: int
    label: str
    """The name as it is drawn: safe for a screen, cut to the widest allowed; empty for dots."""

    @property
    def framed(self) -> bool:
        """Whether a frame is drawn round the node."""
        return self.height > 1

    @property
    def glyph(self) -> tuple[int, int]:
        """`(x, y)` of the cell for the node's status."""
        return (self.x + 2, self.y + 1) if self.framed else (self.x, self.y)

    @property
    def name(self) -> Run:
        """The cells of the label."""
        x, y = self.glyph
        return y, x + 2, x + 2 + cell_width(self.label)

    @property
    def detail(self) -> Run | None:
        """The cells for a line below the name, inside the frame."""
        return (self.y + 2, self.x + 2, self.x + self.width - 2) if self.framed else None


@dataclass(frozen=True)
class Column:
    """A rank's cells along the direction of the drawing: columns, or rows when it goes down."""

    start: int
    size: int


@dataclass(frozen=True)
class Drawing:
    """A graph on a grid of terminal cells.

    `lines` has the edges and frames; every string is `width` characters of one cell each. The
    cells of status glyphs and labels are blank in it, for the screen to fill (`Box.glyph`,
    `Box.name`, `Box.detail`), as `text` does.
    """

    width: int
    height: int
    lines: tuple[str, ...]
    boxes: Mapping[str, Box]
    columns: tuple[Column, ...]
    """By rank."""
    edges: tuple[Edge, ...]
    """The edges that are drawn."""
    left_out: tuple[Edge, ...]
    """Edges that lead back in a cycle (folding groups can make some); they aren't drawn."""
    direction: Direction
    _route: Callable[[str, str], tuple[Run, ...]] = field(repr=False, compare=False)

    def text(self, glyph: str = "●") -> list[str]:
        """The drawing as plain text, one string a row; the same glyph for every node."""
        return [self._text_of_row(y, glyph) for y in range(self.height)]

    def _text_of_row(self, y: int, glyph: str) -> str:
        line, parts, at = self.lines[y], [], 0
        for box in self._boxes_by_row.get(y, ()):
            if box.glyph[1] == y:
                parts += [line[at : box.glyph[0]], glyph]
                at = box.glyph[0] + 1
            if box.label and box.name[0] == y:
                parts += [line[at : box.name[1]], box.label]
                at = box.name[2]
        return "".join((*parts, line[at:])).rstrip()

    def row_boxes(self, y: int) -> tuple[Box, ...]:
        """The boxes that touch a row, from left to right."""
        return self._boxes_by_row.get(y, ())

    def row_nodes(self, y: int) -> tuple[str, ...]:
        """The nodes of `row_boxes`, in the same order."""
        return self._nodes_by_row.get(y, ())

    def at(self, x: int, y: int) -> str | None:
        """The node that has this cell."""
        boxes = self.row_boxes(y)
        i = bisect_right(boxes, x, key=lambda box: box.x) - 1
        if i >= 0 and x < boxes[i].x + boxes[i].width:
            return self.row_nodes(y)[i]
        return None

    def trace(self, source: str, target: str) -> tuple[Run, ...]:
        """The cells of one edge, from the source's box to the target's. KeyError: not drawn."""
        if (source, target) not in self._edge_set:
            raise KeyError(f"no edge from {source} to {target} in the drawing")
        return self._route(source, target)

    def move(self, node: str, way: Way) -> str:
        """The node that an arrow key leads to from here: itself when there is none.

        Against the drawing's direction the nearest parent, along it the nearest child, else the
        neighbour in the same column. Where there is no such node, the nearest one on that side.
        """
        forward, back = ("right", "left") if self.direction == "right" else ("down", "up")
        related = self._children if way == forward else self._parents if way == back else None
        candidates = related.get(node, ()) if related is not None else self._siblings(node, way)
        found = candidates or self._on_side(node, way)
        return min(found, key=lambda other: self._distance(node, other, way), default=node)

    def upstream(self, node: str) -> set[str]:
        """The node and all that it depends on, by the edges that are drawn."""
        return _reached(node, self._parents)

    def downstream(self, node: str) -> set[str]:
        """The node and all that depends on it, by the edges that are drawn."""
        return _reached(node, self._children)

    def _siblings(self, node: str, way: Way) -> list[str]:
        rank = self.boxes[node].rank
        return [other for other in self._on_side(node, way) if self.boxes[other].rank == rank]

    def _on_side(self, node: str, way: Way) -> list[str]:
        axis, sign = (
            ("x" if way in ("left", "right") else "y"),
            (-1 if way in ("left", "up") else 1),
        )
        here = getattr(self.boxes[node], axis)
        return [
            other for other, box in self.boxes.items() if (getattr(box, axis) - here) * sign > 0
        ]

    def _distance(self, node: str, other: str, way: Way) -> tuple[int, int, int]:
        here, there = self.boxes[node], self.boxes[other]
        across, along = abs(here.x - there.x), abs(here.y - there.y)
        if way in ("left", "right"):
            across, along = along * 4, across
        return across + along, there.y, there.x

    @cached_property
    def _edge_set(self) -> frozenset[Edge]:
        return frozenset(self.edges)

    @cached_property
    def _children(self) -> Mapping[str, list[str]]:
        return _grouped(self.edges)

    @cached_property
    def _parents(self) -> Mapping[str, list[str]]:
        return _grouped(tuple((target, source) for source, target in self.edges))

    @cached_property
    def _nodes_by_row(self) -> Mapping[int, tuple[str, ...]]:
        rows: dict[int, list[str]] = {}
        for node, box in self.boxes.items():
            for y in range(box.y, box.y + box.height):
                rows.setdefault(y, []).append(node)
        return {
            y: tuple(sorted(row, key=lambda node: self.boxes[node].x)) for y, row in rows.items()
        }

    @cached_property
    def _boxes_by_row(self) -> Mapping[int, tuple[Box, ...]]:
        return {y: tuple(map(self.boxes.__getitem__, row)) for y, row in self._nodes_by_row.items()}


def _reached(start: str, following: Mapping[str, list[str]]) -> set[str]:
    seen, front = {start}, [start]
    while front:
        for other in following.get(front.pop(), ()):
            if other not in seen:
                seen.add(other)
                front.append(other)
    return seen


def _grouped(edges: tuple[Edge, ...]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for source, target in edges:
        groups.setdefault(source, []).append(target)
    return groups
