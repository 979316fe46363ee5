"""Every type written to a real database and read back, by value; and the values that are refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.machine import needs_java

from .conftest import Server
from .projects import Sqlite, odibi, project, run

# SQL, then type and text of what comes back from PostgreSQL and from SQLite
VALUES = [
    ("(-128)::TINYINT", "SMALLINT -128", "BIGINT -128"),
    ("32767::SMALLINT", "SMALLINT 32767", "BIGINT 32767"),
    ("2147483647::INTEGER", "INTEGER 2147483647", "BIGINT 2147483647"),
    ("9007199254740993::BIGINT", "BIGINT 9007199254740993", "BIGINT 9007199254740993"),
    ("255::UTINYINT", "SMALLINT 255", "BIGINT 255"),
    ("65535::USMALLINT", "INTEGER 65535", "BIGINT 65535"),
    ("4294967295::UINTEGER", "BIGINT 4294967295", "BIGINT 4294967295"),
    ("9223372036854775807::UBIGINT", "DECIMAL(20,0) 9223372036854775807", "BIGINT 9223372036854775807"),
    ("1.5::FLOAT", "FLOAT 1.5", "DOUBLE 1.5"),
    ("0.1::DOUBLE", "DOUBLE 0.1", "DOUBLE 0.1"),
    ("'-inf'::DOUBLE", "DOUBLE -inf", "DOUBLE -inf"),
    ("(-1.50)::DECIMAL(10,2)", "DECIMAL(10,2) -1.50", "DOUBLE -1.5"),
    ("7.00::DECIMAL(38,2)", "DECIMAL(38,2) 7.00", "DOUBLE 7.0"),
    ("true", "BOOLEAN true", "BOOLEAN true"),
    ("'é😀 ''\"'", "VARCHAR é😀 '\"", "VARCHAR é😀 '\""),
    ("''", "VARCHAR ", "VARCHAR "),
    ("'\\x00\\xFF'::BLOB", "BLOB \\x00\\xFF", "BLOB \\x00\\xFF"),
    ("DATE '0002-02-28'", "DATE 0002-02-28", "DATE 0002-02-28"),
    ("TIME '23:59:59.999999'", "TIME 23:59:59.999999", "VARCHAR 23:59:59.999999"),
    ("TIMESTAMP '2024-02-29 12:00:00.000001'", "TIMESTAMP 2024-02-29 12:00:00.000001", "TIMESTAMP 2024-02-29 12:00:00.000001"),
    ("TIMESTAMP_S '2024-02-29 12:00:00'", "TIMESTAMP 2024-02-29 12:00:00", "TIMESTAMP 2024-02-29 12:00:00"),
    ("TIMESTAMP_NS '2024-02-29 12:00:00.000001'", "TIMESTAMP 2024-02-29 12:00:00.000001", "TIMESTAMP 2024-02-29 12:00:00.000001"),
    ("TIMESTAMPTZ '2024-03-31 02:30:00.5+02'", "TIMESTAMP WITH TIME ZONE 2024-03-31 00:30:00.5+00", "TIMESTAMP WITH TIME ZONE 2024-03-31 00:30:00.5+00"),
    ("UUID '5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d'", "UUID 5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d", "VARCHAR 5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d"),
    ("'{\"a\": [1, null]}'::JSON", 'JSON {"a": [1, null]}', 'VARCHAR {"a": [1, null]}'),
    ("'5'::JSON", "JSON 5", "VARCHAR 5"),
    ("INTERVAL '1 month 2 days'", "VARCHAR 1 mon 2 days", "VARCHAR 1 month 2 days"),
    ("'a'::ENUM('a', 'b')", "VARCHAR a", "VARCHAR a"),
    ("[1, NULL, 3]", "INTEGER[] [1, NULL, 3]", "VARCHAR [1,null,3]"),
    ("['a', NULL]", "VARCHAR[] [a, NULL]", 'VARCHAR ["a",null]'),
    ("[DATE '2024-01-01']", 'JSON ["2024-01-01"]', 'VARCHAR ["2024-01-01"]'),
    ("[[1], [2]]", "JSON [[1], [2]]", "VARCHAR [[1],[2]]"),
    ("{'a': 1, 'b': 'x'}", 'JSON {"a": 1, "b": "x"}', 'VARCHAR {"a":1,"b":"x"}'),
    ("MAP {'k': 1.5}", 'JSON {"k": 1.5}', 'VARCHAR {"k":1.5}'),
    ("'101'::BIT", "VARCHAR 101", "VARCHAR 101"),
]  # fmt: skip


def read_back(folder: Path, database: Sqlite | Server, engine: str) -> list[list[str]]:
    """Type and text of each value of the table, a list for each row."""
    read = "read: {connection: db, format: sql, table: kinds}"
    write = "write: {connection: lake, format: parquet, path: n.parquet}"
    project(folder, database, [f"{{name: n, {read}, {write}}}"], engine)
    done = odibi(folder, "run")
    assert done.code == 0, done.out + done.err
    found = (
        duckdb.read_parquet(str(folder / "lake" / "n.parquet")).order("id").project("* EXCLUDE id")
    )
    texts = found.project("columns(*)::VARCHAR").fetchall()
    return [
        [f"{kind} {value}" for kind, value in zip(found.types, row, strict=True)] for row in texts
    ]


def write_all(folder: Path, database: Sqlite | Server, engine: str) -> None:
    made = ", ".join(f"{sql} AS c{n}" for n, (sql, *_) in enumerate(VALUES))
    sql = f"SELECT 1 AS id, {made} UNION ALL BY NAME SELECT 2 AS id"
    run(folder, database, sql, "table: kinds", engine)
    run(folder, database, sql, "table: kinds, mode: upsert, merge_keys: [id]", engine)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_sqlite_keeps_every_type(tmp_path: Path, engine: str) -> None:
    database = Sqlite(tmp_path / "shop.db")
    write_all(tmp_path, database, engine)
    first, second = read_back(tmp_path, database, engine)
    assert first == [wanted for *_, wanted in VALUES]
    assert {value.rpartition(" ")[2] for value in second} == {"None"}


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_postgres_keeps_every_type(tmp_path: Path, postgres: Server, engine: str) -> None:
    postgres.run("DROP TABLE IF EXISTS kinds")
    write_all(tmp_path, postgres, engine)
    first, second = read_back(tmp_path, postgres, engine)
    assert first == [wanted for _, wanted, _ in VALUES]
    assert {value.rpartition(" ")[2] for value in second} == {"None"}


def test_spark_writes_by_way_of_duckdb(tmp_path: Path, postgres: Server) -> None:
    needs_java()
    postgres.run("DROP TABLE IF EXISTS kinds")
    known = [
        value for value in VALUES if not value[0].startswith(("INTERVAL", "'101'", "TIMESTAMP_"))
    ]
    made = ", ".join(f"{sql} AS c{n}" for n, (sql, *_) in enumerate(known)).replace("'", "''")
    write = "write: {connection: db, format: sql, table: kinds, mode: upsert, merge_keys: [id]}"
    node = f"{{name: n, transform: {{steps: [{{sql: 'SELECT 1 AS id, {made}'}}]}}, {write}}}"
    project(tmp_path, postgres, [node], "spark")
    done = odibi(tmp_path, "run")
    assert done.code == 0, done.out + done.err
    assert read_back(tmp_path, postgres, "duckdb") == [[wanted for _, wanted, _ in known]]


def refusal(folder: Path, database: Sqlite | Server, sql: str, write: str = "table: t") -> str:
    """What odibi says when it doesn't write the rows."""
    with pytest.raises(AssertionError) as raised:
        run(folder, database, sql, write)
    return str(raised.value)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 'NaN'::DOUBLE AS x", "column 'x' has NaN, which SQLite can't hold"),
        (
            "SELECT 12345678901234567.89::DECIMAL(20,2) AS x",
            "has more digits than SQLite's numbers",
        ),
        ("SELECT 18446744073709551615::UBIGINT AS x", "18446744073709551615"),
        ("SELECT 'infinity'::DATE AS x", "column 'x' has a time that is infinite"),
        ("SELECT DATE '0044-03-15 (BC)' AS x", "before year 1"),
        ("SELECT TIMESTAMP_NS '2024-01-01 00:00:00.000000001' AS x", "finer than microseconds"),
    ],
)
def test_sqlite_gets_no_value_that_it_would_change(tmp_path: Path, sql: str, said: str) -> None:
    database = Sqlite(tmp_path / "shop.db")
    assert said in refusal(tmp_path, database, sql)
    assert database.run("SELECT name FROM sqlite_master") == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 'infinity'::TIMESTAMP AS x", "column 'x' has a time that is infinite"),
        ("SELECT TIMESTAMP_NS '2024-01-01 00:00:00.000000001' AS x", "finer than microseconds"),
        ("SELECT chr(0) AS x", "0x00"),
    ],
)
def test_postgres_gets_no_value_that_it_would_change(
    tmp_path: Path, postgres: Server, sql: str, said: str
) -> None:
    postgres.run("DROP TABLE IF EXISTS t")
    assert said in refusal(tmp_path, postgres, sql)
    assert postgres.run("SELECT to_regclass('t')") == [(None,)]


