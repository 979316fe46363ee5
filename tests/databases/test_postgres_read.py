"""Reading a real PostgreSQL: every type by value, errors in the user's terms, only what is new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from odibi.engine import Source
from odibi.errors import Cancelled, EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.postgres_read import PostgresRead, address

from .conftest import Server

PROJECT = """\
project: shop
engine: {engine}
connections:
  db: {connection}
  lake: {{type: local, base_path: lake}}
retry: {{enabled: false}}
pipelines:
  - pipeline: p
    nodes:
      - name: n
        read: {{connection: db, format: sql, {read}}}
        write: {{connection: lake, format: parquet, path: n.parquet, {write}}}
"""


def odibi(
    folder: Path, server: Server, read: str, engine: str = "duckdb", write: str = "mode: overwrite"
) -> subprocess.CompletedProcess[str]:
    """Run a project of one node that reads the server."""
    yaml = PROJECT.format(engine=engine, connection=server.yaml(), read=read, write=write)
    (folder / "odibi.yaml").write_text(yaml)
    return subprocess.run(
        [sys.executable, "-m", "odibi", "run", "-p", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PG_PASSWORD": "hush-hush"},
    )


def table(folder: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Types, and rows as text, of what the node wrote."""
    found = duckdb.read_parquet(str(folder / "lake" / "n.parquet"))
    return [str(kind) for kind in found.types], found.project("columns(*)::VARCHAR").fetchall()


VALUES = [
    ("32767::int2", "SMALLINT", "32767"),
    ("2147483647::int4", "INTEGER", "2147483647"),
    ("9007199254740993::int8", "BIGINT", "9007199254740993"),
    ("1.5::float4", "FLOAT", "1.5"),
    ("'-0'::float8", "DOUBLE", "-0.0"),
    ("'NaN'::float8", "DOUBLE", "nan"),
    ("(-1.50)::numeric(10,2)", "DECIMAL(10,2)", "-1.50"),
    ("123456789012345678901234567890.12::numeric(38,2)", "DECIMAL(38,2)", "123456789012345678901234567890.12"),
    ("2.5::numeric", "DOUBLE", "2.5"),
    ("1.5::numeric(60,2)", "DOUBLE", "1.5"),
    ("true", "BOOLEAN", "true"),
    ("'é😀 ''\"'::text", "VARCHAR", "é😀 '\""),
    ("''::varchar(3)", "VARCHAR", ""),
    ("'a'::char(3)", "VARCHAR", "a  "),
    ("'\\x00ff'::bytea", "BLOB", "\\x00\\xFF"),
    ("date '0002-02-28'", "DATE", "0002-02-28"),
    ("time '23:59:59.999999'", "TIME", "23:59:59.999999"),
    ("timestamp '2024-02-29 12:00:00.000001'", "TIMESTAMP", "2024-02-29 12:00:00.000001"),
    ("timestamptz '2024-03-31 02:30:00+02'", "TIMESTAMP WITH TIME ZONE", "2024-03-31 00:30:00+00"),
    ("'5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d'::uuid", "UUID", "5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d"),
    ("'{\"a\": [1, null]}'::jsonb", "JSON", '{"a": [1, null]}'),
    ("'{1,NULL,3}'::int4[]", "INTEGER[]", "[1, NULL, 3]"),
    ("'{a,NULL}'::text[]", "VARCHAR[]", "[a, NULL]"),
    ("'{1.50}'::numeric(5,2)[]", "VARCHAR", "{1.50}"),
    ("interval '1 month 2 days'", "VARCHAR", "1 mon 2 days"),
    ("'10.0.0.1'::inet", "VARCHAR", "10.0.0.1/32"),
    ("int4range(1, 4)", "VARCHAR", "[1,4)"),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_every_type_has_its_value(postgres: Server, tmp_path: Path, engine: str) -> None:
    columns = ", ".join(f"{made} AS c{n}" for n, (made, *_) in enumerate(VALUES))
    nulls = ", ".join(f"NULL AS c{n}" for n in range(len(VALUES)))
    postgres.run(
        'DROP TABLE IF EXISTS "Kinds"',
        f'CREATE TABLE "Kinds" AS SELECT 1 AS id, {columns}',
        f'INSERT INTO "Kinds" SELECT 2, {nulls}',
    )
    done = odibi(tmp_path, postgres, "table: Kinds", engine)
    assert done.returncode == 0, done.stdout + done.stderr
    types, rows = table(tmp_path)
    wanted = [(kind, value) for _, kind, value in VALUES]
    assert list(zip(types[1:], rows[0][1:], strict=True)) == wanted
    assert rows[1][1:] == (None,) * len(VALUES)


def test_a_query_is_the_servers_sql(postgres: Server, tmp_path: Path) -> None:
    read = (
        "query: \"SELECT g AS id, to_char(g, 'FM000') AS name FROM generate_series(1, 250000) g;\""
    )
    assert odibi(tmp_path, postgres, read).returncode == 0
    rows = table(tmp_path)[1]
    assert len(rows) == 250_000 and dict(rows)["7"] == "007"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("table: nothere", 'relation "nothere" does not exist'),
        ("query: SELECT 1 AS a", None),
        ("query: 'SELECT 1 AS a, 2 AS a'", "the query has two columns 'a'"),
        ("query: SELEC 1", 'syntax error at or near "1"'),
        ("query: SELECT 1 / 0 AS a", "division by zero"),
        ("query: \"SELECT 'NaN'::numeric(5,2) AS a\"", "DECIMAL(5,2)"),
        ("query: \"SELECT timestamp 'infinity' AS a\"", "a is infinite: leave it out"),
        ("query: \"SELECT date '-infinity' AS a\"", "a is infinite: leave it out"),
        ("query: SELECT pg_terminate_backend(pg_backend_pid()) AS a", "terminating connection"),
    ],
)
def test_errors_say_what_the_server_said(
    postgres: Server, tmp_path: Path, read: str, said: str | None
) -> None:
    done = odibi(tmp_path, postgres, read)
    assert (done.returncode == 0) == (said is None)
    assert (said or "") in done.stdout + done.stderr
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "odibi.yaml":
            assert b"hush-hush" not in file.read_bytes(), file
    assert "hush-hush" not in done.stdout + done.stderr


