"""Pictures of a graph as text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from odibi.graph import Graph, to_dot, to_mermaid, to_text
from tests.core.projects import MEDALLION, graph_of


def test_text_shows_every_node_once_with_what_it_waits_for(tmp_path: Path) -> None:
    assert to_text(graph_of(tmp_path, MEDALLION)) == [
        "bronze",
        "├─ orders",
        "└─ shops",
        "silver",
        "├─ orders  ← bronze.orders",
        "├─ links   ← orders",
        "└─ people  ← links",
        "gold",
        "├─ sales  ← silver.orders, bronze.shops",
        "└─ top    ← sales",
    ]


def test_text_names_layers_disabled_nodes_and_dependencies_by_file(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: load
          layer: bronze
          nodes:
            - name: copy
              read: {connection: lake, format: parquet, path: x.parquet}
            - name: x
              enabled: false
              write: {connection: lake, format: parquet, path: x.parquet}
        """,
    )
    assert to_text(graph) == [
        "load (bronze)",
        "├─ x (disabled)",
        "└─ copy          ← x (its file)",
    ]


def test_long_lists_go_on_below_themselves(tmp_path: Path) -> None:
    names = [f"source_number_{n}" for n in range(6)]
    nodes = "\n".join(f"    - {{name: {name}}}" for name in names)
    graph = graph_of(
        tmp_path,
        f"- pipeline: p\n  nodes:\n{nodes}\n    - {{name: all, depends_on: [{', '.join(names)}]}}",
    )
    lines = to_text(graph, width=60)
    assert lines[-3:] == [
        "└─ all              ← source_number_0, source_number_1,",
        "                      source_number_2, source_number_3,",
        "                      source_number_4, source_number_5",
    ]
    assert max(map(len, lines)) <= 60


def test_mermaid_and_dot_draw_boxes_by_pipeline(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    mermaid = to_mermaid(graph).splitlines()
    assert mermaid[0] == "flowchart LR"
    assert '  subgraph p1["silver"]' in mermaid
    assert '    n3("links")' in mermaid  # keeps nothing: round
    assert "  n0 --> n2" in mermaid
    dot = to_dot(graph).splitlines()
    assert '    "silver.links" [label="links", style="rounded"];' in dot
    assert '  "bronze.orders" -> "silver.orders";' in dot
    assert len([line for line in dot if "->" in line]) == len(graph.edges)


def test_names_can_not_break_out_of_their_quotes(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, "- pipeline: p\n  nodes: [{name: a}]")
    evil = dataclasses.replace(graph.nodes["p.a"], name='x"]; click <b>\n#')
    hostile = Graph(graph.loaded, [evil], [])
    assert '    n0("x#quot;]; click #lt;b#gt; #35;")' in to_mermaid(hostile).splitlines()
    assert '[label="x\\"]; click <b> #", style="rounded"];' in to_dot(hostile)