# type of the table's column, what is written, and what it holds then
TAKEN = [
    ("smallint", "7::BIGINT", "7"),
    ("numeric(4,1)", "7.5::DECIMAL(10,1)", "7.5"),
    ("double precision", "7::INTEGER", "7"),
    ("varchar(3)", "'abc'", "abc"),
    ("uuid", "'5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d'", "5a51dc8f-0b0e-4dcf-b6e5-2c2ac8ff3b3d"),
    ("json", "'[1]'::JSON", "[1]"),
    ("inet", "'10.0.0.1'", "10.0.0.1/32"),
    ("timestamp", "DATE '2024-01-01'", "2024-01-01 00:00:00"),
    ("int GENERATED BY DEFAULT AS IDENTITY", "7", "7"),
]


@pytest.mark.parametrize(("kind", "sql", "wanted"), TAKEN)
def test_a_column_takes_what_it_holds_unchanged(
    tmp_path: Path, postgres: Server, kind: str, sql: str, wanted: str
) -> None:
    postgres.run("DROP TABLE IF EXISTS fixed", f"CREATE TABLE fixed (x {kind})")
    for mode in ("append", "upsert, merge_keys: [x]", "overwrite"):
        if kind != "json" or "upsert" not in mode:  # PostgreSQL can't compare json
            run(tmp_path, postgres, f"SELECT {sql} AS x", f"table: fixed, mode: {mode}")
            assert postgres.run("SELECT x::text FROM fixed") == [(wanted,)]


