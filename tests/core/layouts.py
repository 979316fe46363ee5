"""Graphs to draw, and a reader that finds the edges of a drawing in nothing but its characters."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from odibi.layout import Drawing
from odibi.layout.glyphs import _SIDES

RETAIL_EDGES = (
    ("raw_customers", "clean_customers"),
    ("raw_orders", "clean_orders"),
    ("raw_products", "clean_products"),
    ("raw_payments", "clean_payments"),
    ("clean_orders", "orders_enriched"),
    ("clean_payments", "orders_enriched"),
    ("clean_customers", "dim_customer"),
    ("clean_products", "dim_product"),
    ("orders_enriched", "fact_sales"),
    ("dim_customer", "fact_sales"),
    ("dim_product", "fact_sales"),
    ("clean_customers", "orders_enriched"),
)
RETAIL_NODES = (
    *("raw_customers", "raw_orders", "raw_products", "raw_payments"),
    *("clean_customers", "clean_orders", "clean_products", "clean_payments"),
    *("orders_enriched", "dim_customer", "dim_product", "fact_sales"),
)

UP, DOWN, LEFT, RIGHT = range(4)
_STEP = {UP: (0, -1), DOWN: (0, 1), LEFT: (-1, 0), RIGHT: (1, 0)}
_OPPOSITE = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}
_WEIGHTS = {glyph: tuple(map(int, sides)) for sides, glyph in _SIDES.items()}
_CROSSINGS = "┼┿╂"


@st.composite
def dags(draw: st.DrawFn, most: int = 14) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Any graph without cycles, dense ones too; edges lead from lower to higher numbers."""
    count = draw(st.integers(1, most))
    nodes = tuple(f"n{i}" for i in range(count))
    pairs = [(a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * count)) if pairs else []
    return nodes, tuple(edges)


def edges_seen(drawing: Drawing, ascii: bool = False) -> set[tuple[str, str]]:
    """The edges that someone sees who follows the lines from every node, knowing only the rules:

    lines go straight on where they cross, a knot connects, and a heavy line is only followed
    forward.
    """
    reader = _Reader(drawing, ascii)
    return {(node, target) for node in drawing.boxes for target in reader.targets(node)}


class _Reader:
    def __init__(self, drawing: Drawing, ascii: bool) -> None:
        self.drawing, self.ascii = drawing, ascii
        self.forward = RIGHT if drawing.direction == "right" else DOWN

    def character(self, x: int, y: int) -> str:
        inside = 0 <= x < self.drawing.width and 0 <= y < self.drawing.height
        return self.drawing.lines[y][x] if inside else " "

    def targets(self, node: str) -> Iterator[str]:
        drawing, box = self.drawing, self.drawing.boxes[node]
        way = list(self._exits(box.x, box.y, box.width, box.height))
        seen = set(way)
        while way:
            x, y, toward = way.pop()
            found = drawing.at(x, y)
            if found is not None:
                assert self.forward == toward, f"a line of {node} runs into {found} sideways"
                yield found
                continue
            for side in self._sides_on(x, y, toward):
                step = (x + _STEP[side][0], y + _STEP[side][1], side)
                if step not in seen:
                    seen.add(step)
                    way.append(step)

    def _exits(self, x: int, y: int, width: int, height: int) -> Iterator[tuple[int, int, int]]:
        """Cells next to the box, on its far side, into which a line leads."""
        if self.forward == RIGHT:
            cells = [(x + width, row) for row in range(y, y + height)]
            if height == 1 and self.character(x + width, y) == " ":
                cells = [(x + width + 1, y)]
        else:
            cells = [(column, y + height) for column in range(x, x + width)]
        for cell in cells:
            if self.weights(*cell)[_OPPOSITE[self.forward]] == 1:
                yield (*cell, self.forward)

    def weights(self, x: int, y: int) -> tuple[int, ...]:
        """The weight of the four sides of a cell; of a knot, as its neighbours have it."""
        character = self.character(x, y)
        if character in "▸▾" or (self.ascii and character in ">v"):
            return (1, 0, 0, 0) if self.forward == DOWN else (0, 0, 1, 0)
        if character == "╋":
            back, ahead = (
                self._weight_through(x, y, _OPPOSITE[self.forward]),
                self._weight_through(x, y, self.forward),
            )
            weight = max(back, ahead) if ahead else back
            return (1, 1, weight, weight) if self.forward == RIGHT else (weight, weight, 1, 1)
        if self.ascii:
            return self._plain_weights(x, y, character)
        return _WEIGHTS.get(character, (0, 0, 0, 0))

    def _weight_through(self, x: int, y: int, side: int) -> int:
        """The weight of the line on that side of a knot, seen past other knots; 0: unknown."""
        while True:
            x, y = x + _STEP[side][0], y + _STEP[side][1]
            if self.drawing.at(x, y) is not None or self.character(x, y) in " ▸▾":
                return 0 if side == self.forward else 1
            if self.character(x, y) != "╋":
                return self.weights(x, y)[_OPPOSITE[side]]

    def _plain_weights(self, x: int, y: int, character: str) -> tuple[int, ...]:
        if character == " ":
            return (0, 0, 0, 0)
        if character != "+":
            weight = 2 if character in "=H" else 1
            across = character in "-="
            return (0, 0, weight, weight) if across else (weight, weight, 0, 0)
        return tuple(
            self._touches(x + _STEP[side][0], y + _STEP[side][1], side) for side in range(4)
        )

    def _touches(self, x: int, y: int, side: int) -> int:
        """What the neighbour on that side of a `+` sends into it."""
        character = self.character(x, y)
        if self.drawing.at(x, y) is not None:
            return 0
        if character in ">v":
            return int(side == self.forward)
        fitting = "-=+" if side in (LEFT, RIGHT) else "|H+"
        if character not in fitting or character == " ":
            return 0
        return 2 if character in "=H" else 1

    def _sides_on(self, x: int, y: int, toward: int) -> list[int]:
        """Where a line that enters a cell going `toward` goes on."""
        character, weights = self.character(x, y), self.weights(x, y)
        crossing = character in _CROSSINGS or (self.ascii and character in "|-=H")
        if crossing or character in "▸▾" or (self.ascii and character in ">v"):
            return [toward]
        assert weights[_OPPOSITE[toward]], f"a line ends at {x}, {y}: {character}"
        on = [side for side in range(4) if weights[side] and side != _OPPOSITE[toward]]
        if weights[self.forward] < 2:
            return on
        if toward == self.forward:
            return [self.forward]
        return [side for side in on if side in (toward, self.forward)]
