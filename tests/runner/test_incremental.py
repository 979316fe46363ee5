"""Incremental reads: a rolling window takes the rows it says, on both engines and for every kind of time."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from odibi.config.nodes import IncrementalConfig
from odibi.engine import Column
from odibi.errors import NodeError
from odibi.incremental import mark_query, window_condition
from tests.runner.running import project, rows, run, statuses

NODE = """\
- name: recent
  read:
    connection: data
    format: {format}
    path: events.{format}
    incremental: {incremental}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""
AGES_IN_HOURS = (-1, 1, 23, 25, 47, 49)


def _events(folder: Path, format: str, type: str) -> None:
    """One event for each age, then one whose time is null but that was loaded an hour ago."""
    folder.mkdir(parents=True)
    now = datetime.now(UTC).replace(tzinfo=None)
    times = [now - timedelta(hours=age) for age in AGES_IN_HOURS]
    values = ", ".join(
        f"({age}, TIMESTAMP '{at}', NULL::TIMESTAMP)"
        for age, at in zip(AGES_IN_HOURS, times, strict=True)
    )
    late = f"(100, NULL, TIMESTAMP '{now - timedelta(hours=1)}')"
    at = "timezone('UTC', happened)" if type == "TIMESTAMPTZ" else "happened"
    query = (
        f"SELECT id, {at} AS at_, loaded FROM (VALUES {values}, {late}) AS t(id, happened, loaded)"
    )
    duckdb.sql(f"COPY ({query}) TO '{folder / f'events.{format}'}'")


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize(
    ("format", "type"), [("parquet", "TIMESTAMP"), ("parquet", "TIMESTAMPTZ"), ("csv", "TIMESTAMP")]
)
@pytest.mark.parametrize(
    ("incremental", "ids"),
    [
        ("{column: at_}", [-1, 1, 23]),
        ("{column: at_, lookback: 2}", [-1, 1, 23, 25, 47]),
        ("{column: at_, lookback: 24, unit: hour, fallback_column: loaded}", [-1, 1, 23, 100]),
        ("{column: at_, lookback: 1, unit: month}", [-1, 1, 23, 25, 47, 49]),
    ],
)
def test_window_keeps_the_rows_of_its_time(
    tmp_path: Path, engine: str, format: str, type: str, incremental: str, ids: list[int]
) -> None:
    _events(tmp_path / "p", format, type)
    folder = project(
        tmp_path / "p", NODE.format(format=format, incremental=incremental), engine=engine
    )
    result = run(folder)
    assert statuses(result) == {"recent": "succeeded"}
    assert [row[0] for row in sorted(rows(folder / "out.parquet"))] == ids


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ((Column("id", "BIGINT"),), "there is no column 'at_'"),
        ((Column("at_", "BIGINT"),), "column 'at_' is BIGINT, which is no date or time"),
        ((Column("at_", "UUID"),), "column 'at_' is UUID, which tells no order of rows"),
    ],
)
def test_column_that_tells_no_time_is_refused(schema: tuple[Column, ...], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        window_condition(
            IncrementalConfig.model_validate({"column": "at_"}), datetime.now(UTC), schema
        )


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_first_run_takes_all_and_later_ones_the_window(tmp_path: Path, engine: str) -> None:
    _events(tmp_path / "p", "parquet", "TIMESTAMP")
    nodes = NODE.format(format="parquet", incremental="{column: at_, fallback_column: loaded}")
    nodes = nodes.replace("path: out.parquet", "path: out.parquet, mode: upsert, merge_keys: [id]")
    folder = project(tmp_path / "p", nodes, engine=engine)
    run(folder)
    first = [-1, 1, 23, 25, 47, 49, 100]
    assert sorted(row[0] for row in rows(folder / "out.parquet")) == first
    duckdb.sql(
        f"COPY (SELECT id + 1000 AS id, at_, loaded FROM '{folder}/events.parquet') TO '{folder}/e.parquet'"
    )
    (folder / "e.parquet").replace(folder / "events.parquet")
    run(folder)
    expected = [*first, 999, 1001, 1023, 1100]
    assert sorted(row[0] for row in rows(folder / "out.parquet")) == expected


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("table", ["overwrite", "append"])
def test_first_run_query_reads_while_there_is_no_table(
    tmp_path: Path, engine: str, table: str
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE now (id INTEGER, at_ TEXT)")
        shop.execute("CREATE TABLE past (id INTEGER, at_ TEXT)")
        shop.execute("INSERT INTO past VALUES (1, '2001-01-01 00:00:00')")
        shop.execute(
            "INSERT INTO now VALUES (2, '2001-01-02 00:00:00'), (3, '2999-01-01 00:00:00')"
        )
    nodes = f"""\
- name: recent
  read:
    connection: shop
    format: sql
    table: now
    incremental: {{column: at_, date_format: sql_server}}
  write:
    connection: data
    format: parquet
    path: out.parquet
    mode: {table}
    first_run_query: SELECT * FROM past
"""
    folder = project(
        tmp_path, nodes, engine=engine, extra="  shop: {type: sqlite, path: shop.db}\n"
    )
    run(folder)
    assert [row[0] for row in rows(folder / "out.parquet")] == [1]
    run(folder)
    expected = [3] if table == "overwrite" else [1, 3]
    assert [row[0] for row in rows(folder / "out.parquet")] == expected


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("iso", "2999-03-04T05:06:07.5"),
        ("iso", "2999-03-04T07:06:07.5+02:00"),
        ("us", "03/04/2999 05:06:07.5"),
        ("us", "03/04/2999 05:06:07.5 AM"),
        ("eu", "04/03/2999 05:06:07.5"),
        ("sql_server", "2999-03-04 05:06:07.5"),
        ("oracle", "04-MAR-99 05.06.07.500000 AM"),
        ("oracle_sqlserver", "04-Mar-99 05:06:07.5"),
    ],
)
def test_dates_in_text_are_read_as_the_format_says(date_format: str, text: str) -> None:
    configured = IncrementalConfig.model_validate({"column": "at_", "date_format": date_format})
    schema = (Column("at_", "VARCHAR"),)
    year = 1999 if "oracle" in date_format else 2999
    duckdb.execute("SET TimeZone = 'UTC'")
    frame = duckdb.sql(f"SELECT '{text}' AS at_")  # noqa: F841 - duckdb finds it by its name
    query = mark_query(configured, None, schema).replace("df", "frame")
    assert duckdb.sql(query).fetchall() == [(f"{year}-03-04 05:06:07.5",)]


