"""From names in the YAML to absolute places."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odibi import places, sources, targets
from odibi.engine import Source
from odibi.errors import EngineError, UsageError
from odibi.graph import Graph
from odibi.marks import Marks
from odibi.node import RunFacts
from odibi.transforms import TargetRef
from tests.core.projects import MEDALLION, RAW, graph_of, project, store

READER = """
- pipeline: p
  nodes:
    - name: x
      read: {connection: raw, format: FORMAT, path: "PATH"}
"""


def reads(root: Path, format: str, path: str, **files: str) -> Source:
    graph = graph_of(root, READER.replace("FORMAT", format).replace("PATH", path))
    return source(graph, "p.x")


def source(graph: Graph, key: str) -> Source:
    node = graph.nodes[key]
    assert node.config.read is not None
    return sources.source_of(graph.loaded, node, node.config.read)


def fill(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def names(root: Path, found: Source) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found.files]


def test_a_path_is_below_its_connection_below_the_yaml(tmp_path: Path) -> None:
    loaded = project(tmp_path, MEDALLION)
    assert places.resolve(loaded, "raw", "a//b/../c.csv") == tmp_path / "raw/a/c.csv"
    assert places.resolve(loaded, "raw", ".") == tmp_path / "raw"
    assert places.resolve(loaded, "raw", str(tmp_path / "raw/x")) == tmp_path / "raw/x"


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "../rawer/x"])
def test_a_path_can_not_leave_its_connection(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError, match=r"leaves connection 'raw' \(raw\)"):
        places.resolve(project(tmp_path, MEDALLION), "raw", path)


def test_a_wrong_place_is_named_with_its_node(tmp_path: Path) -> None:
    nodes = """
        - pipeline: p
          nodes:
            - name: x
              read: {connection: raw, format: csv, path: ../x.csv}
              write: {connection: lake, format: parquet, path: ../y}
        """
    graph = graph_of(tmp_path, nodes)
    start = rf"^{tmp_path}/odibi\.yaml:10:9: p\.x: path '\.\./"
    with pytest.raises(UsageError, match=start + "x.csv' leaves connection 'raw'"):
        source(graph, "p.x")
    with pytest.raises(UsageError, match=start + "y' leaves connection 'lake'"):
        targets.target_of(graph.loaded, graph.nodes["p.x"], "w")


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "raw", ""]), max_size=8))
def test_what_resolves_lies_inside(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.mktemp("p")
    try:
        found = places.resolve(project(root, MEDALLION), "raw", "/".join(["x", *parts]))
    except UsageError:
        return
    assert found.is_relative_to(root / "raw")
    assert ".." not in found.parts


def test_a_link_that_leaves_the_connection_is_refused(tmp_path: Path) -> None:
    loaded = project(tmp_path, MEDALLION, {"elsewhere/secret.csv": "1", "raw/own/a.csv": "1"})
    (tmp_path / "raw/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "raw/in").symlink_to(tmp_path / "raw/own")
    assert places.resolve(loaded, "raw", "in/a.csv") == tmp_path / "raw/in/a.csv"
    with pytest.raises(UsageError, match=r"by a link to .*elsewhere/secret\.csv"):
        places.resolve(loaded, "raw", "out/secret.csv")
    with pytest.raises(UsageError, match="is a link that leaves"):
        reads(tmp_path, "csv", "*/*.csv")


def test_the_connections_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    fill(tmp_path, "disk/a.csv")
    assert names(tmp_path, reads(tmp_path, "csv", "*.csv")) == ["raw/a.csv"]


def test_patterns_and_folders_become_sorted_files(tmp_path: Path) -> None:
    fill(tmp_path, "raw/d/b/2.csv", "raw/d/a/1.csv", "raw/d/a/3.CSV.GZ", "raw/d/note.txt")
    fill(tmp_path, "raw/d/.x.csv", "raw/d/_tmp/4.csv", "raw/d/.odibi-tmp/5.csv", "raw/d/_done.csv")
    assert names(tmp_path, reads(tmp_path, "csv", "d/*/*.csv")) == [
        "raw/d/_tmp/4.csv",
        "raw/d/a/1.csv",
        "raw/d/b/2.csv",
    ]
    assert names(tmp_path, reads(tmp_path, "csv", "d")) == [
        "raw/d/a/1.csv",
        "raw/d/a/3.CSV.GZ",
        "raw/d/b/2.csv",
    ]
    assert names(tmp_path, reads(tmp_path, "csv", "d/note.txt")) == ["raw/d/note.txt"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    fill(tmp_path, "raw/a[1].csv", "raw/a1.csv")
    assert names(tmp_path, reads(tmp_path, "csv", "a[1].csv")) == ["raw/a[1].csv"]


@pytest.mark.parametrize(
    ("format", "path", "message", "hint"),
    [
        ("csv", "orders.cvs", "no csv file at raw/orders.cvs", "did you mean 'orders.csv' in raw?"),
        ("csv", "daily/x.csv", "no csv file at raw/daily/x.csv", "raw holds no 'daily'"),
        ("csv", "2*/*.csv", "no csv file matches raw/2*/*.csv", "in raw: orders.csv, plain"),
        ("parquet", "plain", "no parquet file in raw/plain", "it holds readme.txt"),
        ("delta", "plain", "no Delta table in raw/plain", "it holds readme.txt"),
        ("delta", "plane", "no Delta table at raw/plane", "did you mean 'plain' in raw?"),
    ],
)
def test_what_is_missing_is_named_with_what_is_there(
    tmp_path: Path, format: str, path: str, message: str, hint: str
) -> None:
    fill(tmp_path, "raw/orders.csv", "raw/plain/readme.txt")
    with pytest.raises(EngineError) as caught:
        reads(tmp_path, format, path)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_source_carries_columns_options_and_time_travel(tmp_path: Path) -> None:
    fill(tmp_path, "raw/t/_delta_log/0.json")
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: t
              read:
                connection: raw
                format: delta
                path: t
                filter: a > 1
                options: {columns: {a: BIGINT}, header: true}
                time_travel: {as_of_version: 3}
        """,
    )
    assert source(graph, "p.t") == Source(
        "delta", tmp_path / "raw/t", columns={"a": "BIGINT"}, options={"header": True}, version=3
    )


