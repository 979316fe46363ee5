"""What a drawing offers besides its lines: places, traces, moves; goldens; smaller graphs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from odibi.layout import (
    Direction,
    Drawing,
    Style,
    cell_width,
    clip,
    collapse,
    draw,
    ranks_by_layer,
    subgraph,
)
from perf.layout import layered
from tests.core.layouts import RETAIL_EDGES, RETAIL_NODES, dags

STYLES = st.sampled_from(["boxes", "lines", "dots"])
DIRECTIONS = st.sampled_from(["right", "down"])
LABELS = st.text(st.sampled_from("aé數表e\u0301😀 ▸│"), max_size=12)


def retail(style: Style = "lines", direction: Direction = "right", spacing: int = 1) -> Drawing:
    return draw(RETAIL_NODES, RETAIL_EDGES, style=style, direction=direction, spacing=spacing)


GOLDENS: dict[tuple[Style, Direction], str] = {
    ("lines", "right"): """
● raw_customers──▸● clean_customers─┬───▸● dim_customer ───╮
● raw_orders ────▸● clean_orders ───┶┯━━▸● orders_enriched─┶┯━▸● fact_sales
● raw_payments ──▸● clean_payments ──╯╭─▸● dim_product ─────╯
● raw_products ──▸● clean_products ───╯
""",
    ("dots", "right"): """
●─●┬───●╮
●─●┶┯━━●┶┯━●
●─●─╯╭─●─╯
●─●──╯
""",
    ("boxes", "right"): """
╭─────────────────╮   ╭───────────────────╮
│ ● raw_customers ├──▸│ ● clean_customers ├──╮
│                 │   │                   │  │   ╭───────────────────╮
╰─────────────────╯   ╰───────────────────╯  ├──▸│ ● dim_customer    ├─╮
╭─────────────────╮   ╭───────────────────╮  │   │                   │ │
│ ● raw_orders    ├──▸│ ● clean_orders    ├─╮│   ╰───────────────────╯ │
│                 │   │                   │ ││   ╭───────────────────╮ │   ╭──────────────╮
╰─────────────────╯   ╰───────────────────╯ ╰┶┯━▸│ ● orders_enriched ├─┶┯━▸│ ● fact_sales │
╭─────────────────╮   ╭───────────────────╮   │  │                   │  │  │              │
│ ● raw_payments  ├──▸│ ● clean_payments  ├───╯  ╰───────────────────╯  │  ╰──────────────╯
│                 │   │                   │      ╭───────────────────╮  │
╰─────────────────╯   ╰───────────────────╯ ╭───▸│ ● dim_product     ├──╯
╭─────────────────╮   ╭───────────────────╮ │    │                   │
│ ● raw_products  ├──▸│ ● clean_products  ├─╯    ╰───────────────────╯
│                 │   │                   │
╰─────────────────╯   ╰───────────────────╯
""",
    ("lines", "down"): """
● raw_customers    ● raw_orders    ● raw_payments    ● raw_products
▾                  ▾               ▾                 ▾
● clean_customers  ● clean_orders  ● clean_payments  ● clean_products
│                  ╰────╮          │       ╭─────────╯
╰───────┬───────────────┧          │       │
        │               ┠──────────╯       │
        ▾               ▾                  ▾
        ● dim_customer  ● orders_enriched  ● dim_product
        │               ╰╮                 │
        ╰────────────────┧                 │
                         ┠─────────────────╯
                         ▾
                         ● fact_sales
