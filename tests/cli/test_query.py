"""`odibi query`: what it answers, what it refuses, and how it says so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from odibi.cli.query import print_csv, print_json_rows, print_table
from odibi.engine import Source
from odibi.errors import UsageError
from odibi.questions import Question, check
from odibi.tables import StoredTable, quoted, sql_name


@pytest.fixture
def tables(tmp_path: Path) -> list[StoredTable]:
    """Sessions in Parquet (two pipelines have an `events`), one table as CSV, one not yet written."""
    sql = {
        "sessions.parquet": "SELECT range AS session, 'x' || range AS city FROM range(100)",
        "events.parquet": "SELECT 1 AS a",
        "hostile.parquet": r"SELECT '<script>' AS \"[red]\", chr(27) || '[31mred' AS b, '=cmd()' AS c, NULL AS d".replace(
            "\\", ""
        ),
        "cities.csv": "SELECT 'Lisbon' AS city, 1.5 AS share",
    }
    for name, query in sql.items():
        duckdb.execute(f"COPY ({query}) TO '{tmp_path / name}'")

    def table(pipeline: str, node: str, name: str, unique: bool = True) -> StoredTable:
        path = tmp_path / name
        kind = path.suffix[1:]
        source = Source(kind, path, (path,)) if path.exists() else None
        return StoredTable(pipeline, node, path, kind, unique, source)

    return [
        table("silver", "sessions", "sessions.parquet"),
        table("silver", "events", "events.parquet", unique=False),
        table("bronze", "events", "events.parquet", unique=False),
        table("gold", "odd name", "hostile.parquet"),
        table("gold", "cities", "cities.csv"),
        table("gold", "later", "later.parquet"),
    ]


def rows(sql: str, tables: Sequence[StoredTable]) -> list[tuple[str | None, ...]]:
    check(sql)
    return list(Question(sql, tables).texts(None))


def test_tables_are_known_by_node_and_by_pipeline_and_node(tables: list[StoredTable]) -> None:
    assert rows("SELECT count(*) FROM sessions", tables) == [("100",)]
    assert rows("SELECT count(*) FROM silver.sessions", tables) == [("100",)]
    assert rows("FROM bronze.events", tables) == [("1",)]
    assert rows('SELECT c FROM gold."odd name"', tables) == [("=cmd()",)]
    assert rows("FROM cities", tables) == [("Lisbon", "1.5")]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT 1 AS x) FROM a",
        "-- why\n/* not */ SELECT 1 -- end",
        "(SELECT 1)",
        "SELECT 1;",
        "DESCRIBE sessions",
        "SUMMARIZE sessions",
        "SHOW ALL TABLES",
        "EXPLAIN FROM sessions",
        "EXPLAIN ANALYZE FROM sessions",
        "VALUES (1), (2)",
        "PIVOT (FROM sessions LIMIT 3) ON city USING sum(session)",
    ],
)
def test_everything_that_reads_is_allowed(sql: str, tables: list[StoredTable]) -> None:
    assert rows(sql, tables)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW sessions",
        "CREATE TABLE t AS SELECT 1",
        "COPY (SELECT 1) TO 'x.csv'",
        "COPY (PIVOT sessions ON city USING sum(session)) TO 'x.csv'",
        "ATTACH 'x.db'",
        "SET memory_limit = '1GB'",
        "INSTALL httpfs",
        "WITH a AS (SELECT 1) INSERT INTO sessions FROM a",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
        "SELECT 1; DROP VIEW sessions",
        "SELECT 1; SELECT 2",
    ],
)
def test_nothing_but_one_reading_statement_is_allowed(sql: str, tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError):
        rows(sql, tables)
    assert not Path("x.csv").exists()


def test_only_the_projects_tables_can_be_read(tables: list[StoredTable], tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    for sql in (f"FROM '{other}'", f"FROM read_csv('{other}')", f"FROM glob('{tmp_path}/*')"):
        with pytest.raises(UsageError):
            rows(sql, tables)


def test_every_name_can_be_asked_for() -> None:
    words = duckdb.sql("SELECT DISTINCT keyword_name FROM duckdb_keywords()").fetchall()
    connection = duckdb.connect()
    for name in [*(word for (word,) in words), "odd name", 'a"b', "1st", "été"]:
        connection.execute(f"CREATE VIEW {quoted(name)} AS SELECT 1 AS x")
        assert connection.execute(f"FROM {sql_name(name)}").fetchall() == [(1,)]
    assert sql_name("orders") == "orders"


def test_words_are_not_sql(tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError, match="no SQL") as caught:
        rows("how many sessions were there yesterday?", tables)
    assert "assistant" in str(caught.value.hint)


def test_a_wrong_table_names_the_nearest(tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError, match="no table session") as caught:
        rows("FROM session", tables)
    assert caught.value.hint == "did you mean sessions?"


def test_a_table_that_was_not_written_yet_says_how_to_write_it(tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError, match="not been written") as caught:
        rows("FROM later", tables)
    assert caught.value.hint == "odibi run --select +gold.later"


def test_a_wrong_column_shows_the_place_and_the_candidates(tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError) as caught:
        rows("SELECT\n  sesion FROM sessions", tables)
    message, line, caret = caught.value.message.splitlines()
    assert "sesion" in message
    assert line[caret.index("^") :].startswith("sesion")
    assert "session" in str(caught.value.hint)


def test_an_error_while_running_is_a_message_too(tables: list[StoredTable]) -> None:
    with pytest.raises(UsageError, match="Could not convert string 'x0'"):
        rows("SELECT city::INT FROM sessions", tables)


def test_json_is_a_list_of_objects_with_typed_values(
    tables: list[StoredTable], capsys: pytest.CaptureFixture[str]
) -> None:
    sql = """SELECT 1 AS n, 1.50::DECIMAL(4,2) AS d, 'é' AS t, NULL AS x, [1, NULL] AS l, {'a': 1} AS s,
             DATE '2025-11-05' AS day, TIMESTAMPTZ '2025-11-05 10:00:00+02' AS at, 'nan'::DOUBLE AS f, 2 AS n"""
    print_json_rows(Question(sql, tables), None)
    assert json.loads(capsys.readouterr().out) == [
        {
            "n": 1,
            "d": 1.5,
            "t": "é",
            "x": None,
            "l": [1, None],
            "s": {"a": 1},
            "day": "2025-11-05",
            "at": "2025-11-05 08:00:00+00",
            "f": None,
            "n_1": 2,
        }
    ]


def test_json_of_no_rows_is_an_empty_list(
    tables: list[StoredTable], capsys: pytest.CaptureFixture[str]
) -> None:
    print_json_rows(Question("FROM sessions WHERE false", tables), None)
    assert json.loads(capsys.readouterr().out) == []


def test_csv_holds_every_row_as_it_is(
    tables: list[StoredTable], capsys: pytest.CaptureFixture[str]
) -> None:
    print_csv(Question("FROM sessions ORDER BY session", tables), None)
    lines = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert lines[0] == ["session", "city"]
    assert lines[1:] == [[str(n), f"x{n}"] for n in range(100)]


def test_a_table_is_cut_and_says_so(
    tables: list[StoredTable], capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(Question("FROM sessions ORDER BY session", tables), 3)
    assert capsys.readouterr().out.splitlines() == [
        "session  city",
        "─────────────",
        "      0  x0",
        "      1  x1",
        "      2  x2",
        "the first 3 rows; --limit 0 for all",
    ]


def test_data_can_not_steer_the_terminal(
    tables: list[StoredTable], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Question('FROM gold."odd name"', tables)
    print_table(asked, 3)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "<script>" in out and "[red]" in out and "NULL" in out
    print_json_rows(asked, None)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert json.loads(out)[0]["b"] == "\x1b[31mred"
