"""A drawing says what the graph says: someone who follows its lines finds the edges and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odibi.layout import Direction, Style, draw
from odibi.layout.order import crossings, ordered
from odibi.layout.ranks import ranked
from perf.layout import layered
from tests.core.layouts import dags, edges_seen

STYLES = st.sampled_from(["boxes", "lines", "dots"])
DIRECTIONS = st.sampled_from(["right", "down"])


@settings(max_examples=300, deadline=None)
@given(dags(), STYLES, DIRECTIONS, st.integers(1, 2), st.booleans())
def test_following_the_lines_finds_exactly_the_edges(graph, style, direction, spacing, ascii):
    nodes, edges = graph
    drawing = draw(nodes, edges, style=style, direction=direction, spacing=spacing, ascii=ascii)
    assert edges_seen(drawing, ascii) == set(edges)


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("style", ["boxes", "lines", "dots"])
@pytest.mark.parametrize(("nodes", "ranks"), [(50, 6), (200, 8), (600, 10)])
def test_large_graphs_too(nodes: int, ranks: int, style: Style, direction: Direction):
    graph = layered(nodes, ranks)
    drawing = draw(*graph, style=style, direction=direction)
    assert edges_seen(drawing) == set(graph[1])


@given(dags())
def test_the_order_found_crosses_no_more_than_the_order_given(graph):
    given_order = ranked(*graph, {})
    found = ordered(given_order)
    assert [sorted(level) for level in found] == [sorted(level) for level in given_order.levels]
    assert crossings(given_order, found) <= crossings(given_order, given_order.levels)


def test_no_two_neighbours_would_cross_less_the_other_way_round():
    graph = ranked(*layered(120, 6), {})
    levels = ordered(graph)
    fewest = crossings(graph, levels)
    for level in levels:
        for i in range(len(level) - 1):
            level[i], level[i + 1] = level[i + 1], level[i]
            assert crossings(graph, levels) >= fewest
            level[i], level[i + 1] = level[i + 1], level[i]