""",
}


@pytest.mark.parametrize(("style", "direction"), GOLDENS)
def test_the_retail_graph_reads_well(style: Style, direction: Direction):
    assert retail(style, direction).text() == GOLDENS[style, direction].strip("\n").split("\n")


def test_two_rows_a_node_leave_room():
    assert retail(spacing=2).text()[:3] == [
        "● raw_customers──▸● clean_customers──╮",
        "                                     ├──▸● dim_customer ───╮",
        "● raw_orders ────▸● clean_orders ───╮│                     │",
    ]


def test_ascii_has_only_ascii():
    drawing = draw(RETAIL_NODES, RETAIL_EDGES, ascii=True, widest=9)
    assert drawing.text("o")[0].startswith("o raw_cust~-->o clean_cu~")
    assert all(line.isascii() for line in drawing.text("o"))


def test_a_drawing_is_the_same_whatever_was_drawn_before_and_is_cached():
    first = retail()
    assert retail() is first
    other = draw(RETAIL_NODES, RETAIL_EDGES, labels={"fact_sales": "sales"})
    assert other.text()[1] == first.text()[1].replace("fact_sales", "sales")


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_drawing_is_the_same_in_every_process(seed: str):
    nodes, edges = layered(60, 5)
    program = f"from odibi.layout import draw; print(chr(10).join(draw({nodes}, {edges}).text()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout.split("\n")[:-1] == draw(nodes, edges).text()


def test_no_nodes_and_one_node():
    assert draw((), ()).lines == ()
    assert draw((), (), direction="down").text() == []
    assert draw(("a",), ()).text() == ["● a"]


@settings(max_examples=150, deadline=None)
@given(dags(), STYLES, DIRECTIONS, st.integers(1, 2), st.booleans(), st.lists(LABELS, max_size=14))
def test_places_are_true(graph, style, direction, spacing, ascii, names):
    nodes, edges = graph
    labels = dict(zip(nodes, names, strict=False))
    drawing = draw(
        nodes, edges, labels=labels, style=style, direction=direction, spacing=spacing, ascii=ascii
    )
    assert len(drawing.lines) == drawing.height
    assert {cell_len(line) for line in drawing.lines} <= {drawing.width}
    for node, box in drawing.boxes.items():
        assert box.x >= 0 and box.x + box.width <= drawing.width
        assert box.y >= 0 and box.y + box.height <= drawing.height
        x, y = box.glyph
        assert drawing.lines[y][x] == " "
        row, start, end = box.name
        assert not drawing.lines[row][start:end].strip(), "no line crosses a label"
        for row in range(box.y, box.y + box.height):
            assert drawing.at(box.x, row) == drawing.at(box.x + box.width - 1, row) == node


@settings(max_examples=150, deadline=None)
@given(dags(), STYLES, DIRECTIONS)
def test_a_trace_leads_over_lines_from_box_to_box(graph, style, direction):
    nodes, edges = graph
    drawing = draw(nodes, edges, style=style, direction=direction)
    for source, target in edges:
        cells = [(x, y) for y, x0, x1 in drawing.trace(source, target) for x in range(x0, x1)]
        assert len(set(cells)) == len(cells)
        start, end = drawing.boxes[source], drawing.boxes[target]
        allowed_blank = (start.x + start.width, start.glyph[1])
        assert all(drawing.lines[y][x] != " " or (x, y) == allowed_blank for x, y in cells)
        assert not any(drawing.at(x, y) for x, y in cells)
        assert connected(cells)
        dx, dy = (1, 0) if direction == "right" else (0, 1)
        assert any(drawing.at(x + dx, y + dy) == target for x, y in cells)
        assert any(drawing.at(x - dx, y - dy) == source for x, y in cells)
        assert end.rank > start.rank


def connected(cells: list[tuple[int, int]]) -> bool:
    left, way = set(cells[1:]), cells[:1]
    while way:
        x, y = way.pop()
        near = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} & left
        left -= near
        way.extend(near)
    return not left


def test_a_trace_of_an_edge_that_is_not_drawn_is_refused():
    with pytest.raises(KeyError, match="no edge from fact_sales to raw_orders"):
        retail().trace("fact_sales", "raw_orders")


def test_the_arrow_keys_walk_the_graph():
    drawing = retail()
    assert drawing.move("raw_orders", "right") == "clean_orders"
    assert drawing.move("orders_enriched", "left") == "clean_orders"
    assert drawing.move("orders_enriched", "up") == "dim_customer"
    assert drawing.move("orders_enriched", "down") == "dim_product"
    assert drawing.move("fact_sales", "right") == "fact_sales"
    assert retail(direction="down").move("raw_orders", "down") == "clean_orders"
    assert retail(direction="down").move("raw_orders", "left") == "raw_customers"


def test_a_node_without_edges_can_be_left():
    drawing = draw(("a", "b", "c", "alone"), (("a", "b"), ("b", "c")))
    assert drawing.move("alone", "right") == "b"
    assert drawing.move("alone", "up") == "a"


def test_rows_know_their_nodes_from_left_to_right():
    drawing = retail()
    assert drawing.row_nodes(1) == ("raw_orders", "clean_orders", "orders_enriched", "fact_sales")
    assert [box.x for box in drawing.row_boxes(1)] == [0, 18, 41, 63]
    assert drawing.at(19, 1) == "clean_orders"
    assert drawing.at(17, 1) is None
    assert [column.start for column in drawing.columns] == [0, 18, 41, 63]


def test_labels_are_harmless_and_measured_in_cells():
    drawing = draw(
        ("a", "b"), (("a", "b"),), labels={"a": "売上\x1b[31m高", "b": "x" * 30}, widest=9
    )
    assert drawing.text() == ["● 売上[31m…──▸● xxxxxxxx…"]
    assert drawing.boxes["a"].name == (0, 2, 11)
    assert draw(("a",), (), labels={"a": "売上表"}, widest=4).boxes["a"].label == "売…"


@given(st.text())
def test_a_clipped_text_fits(text):
    assert cell_width(clip(text, 7)) <= 7
    assert clip(text, cell_width(text)) == text


@pytest.mark.parametrize(
    "text", ["abc", "数据表", "e\u0301te\u0301", "café", "ﾃｽﾄ", "😀 ok", "한국어", "│▸●"]
)
def test_cells_are_those_the_screen_counts(text: str):
    assert cell_width(text) == cell_len(text)


def test_folding_a_group_keeps_what_leads_in_and_out():
    groups = {node: "silver" for node in RETAIL_NODES if node.startswith("clean_")}
    nodes, edges = collapse(RETAIL_NODES, RETAIL_EDGES, groups)
    assert nodes[4:] == ("silver", "orders_enriched", "dim_customer", "dim_product", "fact_sales")
    assert edges.count(("silver", "orders_enriched")) == 1
    assert ("raw_orders", "silver") in edges
    assert ("silver", "silver") not in edges


def test_groups_that_depend_on_each_other_are_drawn_and_say_so():
    nodes, edges = collapse(("a", "b", "c"), (("a", "b"), ("b", "c")), {"a": "one", "c": "one"})
    drawing = draw(nodes, edges)
    assert drawing.edges == (("one", "b"),)
    assert drawing.left_out == (("b", "one"),)
    assert drawing.text() == ["● one──▸● b"]


def test_the_surroundings_of_a_node():
    assert subgraph(RETAIL_NODES, RETAIL_EDGES, ["orders_enriched"], up=1, down=0)[0] == (
        "clean_customers",
        "clean_orders",
        "clean_payments",
        "orders_enriched",
    )
    nodes, edges = subgraph(RETAIL_NODES, RETAIL_EDGES, ["clean_products"])
    assert nodes == ("raw_products", "clean_products", "dim_product", "fact_sales")
    assert edges == (
        ("raw_products", "clean_products"),
        ("clean_products", "dim_product"),
        ("dim_product", "fact_sales"),
    )


@given(dags(), st.data())
def test_everything_around_everything_is_the_graph(graph, data):
    nodes, edges = graph
    assert subgraph(nodes, edges, nodes) == (nodes, edges)
    one = data.draw(st.sampled_from(nodes))
    assert subgraph(nodes, edges, [one], up=0, down=0) == ((one,), ())


def test_layers_have_columns_of_their_own():
    nodes = ("b1", "b2", "s1", "s2", "g1", "s_late")
    edges = (("b1", "s1"), ("s1", "s2"), ("b2", "g1"), ("g1", "s_late"))
    layers = {node: {"b": "bronze", "s": "silver", "g": "gold"}[node[0]] for node in nodes}
    ranks = ranks_by_layer(nodes, edges, layers, ("bronze", "silver", "gold"))
    assert ranks == {"b1": 0, "b2": 0, "s1": 1, "s2": 1, "g1": 3, "s_late": 1}
    drawing = draw(nodes, edges, ranks=ranks)
    assert {node: box.rank for node, box in drawing.boxes.items()} == {
        "b1": 0, "b2": 0, "s1": 1, "s2": 2, "g1": 3, "s_late": 4,
    }  # fmt: skip


def test_an_edge_to_an_unknown_node_is_refused():
    with pytest.raises(ValueError, match="aren't in the graph: b"):
        draw(("a",), (("a", "b"),))


def test_a_thousand_nodes_fit_a_scrollable_page():
    drawing = draw(*layered(1000, 12))
    assert drawing.width < 500
    assert drawing.height < 220


def test_what_a_node_needs_and_feeds() -> None:
    drawing = draw(tuple("abcd"), (("a", "b"), ("b", "c"), ("a", "d")))
    assert drawing.upstream("c") == {"a", "b", "c"}
    assert drawing.downstream("a") == {"a", "b", "c", "d"}
    assert drawing.downstream("d") == {"d"}
