"""The graph as it is drawn: which drawing fits the place, and what its lines look like with states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from odibi import layout
from odibi.layout import Drawing
from odibi_tui.paint import Line, Span, fit

__all__ = [
    "FORMS",
    "Lit",
    "Look",
    "NodeLook",
    "chosen_form",
    "drawn",
    "groups_of",
    "light",
    "row_line",
]

Form = tuple[Literal["boxes", "lines", "dots"], int]
FORMS: tuple[Form, ...] = (("dots", 1), ("lines", 1), ("lines", 2), ("boxes", 1))
"""Style and spacing of drawings, from the smallest to the largest."""

_LAYERS = ("raw", "landing", "bronze", "staging", "silver", "intermediate", "gold", "mart", "marts")
_TOO_MANY = {"boxes": 60, "lines": 400}
_WIDEST = 24

Lit = Mapping[int, tuple[tuple[int, int, str], ...]]
"""By row: cells x0 ≤ x < x1 of edges in another style than the rest; the later ones win."""


@dataclass(frozen=True, slots=True)
class Look:
    """What of the graph is shown, and how: everything that another drawing follows from."""

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    layers: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    direction: Literal["right", "down"] = "right"
    ascii: bool = False


def drawn(look: Look, form: Form) -> Drawing:
    """The drawing of the graph in a form."""
    style, spacing = form
    layers = dict(look.layers)
    order = [name for name in _LAYERS if name in layers.values()]
    order += sorted({name for name in layers.values() if name not in order})
    return layout.draw(
        look.nodes,
        look.edges,
        labels=dict(look.labels),
        ranks=layout.ranks_by_layer(look.nodes, look.edges, layers, order) if order else None,
        style=style,
        direction=look.direction,
        spacing=spacing,
        ascii=look.ascii,
        widest=_WIDEST,
    )


def chosen_form(look: Look, width: int, height: int, larger: int) -> Form:
    """The largest form that fits so many cells, `larger` steps away from it when a person asked.

    What fits in no form is drawn one row a node, or as dots when there are very many.
    """
    place = 1 if len(look.nodes) <= _TOO_MANY["lines"] else 0
    for number in range(len(FORMS) - 1, 0, -1):
        if len(look.nodes) > _TOO_MANY[FORMS[number][0]]:
            continue
        drawing = drawn(look, FORMS[number])
        if drawing.width <= width and drawing.height <= height:
            place = number
            break
    return FORMS[min(max(place + larger, 0), len(FORMS) - 1)]


def groups_of(
    keys: Iterable[str], group: Callable[[str], str], opened: Collection[str]
) -> dict[str, str]:
    """The folded group of each node that has one; nodes of opened groups have none."""
    named = {key: group(key) for key in keys}
    return {key: name for key, name in named.items() if name and name not in opened}


def light(drawing: Drawing, edges: Iterable[tuple[tuple[str, str], str]]) -> Lit:
    """The cells of edges with the style of each, row by row."""
    rows: dict[int, list[tuple[int, int, str]]] = {}
    known = set(drawing.edges)
    for edge, style in edges:
        if edge in known:
            for y, x0, x1 in drawing.trace(*edge):
                rows.setdefault(y, []).append((x0, x1, style))
    return {y: tuple(runs) for y, runs in rows.items()}


@dataclass(frozen=True, slots=True)
class NodeLook:
    """How one node is drawn: its sign, the styles of sign and name, and a line for its frame."""

    sign: str
    sign_style: str
    name_style: str
    detail: str = ""
    detail_style: str = "dim"
    frame_style: str = "rule"


@dataclass(slots=True)
class _Row:
    """The spans of one row, written from left to right."""

    base: str
    styles: list[str]
    spans: list[Span] = field(default_factory=list)
    at: int = 0

    def edges_to(self, x: int) -> None:
        """The row's lines up to cell x, each run of one style as a span."""
        while self.at < x:
            end = self.at + 1
            while end < x and self.styles[end] == self.styles[self.at]:
                end += 1
            self.spans.append((self.base[self.at : end], self.styles[self.at]))
            self.at = end

    def write(self, x: int, cells: int, text: str, style: str) -> None:
        self.edges_to(x)
        self.spans.append((fit(text, cells), style))
        self.at = x + cells


def row_line(
    drawing: Drawing, y: int, lit: Lit, look_of: Callable[[str], NodeLook], edge_style: str = "dim"
) -> Line:
    """Row `y` with its edges, and its nodes as they look now."""
    base = drawing.lines[y]
    styles = [edge_style] * len(base)
    for x0, x1, style in lit.get(y, ()):
        styles[x0:x1] = [style] * (x1 - x0)
    nodes = [(drawing.boxes[node], look_of(node)) for node in drawing.row_nodes(y)]
    for box, look in nodes:
        if box.framed:
            styles[box.x : box.x + box.width] = [look.frame_style] * box.width
    row = _Row(base, styles)
    for box, look in nodes:
        if box.glyph[1] == y:
            row.write(box.glyph[0], 1, look.sign, look.sign_style)
        if box.label and box.name[0] == y:
            row.write(box.name[1], box.name[2] - box.name[1], box.label, look.name_style)
        if box.detail is not None and box.detail[0] == y:
            x0, x1 = box.detail[1:]
            row.write(x0, x1 - x0, look.detail, look.detail_style)
    row.edges_to(len(base))
    return tuple(row.spans)
