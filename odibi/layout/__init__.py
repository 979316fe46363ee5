"""Graphs drawn in layers on terminal cells: the same drawing for the terminal and other screens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

from odibi.layout.cells import cell_width, clip
from odibi.layout.drawing import Box, Column, Direction, Drawing, Run, Style, Way
from odibi.layout.folding import Edge, Edges, Nodes, collapse, subgraph
from odibi.layout.glyphs import table
from odibi.layout.order import ordered
from odibi.layout.painting import painted, trace
from odibi.layout.plan import Form, Plan
from odibi.layout.ranks import Ranked, ranked, ranks_by_layer
from odibi.safe_text import safe_line

__all__ = [
    "Box",
    "Column",
    "Direction",
    "Drawing",
    "Edge",
    "Edges",
    "Nodes",
    "Run",
    "Style",
    "Way",
    "cell_width",
    "clip",
    "collapse",
    "draw",
    "ranks_by_layer",
    "subgraph",
]

_Labels = tuple[tuple[str, str], ...]
_Ranks = tuple[tuple[str, int], ...]


def draw(
    nodes: Nodes,
    edges: Edges,
    *,
    labels: Mapping[str, str] | None = None,
    ranks: Mapping[str, int] | None = None,
    style: Style = "lines",
    direction: Direction = "right",
    spacing: int = 1,
    ascii: bool = False,
    widest: int = 24,
) -> Drawing:
    """The graph as a layered drawing; the same arguments give the same object while it is cached.

    `labels`: what to write for a node, its key otherwise. `ranks`: least ranks of some nodes,
    e.g. from `ranks_by_layer`. `spacing`: 2 leaves room between neighbours of a rank. `widest`:
    cells of the longest label. ValueError: an edge names an unknown node.
    """
    written = tuple((node, labels[node]) for node in nodes if node in labels) if labels else ()
    lowest = tuple(ranks.items()) if ranks else ()
    form = Form(style, direction, spacing, ascii, widest)
    return _draw(tuple(nodes), tuple(edges), written, lowest, form)


@lru_cache(maxsize=32)
def _draw(nodes: Nodes, edges: Edges, labels: _Labels, lowest: _Ranks, form: Form) -> Drawing:
    graph, levels = _arranged(nodes, edges, lowest)
    written = dict(labels)
    mark = "~" if form.ascii else "…"
    names = [
        "" if form.style == "dots" else clip(safe_line(written.get(node, node)), form.widest, mark)
        for node in nodes
    ]
    return _drawing(Plan(graph, levels, form, names), edges)


@lru_cache(maxsize=16)
def _arranged(nodes: Nodes, edges: Edges, lowest: _Ranks) -> tuple[Ranked, list[list[int]]]:
    graph = ranked(nodes, edges, dict(lowest))
    return graph, ordered(graph)


def _drawing(plan: Plan, edges: Edges) -> Drawing:
    form, left_out = plan.form, plan.graph.left_out
    characters = table(form.ascii, form.down)
    width, height = (plan.height, plan.width) if form.down else (plan.width, plan.height)
    return Drawing(
        width,
        height,
        lines=tuple(row.decode("latin-1").translate(characters) for row in painted(plan)),
        boxes={node: _box(plan, i) for i, node in enumerate(plan.graph.nodes)},
        columns=plan.columns,
        edges=tuple(edge for edge in dict.fromkeys(edges) if edge not in left_out),
        left_out=left_out,
        direction=form.direction,
        _route=partial(trace, plan),
    )


def _box(plan: Plan, i: int) -> Box:
    (y0, y1), (x0, x1) = plan.across(i), plan.along(i)
    if plan.form.down:
        x0, x1, y0, y1 = y0, y1, x0, x1
    return Box(x0, y0, x1 - x0, y1 - y0, plan.graph.rank_of[i], plan.names[i])