REFUSED = [
    ("smallint", "70000::BIGINT", "out of range"),
    ("numeric(4,1)", "12345.5::DECIMAL(10,1)", "overflow"),
    ("numeric(4,1)", "7.55::DECIMAL(10,2)", "'x' is numeric(10,2), in the table numeric(4,1)"),
    ("double precision", "7::BIGINT", "'x' is bigint, in the table double precision"),
    ("integer", "7.0::DOUBLE", "'x' is double precision, in the table integer"),
    ("real", "0.1::DOUBLE", "'x' is double precision, in the table real"),
    ("varchar(3)", "'abcd'", "value too long"),
    ("uuid", "'x'", "invalid input syntax for type uuid"),
    ("integer", "'7'", "'x' is text, in the table integer"),
    ("date", "TIMESTAMP '2024-01-01 10:00:00'", "in the table date"),
    ("timestamp(0)", "TIMESTAMP '2024-01-01 10:00:00.5'", "in the table timestamp(0)"),
    ("timestamptz", "TIMESTAMP '2024-01-01 10:00:00'", "in the table timestamp with time zone"),
    ("text", "7", "'x' is integer, in the table text"),
    ("int GENERATED ALWAYS AS IDENTITY", "7", "cannot insert a non-DEFAULT value"),
]


@pytest.mark.parametrize(("kind", "sql", "said"), REFUSED)
def test_a_column_refuses_what_it_would_change(
    tmp_path: Path, postgres: Server, kind: str, sql: str, said: str
) -> None:
    postgres.run("DROP TABLE IF EXISTS fixed", f"CREATE TABLE fixed (x {kind})")
    assert said in refusal(tmp_path, postgres, f"SELECT {sql} AS x", "table: fixed, mode: append")
    assert postgres.run("SELECT count(*) FROM fixed") == [(0,)]
