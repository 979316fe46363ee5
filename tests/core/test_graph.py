"""Nodes, edges and their order."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi.config import Loaded
from odibi.errors import GraphError
from odibi.graph import CycleError, Edge, Graph, build
from tests.core.projects import MEDALLION, graph_of, project


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.kind) for edge in graph.edges}


def test_nodes_know_their_pipeline_layer_tags_and_place(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    node = graph.nodes["bronze.shops"]
    assert (node.pipeline, node.name, node.layer, node.index) == ("bronze", "shops", "bronze", 1)
    assert node.tags == ("lookup", "daily")
    assert node.position is not None
    assert (node.position.file, node.position.line) == (tmp_path / "odibi.yaml", 15)
    assert graph.layers == {
        "bronze": ("bronze.orders", "bronze.shops"),
        "silver": ("silver.orders", "silver.links", "silver.people"),
        "gold": ("gold.sales", "gold.top"),
    }


def test_edges_come_from_depends_on_inputs_sql_and_paths(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: a
          nodes:
            - name: raw
              read: {connection: raw, format: csv, path: x.csv}
              write: {connection: lake, format: parquet, path: a/raw.parquet}
            - name: clean
              depends_on: [raw]
            - name: both
              transform: {steps: [SELECT * FROM clean JOIN raw USING (id)]}
        - pipeline: b
          nodes:
            - name: copy
              inputs: {rows: $a.both}
            - name: again
              read: {connection: lake, format: parquet, path: ./a//raw.parquet}
        """,
    )
    assert edges(graph) == {
        ("a.raw", "a.clean", "depends_on"),
        ("a.clean", "a.both", "sql"),
        ("a.raw", "a.both", "sql"),
        ("a.both", "b.copy", "input"),
        ("a.raw", "b.again", "path"),
    }
    assert graph.nodes["a.both"].upstream == {"clean": "a.clean", "raw": "a.raw"}
    assert graph.nodes["b.copy"].upstream == {"rows": "a.both"}
    assert graph.nodes["b.again"].upstream == {}


def test_sql_files_are_read_for_references_and_kept(tmp_path: Path) -> None:
    nodes = """
        - pipeline: a
          nodes:
            - name: later
              transform: {steps: [{sql_file: sql/later.sql}]}
            - name: first
              read: {connection: raw, format: csv, path: x.csv}
        """
    graph = graph_of(tmp_path, nodes, {"sql/later.sql": "\ufeffFROM first"})
    assert graph.order() == ("a.first", "a.later")
    assert graph.nodes["a.later"].sql_files == {"sql/later.sql": "FROM first"}