def settings(server: Server, **others: Any) -> dict[str, Any]:
    known = {
        "type": "postgres", "host": "127.0.0.1", "port": server.port, "database": "postgres",
        "username": "odibi", "password": "hush-hush", "schema_": "public", "sslmode": "prefer", "timeout": 5,
    }  # fmt: skip
    return {**known, **others}


@pytest.mark.parametrize(
    ("others", "said", "again"),
    [
        ({"port": 1}, "Connection refused", True),
        ({"password": "wr0ng"}, "password authentication failed", False),
        ({"username": "who"}, "password authentication failed", False),
        ({"database": "gone"}, 'database "gone" does not exist', False),
    ],
)
def test_only_what_may_pass_is_tried_again(
    postgres: Server, tmp_path: Path, others: dict[str, Any], said: str, again: bool
) -> None:
    session = DuckDBEngine(work_dir=tmp_path).session("n")
    source = Source("sql", Path("t"), table="t", connection=settings(postgres, **others))
    with pytest.raises(EngineError, match=said) as raised:
        session.read(source)
    assert raised.value.transient is again
    assert "wr0ng" not in str(raised.value)


def test_a_cancel_reaches_the_server(postgres: Server, tmp_path: Path) -> None:
    session = DuckDBEngine(work_dir=tmp_path).session("n")
    source = Source("sql", Path("q"), query="SELECT pg_sleep(300)", connection=settings(postgres))
    found: list[BaseException] = []

    def read() -> None:
        try:
            session.read(source)
        except (Cancelled, EngineError) as error:
            found.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active' AND pid <> pg_backend_pid()"
    for _ in range(200):
        if postgres.run(running) != [(0,)]:
            break
        time.sleep(0.05)
    session.cancel()
    reading.join(30)
    assert [type(error) for error in found] == [Cancelled]
    assert postgres.run(running) == [(0,)]


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_incremental_reads_ask_the_server_for_new_rows_only(
    postgres: Server, tmp_path: Path, engine: str
) -> None:
    postgres.run(
        "DROP TABLE IF EXISTS moves",
        "CREATE TABLE moves (id int, at timestamptz)",
        "INSERT INTO moves VALUES (1, '2024-01-01 10:00+00'), (2, '2024-01-02 10:00+00')",
    )
    read = "table: moves, incremental: {mode: stateful, column: at}"
    assert odibi(tmp_path, postgres, read, engine, "mode: append").returncode == 0
    postgres.run("INSERT INTO moves VALUES (3, '2024-01-03 10:00+00'), (0, '2023-01-01 10:00+00')")
    done = odibi(tmp_path, postgres, read, engine, "mode: append")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(row[0] for row in table(tmp_path)[1]) == ["1", "2", "3"]
    events = [
        json.loads(line)
        for line in max((tmp_path / ".odibi" / "runs").glob("*/events.jsonl"))
        .read_text()
        .splitlines()
    ]
    assert [
        e["data"]["rows"]
        for e in events
        if e["data"].get("stage") == "read" and "rows" in e["data"]
    ] == [1]