def test_text_that_is_no_date_fails_the_node(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("id,at_\n1,04/03/2026\n2,soon\n")
    incremental = "{column: at_, date_format: eu, mode: stateful}"
    nodes = NODE.format(format="csv", incremental=incremental)
    result = run(project(tmp_path, nodes.replace("out.parquet", "out.parquet, mode: append")))
    error = result.state.nodes["p.recent"].error
    assert error is not None
    assert 'Could not parse string "soon"' in error.message
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize("incremental", ["{column: at_}", "{column: at_, mode: stateful}"])
@pytest.mark.parametrize("empty", ["id,at_\n", "id,at_\n3,\n"])
def test_text_file_without_values_adds_nothing(
    tmp_path: Path, engine: str, incremental: str, empty: str
) -> None:
    nodes = NODE.format(format="csv", incremental=incremental)
    nodes = nodes.replace("out.parquet", "out.parquet, mode: append")
    folder = project(tmp_path, nodes, engine=engine)
    for lines in ("id,at_\n1,2999-01-01 10:00:00\n", empty, "id,at_\n2,2999-01-02 10:00:00\n"):
        (folder / "events.csv").write_text(lines)
        assert statuses(run(folder)) == {"recent": "succeeded"}
    assert rows(folder / "out.parquet") == [
        (1, datetime(2999, 1, 1, 10)),
        (2, datetime(2999, 1, 2, 10)),
    ]