def test_a_database_is_read_by_table_query_or_file(tmp_path: Path) -> None:
    nodes = """
        - pipeline: p
          nodes:
            - {name: t, read: {connection: shop, format: sql, table: orders}}
            - {name: q, read: {connection: shop, format: sql, query: SELECT 1}}
            - {name: f, read: {connection: shop, format: sql, sql_file: q.sql}}
        """
    graph = graph_of(tmp_path, nodes, {"q.sql": "SELECT 2"})
    with pytest.raises(EngineError, match=r"no database at raw/shop.db"):
        source(graph, "p.t")
    database = tmp_path / "raw/shop.db"
    database.parent.mkdir()
    sqlite3.connect(database).close()
    assert source(graph, "p.t") == Source("sql", database, table="orders")
    assert source(graph, "p.q") == Source("sql", database, query="SELECT 1")
    assert source(graph, "p.f") == Source("sql", database, query="SELECT 2")


def test_a_database_holds_no_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"connection 'shop' \(type sqlite\) holds no files"):
        places.resolve(project(tmp_path, MEDALLION), "shop", "x.csv")
    with pytest.raises(UsageError, match="connection 'row' is not defined") as caught:
        places.resolve(project(tmp_path, MEDALLION), "row", "x.csv")
    assert caught.value.hint == "did you mean 'raw'?"