def test_a_window_is_asked_of_the_server(postgres: Server, tmp_path: Path) -> None:
    postgres.run(
        "DROP TABLE IF EXISTS hits",
        "CREATE TABLE hits AS SELECT 1 AS id, localtimestamp AS at "
        "UNION ALL SELECT 2, localtimestamp - interval '40 days'",
    )
    read = "table: hits, incremental: {mode: rolling_window, column: at, lookback: 7, unit: day}"
    done = odibi(tmp_path, postgres, read)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[0] for row in table(tmp_path)[1]] == ["1"]


def test_another_schema_is_named_in_the_table_or_the_connection(
    postgres: Server, tmp_path: Path
) -> None:
    postgres.run(
        'DROP SCHEMA IF EXISTS "Sales" CASCADE',
        'CREATE SCHEMA "Sales"',
        'CREATE TABLE "Sales".orders AS SELECT 7 AS id',
    )
    done = odibi(tmp_path, postgres, "table: Sales.orders")
    assert done.returncode == 0 and table(tmp_path)[1] == [("7",)]


SCHEMAS = ["Probe", "probe", "a b", 'q"x', "back\\slash"]


def test_a_schema_may_have_any_name(postgres: Server) -> None:
    quoted = ['"' + name.replace('"', '""') + '"' for name in SCHEMAS]
    for number, name in enumerate(quoted):
        postgres.run(
            f"DROP SCHEMA IF EXISTS {name} CASCADE",
            f"CREATE SCHEMA {name}",
            f"CREATE TABLE {name}.named AS SELECT {number} AS v",
        )
    for number, name in enumerate(SCHEMAS):
        source = Source(
            "sql", Path("t"), table="named", connection=settings(postgres, schema_=name)
        )
        with PostgresRead(source).rows() as rows:
            assert rows.read_all().to_pylist() == [{"v": number}]


def test_an_address_that_cannot_be_read_shows_no_password(postgres: Server) -> None:
    connection = settings(postgres, host="[::1", password="p@ss/wo rd")
    source = Source("sql", Path("t"), table="t", connection=connection)
    with pytest.raises(EngineError, match=r"\*\*\*\*") as raised, PostgresRead(source).rows():
        pass
    assert "p%40ss" not in str(raised.value) and "p@ss" not in str(raised.value)


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    known = {
        "username": None,
        "password": None,
        "sslmode": "prefer",
        "timeout": 5,
        "schema_": "s",
        "port": 1,
        "database": "d",
    }
    assert "@[::1]:1/d?" in address({**known, "host": "::1"})