def test_an_input_hides_the_pipelines_node_of_the_same_name(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    assert graph.nodes["silver.orders"].upstream == {"orders": "bronze.orders"}
    graph = graph_of(
        tmp_path,
        """
        - pipeline: a
          nodes: [{name: orders}, {name: other}]
        - pipeline: b
          nodes:
            - name: orders
            - name: sums
              inputs: {orders: $a.orders}
              transform: {steps: [FROM orders]}
        """,
    )
    assert edges(graph) == {("a.orders", "b.sums", "input")}


@pytest.mark.parametrize(
    ("node", "primary"),
    [
        ("{name: x, inputs: {b: $p.b, a: $p.a}}", "b"),
        ("{name: x, inputs: {b: $p.b, df: $p.a}}", "df"),
        ("{name: x, inputs: {z: {connection: raw, format: csv, path: z.csv}, a: $p.a}}", "z"),
        ("{name: x, depends_on: [b, a]}", "b"),
        ("{name: x, depends_on: [b], inputs: {c: $p.a}}", "c"),
        ("{name: x, transform: {steps: [FROM b JOIN a USING (id)]}}", "b"),
        ("{name: x, depends_on: [a], read: {connection: raw, format: csv, path: z.csv}}", None),
        ("{name: x}", None),
    ],
)
def test_df_is_the_input_of_that_name_else_what_is_named_first(
    tmp_path: Path, node: str, primary: str | None
) -> None:
    graph = graph_of(tmp_path, f"- pipeline: p\n  nodes: [{{name: a}}, {{name: b}}, {node}]")
    assert graph.nodes["p.x"].primary == primary


def test_order_follows_the_file_as_far_as_dependencies_allow(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - {name: late, depends_on: [c]}
            - {name: b}
            - {name: a}
            - {name: c, depends_on: [a]}
            - {name: d}
        """,
    )
    assert graph.order() == ("p.b", "p.a", "p.c", "p.late", "p.d")


def test_ancestors_and_descendants_go_as_deep_as_asked(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    assert graph.upstream("gold.sales") == ("silver.orders", "bronze.shops")
    assert graph.downstream("silver.orders") == ("silver.links", "gold.sales")
    assert graph.ancestors("gold.top") == {
        "gold.sales",
        "silver.orders",
        "bronze.orders",
        "bronze.shops",
    }
    assert graph.ancestors("gold.top", depth=1) == {"gold.sales"}
    assert graph.descendants("silver.orders", depth=1) == {"silver.links", "gold.sales"}
    assert graph.descendants("gold.top") == set()
    assert graph.ancestors("gold.top", depth=0) == set()


def test_every_independent_cycle_is_named_with_its_path_and_places(tmp_path: Path) -> None:
    with pytest.raises(CycleError) as caught:
        graph_of(
            tmp_path,
            """
            - pipeline: silver
              nodes:
                - {name: a, depends_on: [b]}
                - name: b
                  inputs: {a: $silver.a}
                - {name: after, depends_on: [a]}
            - pipeline: gold
              nodes:
                - {name: x, depends_on: [y]}
                - {name: y, transform: {steps: [FROM z]}}
                - {name: z, depends_on: [x]}
            """,
        )
    message = str(caught.value)
    assert "  silver.a → silver.b → silver.a\n" in message
    assert "  gold.x → gold.z → gold.y → gold.x\n" in message
    assert f"{tmp_path}/odibi.yaml:10:9: silver.a needs silver.b (depends_on)" in message
    assert "silver.b needs silver.a (inputs)" in message
    assert "gold.y needs gold.z (its SQL reads it)" in message
    assert "after" not in message
    assert [[node.key for node in cycle] for cycle in caught.value.cycles] == [
        ["silver.a", "silver.b", "silver.a"],
        ["gold.x", "gold.z", "gold.y", "gold.x"],
    ]


def test_a_node_that_needs_itself_is_a_cycle(tmp_path: Path) -> None:
    with pytest.raises(CycleError, match=r"p\.a → p\.a"):
        graph_of(tmp_path, "- pipeline: p\n  nodes: [{name: a, inputs: {x: $p.a}}]")


def test_a_path_read_before_it_is_written_makes_no_cycle(tmp_path: Path) -> None:
    """A dimension continues its own table by way of a node that reads it first."""
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: before
              read: {connection: lake, format: parquet, path: dim.parquet}
            - name: dim
              depends_on: [before]
              write: {connection: lake, format: parquet, path: dim.parquet}
            - name: after
              read: {connection: lake, format: parquet, path: dim.parquet}
            - name: own
              read: {connection: lake, format: parquet, path: own.parquet}
              write: {connection: lake, format: parquet, path: own.parquet}
        """,
    )
    assert edges(graph) == {("p.before", "p.dim", "depends_on"), ("p.dim", "p.after", "path")}


def test_two_nodes_that_read_what_the_other_writes_run_in_file_order(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: a
              read: {connection: lake, format: parquet, path: b.parquet}
              write: {connection: lake, format: parquet, path: a.parquet}
            - name: b
              read: {connection: lake, format: parquet, path: a.parquet}
              write: {connection: lake, format: parquet, path: b.parquet}
        """,
    )
    assert len(graph.edges) == 1


def test_reading_a_quarantine_waits_for_who_fills_it(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: repair
              read: {connection: lake, format: parquet, path: q/rows.parquet}
            - name: check
              read:
                connection: raw
                format: csv
                path: x.csv
                bad_lines: {connection: lake, path: q/lines.parquet}
              validation:
                tests: [{type: not_null, columns: [id], on_fail: quarantine}]
                quarantine: {connection: lake, path: q/rows.parquet}
              write: {connection: lake, format: parquet, path: x.parquet}
        """,
    )
    assert edges(graph) == {("p.check", "p.repair", "path")}


def test_one_name_for_two_nodes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"means both a\.orders and b\.Orders") as caught:
        graph_of(
            tmp_path,
            """
            - pipeline: a
              nodes: [{name: orders}]
            - pipeline: b
              nodes:
                - name: Orders
                - {name: x, inputs: {orders: $a.orders}, depends_on: [Orders]}
            """,
        )
    assert f"{tmp_path}/odibi.yaml:13:9: b.x" in str(caught.value)


def test_disabled_nodes_stay_in_the_graph(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, "- pipeline: p\n  nodes: [{name: a, enabled: false}, {name: b}]")
    assert [node.enabled for node in graph.nodes.values()] == [False, True]


@st.composite
def waits(draw: st.DrawFn) -> list[set[int]]:
    """For each of some nodes the lower-numbered nodes that it waits for."""
    size = draw(st.integers(1, 12))
    return [draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set() for n in range(size)]


def shuffled(root: Path, needs: list[set[int]], places: list[int]) -> Loaded:
    lines = ["- pipeline: p", "  nodes:"]
    for n in places:
        lines.append(f"    - {{name: n{n}, depends_on: [{', '.join(f'n{m}' for m in needs[n])}]}}")
    return project(root, "\n".join(lines))


@given(st.data(), waits())
def test_order_is_topological_and_reach_is_its_own_inverse(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, needs: list[set[int]]
) -> None:
    places = data.draw(st.permutations(range(len(needs))))
    graph = build(shuffled(tmp_path_factory.mktemp("p"), needs, list(places)))
    order = graph.order()
    assert sorted(order) == sorted(graph.nodes)
    for edge in graph.edges:
        assert order.index(edge.source) < order.index(edge.target)
    for key in graph.nodes:
        above = graph.ancestors(key)
        assert above == set(graph.upstream(key)).union(*map(graph.ancestors, graph.upstream(key)))
        assert all(key in graph.descendants(other) for other in above)
        assert graph.ancestors(key, depth=len(graph.nodes)) == above


@given(waits(), st.integers(0, 11), st.integers(0, 11))
def test_an_edge_against_the_order_is_a_cycle_exactly_if_there_is_a_way_back(
    tmp_path_factory: pytest.TempPathFactory, needs: list[set[int]], first: int, second: int
) -> None:
    first, second = first % len(needs), second % len(needs)
    loaded = shuffled(tmp_path_factory.mktemp("p"), needs, list(range(len(needs))))
    graph = build(loaded)
    extra = Edge(f"p.n{first}", f"p.n{second}", "depends_on")
    closes = first == second or f"p.n{second}" in graph.ancestors(f"p.n{first}")
    try:
        Graph(loaded, graph.nodes.values(), [*graph.edges, extra])
    except CycleError as error:
        assert closes
        keys = [node.key for node in error.cycles[0]]
        steps = {(edge.source, edge.target) for edge in (*graph.edges, extra)}
        assert keys[0] == keys[-1]
        assert set(pairwise(keys)) <= steps
    else:
        assert not closes