def test_a_target_has_keys_partitions_and_the_remaining_options(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: a
              write:
                connection: lake
                format: parquet
                path: a
                mode: upsert
                options: {keys: [id], partition_by: [day], compression: zstd}
            - name: b
              write: {connection: lake, format: delta, table: b, mode: append, merge_schema: true}
        """,
    )
    target = targets.target_of(graph.loaded, graph.nodes["p.a"], "w1")
    assert (target.format, target.path, target.mode) == ("parquet", tmp_path / "lake/a", "upsert")
    assert (target.write_id, target.keys, target.partition_by) == ("w1", ("id",), ("day",))
    assert target.options == {"compression": "zstd"}
    other = targets.target_of(graph.loaded, graph.nodes["p.b"], "w2")
    assert (other.path, other.mode, other.merge_schema) == (tmp_path / "lake/b", "append", True)


def test_a_stored_result_is_a_source_once_it_is_there(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    node = graph.nodes["gold.top"]
    path = tmp_path / "lake/gold/top.parquet"
    assert sources.stored_source(graph.loaded, node) is None
    store(graph, "gold.top")
    assert sources.stored_source(graph.loaded, node) == Source("parquet", path, (path,))
    assert sources.stored_source(graph.loaded, graph.nodes["silver.links"]) is None
    path.unlink()
    fill(tmp_path, "lake/gold/top.parquet/day=2/b.parquet", "lake/gold/top.parquet/day=1/a.parquet")
    assert sources.stored_source(graph.loaded, node) == Source(
        "parquet", path, (path / "day=1/a.parquet", path / "day=2/b.parquet")
    )


@pytest.mark.parametrize(
    ("write", "whole"),
    [
        ("format: parquet", True),
        ("format: delta", True),
        ("format: csv", False),
        ("format: parquet, mode: append", False),
        ("format: parquet, partition_by: [day]", False),
    ],
)
def test_only_typed_overwritten_tables_stand_for_the_result(
    tmp_path: Path, write: str, whole: bool
) -> None:
    nodes = f"- pipeline: p\n  nodes: [{{name: a, write: {{connection: lake, path: a, {write}}}}}]"
    config = graph_of(tmp_path, nodes).nodes["p.a"].config
    assert config.write is not None
    assert sources.is_whole_result(config.write) is whole


@pytest.mark.parametrize(
    "target",
    [
        TargetRef("gold/top.parquet", "lake"),
        TargetRef("lake.gold/top.parquet"),
        TargetRef("top"),
        TargetRef("gold/top.parquet"),
        TargetRef(),
    ],
)
def test_a_target_to_continue_is_found_by_any_of_its_names(
    tmp_path: Path, target: TargetRef
) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    node = graph.nodes["gold.top"]
    assert sources.target_source(graph.loaded, node, target) is None
    store(graph, "gold.top")
    path = tmp_path / "lake/gold/top.parquet"
    assert sources.target_source(graph.loaded, node, target) == Source("parquet", path, (path,))


def test_a_target_that_no_node_writes_is_known_by_its_looks(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION)
    node = graph.nodes["gold.top"]
    fill(tmp_path, "lake/d/_delta_log/0.json", "lake/c.csv")
    delta = sources.target_source(graph.loaded, node, TargetRef("lake.d"))
    assert delta == Source("delta", tmp_path / "lake/d")
    csv = sources.target_source(graph.loaded, node, TargetRef("lake.c.csv"))
    assert csv == Source("csv", tmp_path / "lake/c.csv", (tmp_path / "lake/c.csv",))
    with pytest.raises(UsageError, match="the node writes nowhere"):
        sources.target_source(graph.loaded, graph.nodes["silver.links"], TargetRef("dim"))


def test_a_target_may_be_a_query(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, MEDALLION, {"raw/shop.db": ""})
    target = TargetRef(connection="shop", query="SELECT id FROM t")
    found = sources.target_source(graph.loaded, graph.nodes["gold.top"], target)
    assert found == Source("sql", tmp_path / "raw/shop.db", query="SELECT id FROM t")
    with pytest.raises(UsageError, match="takes no query"):
        sources.target_source(
            graph.loaded, graph.nodes["gold.top"], TargetRef(connection="raw", query="SELECT 1")
        )


def test_rows_set_aside_go_where_the_yaml_says(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        """
        - pipeline: p
          nodes:
            - name: a
              read: {connection: raw, format: csv, path: x.csv, bad_lines: {on_error: quarantine}}
            - name: b
              read: {connection: raw, format: csv, path: x.csv, bad_lines: {connection: lake, path: q.ndjson}}
              validation: {quarantine: {connection: lake, path: q/rows}}
        """,
    )
    a = targets.bad_lines_target(graph.loaded, graph.nodes["p.a"], "r1", "w-lines1")
    own = tmp_path / ".odibi/runs/r1/unreadable/w-lines1.parquet"
    assert (a.path, a.format, a.mode) == (own, "parquet", "overwrite")
    b = targets.bad_lines_target(graph.loaded, graph.nodes["p.b"], "r1", "w-lines1")
    assert (b.path, b.format, b.mode) == (tmp_path / "lake/q.ndjson", "json", "append")
    validation = graph.nodes["p.b"].config.validation
    assert validation is not None and validation.quarantine is not None
    rows = targets.quarantine_target(graph.loaded, validation.quarantine, "w2")
    assert (rows.path, rows.format, rows.write_id) == (tmp_path / "lake/q/rows", "parquet", "w2")


@pytest.mark.parametrize(
    ("asked", "files", "expected"),
    [
        ("false", ["raw/1.csv"], {}),
        (
            "true",
            ["raw/1.csv"],
            {"_extracted_at": "2025-11-14 09:30:00.00025", "_source_file": "raw/1.csv"},
        ),
        ("{extracted_at: false}", ["raw/1.csv", "raw/2.csv"], {"_source_file": "*'.csv"}),
        (
            "{extracted_at: false, source_file: false, source_connection: true, source_table: true}",
            [],
            {"_source_connection": "raw", "_source_table": None},
        ),
    ],
)
def test_metadata_columns_say_where_rows_came_from(
    tmp_path: Path, asked: str, files: list[str], expected: dict[str, str | None]
) -> None:
    graph = graph_of(
        tmp_path,
        f"""
        - pipeline: p
          nodes:
            - name: a
              read: {{connection: raw, format: csv, path: "*'.csv"}}
              write: {{connection: lake, format: parquet, path: a, add_metadata: {asked}}}
        """,
    )
    facts = RunFacts(
        run_id="r",
        origin_id="r",
        started_at=datetime(2025, 11, 14, 9, 30, 0, 250, tzinfo=UTC),
        loaded=graph.loaded,
        engine=None,  # type: ignore[arg-type]  # no statement runs on it
        nodes=graph.nodes,
        functions={},
        marks=Marks(tmp_path),
        scratch=tmp_path,
    )
    found = targets.metadata_columns(graph.nodes["p.a"], facts, [tmp_path / name for name in files])
    values = [
        duckdb.sql(f"SELECT CAST({sql} AS VARCHAR)").fetchall()[0][0] for sql in found.values()
    ]
    assert dict(zip(found, values, strict=True)) == expected


def test_paths_are_shown_from_the_projects_folder(tmp_path: Path) -> None:
    loaded = project(tmp_path, MEDALLION, RAW)
    assert places.display(loaded, tmp_path / "raw/orders.csv") == "raw/orders.csv"
    assert places.display(loaded, tmp_path) == "."
    assert places.display(loaded, Path("/other/x")) == "/other/x"
