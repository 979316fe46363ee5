"""Same input, same SQL, same table: every engine, cell by cell, against stated values."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odibi.engine import Frame, Session, Source, Target
from odibi_engines.duckdb_engine import DuckDBEngine
from odibi_engines.pandas_engine import PandasEngine

ENGINES: list[type[Any]] = [DuckDBEngine, PandasEngine]

Result = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]


def on_each(folder: Path, work: Callable[[Session, Path], Frame]) -> list[Result]:
    """Schema and ordered rows of what the work leaves, on every engine, each in a folder of its own."""
    results = []
    for make in ENGINES:
        place = folder / make.name
        place.mkdir(exist_ok=True)
        engine = make(work_dir=place / "work", threads=2, memory_limit="1GB")
        session = engine.session("parity")
        frame = work(session, place)
        rows = session.fetch("SELECT * FROM df ORDER BY ALL", {"df": frame}).rows
        results.append(
            (
                [(column.name, column.type) for column in frame.schema],
                [canonical(row) for row in rows],
            )
        )
        session.close()
        engine.close()
    return results


def canonical(value: Any) -> Any:
    """The value such that equal cells compare equal, also NaN."""
    if isinstance(value, tuple | list):
        return type(value)(canonical(item) for item in value)
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def assert_equal(
    results: list[Result], schema: list[tuple[str, str]] | None, rows: list[tuple[Any, ...]]
) -> None:
    for engine, (found_schema, found_rows) in zip(ENGINES, results, strict=True):
        if schema is not None:
            assert found_schema == schema, engine.name
        assert found_rows == rows, engine.name
    assert results[0] == results[1]


# Types through SQL and a write of each format

TYPES = [
    ("BIGINT", "9007199254740993", 9007199254740993),
    ("INTEGER", "-5", -5),
    ("UTINYINT", "200", 200),
    ("DOUBLE", "0.1", 0.1),
    ("DOUBLE", "'nan'::DOUBLE", "NaN"),
    ("DOUBLE", "'-inf'::DOUBLE", float("-inf")),
    ("FLOAT", "0.5::FLOAT", 0.5),
    ("DECIMAL(18,4)", "12345678901234.5678::DECIMAL(18,4)", Decimal("12345678901234.5678")),
    ("DECIMAL(38,2)", "-1.50::DECIMAL(38,2)", Decimal("-1.50")),
    ("BOOLEAN", "true", True),
    ("VARCHAR", "'é\U0001f355\n\"quoted\", it''s'", "é\U0001f355\n\"quoted\", it's"),
    ("VARCHAR", "''", ""),
    ("DATE", "DATE '0099-12-31'", date(99, 12, 31)),
    ("TIMESTAMP", "TIMESTAMP '2024-02-29 23:59:59.123456'", datetime(2024, 2, 29, 23, 59, 59, 123456)),
    ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2024-01-01 12:00:00+02:00'", datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ("TIME", "TIME '12:34:56.5'", time(12, 34, 56, 500_000)),
    ("UUID", "UUID 'c8e5b6a0-0000-4000-8000-000000000001'", UUID("c8e5b6a0-0000-4000-8000-000000000001")),
    ("BLOB", "'\\x00\\xff'::BLOB", b"\x00\xff"),
    ("JSON", """'{"a": [1, null]}'::JSON""", '{"a": [1, null]}'),
    ("VARCHAR[]", "['a', NULL, '']", ["a", None, ""]),
    ("STRUCT(a INTEGER, b DECIMAL(10,2)[])", "{'a': 1, 'b': [1.25::DECIMAL(10,2)]}", {"a": 1, "b": [Decimal("1.25")]}),
    ("MAP(VARCHAR, BIGINT)", "MAP {'k': 1::BIGINT}", {"k": 1}),
    ("STRUCT(a STRUCT(b DATE))[]", "[{'a': {'b': DATE '2024-01-01'}}]", [{"a": {"b": date(2024, 1, 1)}}]),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "literal", "value"), TYPES)
def test_types_survive_sql_and_parquet(
    tmp_path: Path, type_: str, literal: str, value: Any
) -> None:
    def work(session: Session, folder: Path) -> Frame:
        made = session.sql(f"SELECT 1 AS id, {literal}::{type_} AS v UNION ALL SELECT 2, NULL", {})
        again = session.sql("SELECT id, v FROM df WHERE id > 0", {"df": session.hold(made)})
        to = Target("parquet", folder / "t.parquet", "overwrite", "w")
        session.commit(session.stage(again, to))
        return session.read(Source("parquet", to.path, (to.path,)))

    assert_equal(
        on_each(tmp_path, work), [("id", "INTEGER"), ("v", type_)], [(1, value), (2, None)]
    )


SQL = [
    ("SELECT sum(n) AS s, count(*) AS c, avg(x) AS a, max(t) AS t FROM df", [(6, 4, 2.0, "d")]),
    ("SELECT n % 2 AS odd, string_agg(t, '' ORDER BY t) AS ts FROM df WHERE n IS NOT NULL GROUP BY ALL", [(0, "b"), (1, "ac")]),
    ("SELECT l.n, r.t FROM df l JOIN df r ON l.n = r.n + 1", [(2, "a"), (3, "b")]),
    ("SELECT n, row_number() OVER (ORDER BY n) AS k FROM df WHERE n > 1", [(2, 1), (3, 2)]),
    ("SELECT unnest([n, n * 10]) AS u FROM df WHERE n = 2", [(2,), (20,)]),
    ("SELECT n FROM df WHERE n NOT IN (SELECT n FROM other)", [(3,)]),
    ("SELECT * FROM df ANTI JOIN other USING (n) WHERE t <> 'd'", [(3, 3.0, "c")]),
    ("WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT i FROM r JOIN df ON n = i", [(1,), (2,), (3,)]),
    ("PIVOT (SELECT n, t FROM df WHERE n < 3) ON t USING sum(n)", [(1, 2)]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "rows"), SQL)
def test_sql_steps(tmp_path: Path, query: str, rows: list[tuple[Any, ...]]) -> None:
    def work(session: Session, _folder: Path) -> Frame:
        df = session.sql(
            "SELECT * FROM (VALUES (1, 1.0, 'a'), (2, 2.0, 'b'), (3, 3.0, 'c'), (NULL, NULL, 'd')) t(n, x, t)",
            {},
        )
        other = session.sql("SELECT unnest([1, 2]) AS n", {})
        return session.sql(query, {"df": df, "other": other})

    results = on_each(tmp_path, work)
    assert results[0] == results[1]
    assert [tuple(v for v in row) for row in results[0][1]] == rows


# Reading each format

ROWS = [
    {"id": 1, "name": 'é, "x"', "price": "1.25", "day": "2024-01-31"},
    {"id": 2, "name": None, "price": "-0.10", "day": None},
]
BAD = {"id": "two", "name": "b", "price": "1", "day": "2024-01-01"}
COLUMNS = {"id": "BIGINT", "name": "VARCHAR", "price": "DECIMAL(10,2)", "day": "DATE"}
EXPECTED = [(1, 'é, "x"', Decimal("1.25"), date(2024, 1, 31)), (2, None, Decimal("-0.10"), None)]


def csv_file(folder: Path) -> Path:
    lines = ["id,name,price,day", '1,"é, ""x""",1.25,2024-01-31', "2,,-0.10,", "two,b,1,2024-01-01"]
    (folder / "in.csv").write_text("\n".join(lines) + "\n")
    return folder / "in.csv"


def ndjson_file(folder: Path) -> Path:
    (folder / "in.ndjson").write_text("\n".join(json.dumps(row) for row in [*ROWS, BAD]))
    return folder / "in.ndjson"


@pytest.mark.parametrize(
    ("make", "format_", "line"), [(csv_file, "csv", 4), (ndjson_file, "json", 3)]
)
def test_text_and_its_rejects(
    tmp_path: Path, make: Callable[[Path], Path], format_: str, line: int
) -> None:
    file = make(tmp_path)

    def rows(session: Session, _folder: Path) -> Frame:
        return session.hold(session.read(Source(format_, file, (file,), COLUMNS)))

    def rejects(session: Session, folder: Path) -> Frame:
        rows(session, folder)
        report = session.read_reports()[0]
        assert (report.read, report.unreadable) == (3, 1)
        assert report.rejects is not None
        return session.sql("SELECT line, reason FROM df", {"df": report.rejects})

    assert_equal(on_each(tmp_path, rows), list(COLUMNS.items()), EXPECTED)
    assert_equal(on_each(tmp_path, rejects), None, [(line, "column id: two is not a BIGINT")])


def test_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (id INTEGER, name TEXT, price REAL)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(1, "a", 1.5), (2, None, None)])
    db.close()
    results = on_each(tmp_path, lambda session, _: session.read(Source("sql", path, table="t")))
    assert_equal(
        results,
        [("id", "BIGINT"), ("name", "VARCHAR"), ("price", "DOUBLE")],
        [(1, "a", 1.5), (2, None, None)],
    )


# Writing: each mode and format

MODES = {
    "overwrite": [(2, "B"), (None, "N")],
    "append": [(1, "a"), (2, "B"), (2, "b"), (None, "N"), (None, "n")],
    "upsert": [(1, "a"), (2, "B"), (None, "N")],
    "append_once": [(1, "a"), (2, "b"), (None, "n")],
}


@pytest.mark.parametrize("format_", ["parquet", "csv", "json", "delta"])
@pytest.mark.parametrize("mode", MODES)
def test_writes(tmp_path: Path, mode: str, format_: str) -> None:
    def work(session: Session, folder: Path) -> Frame:
        path = folder / f"{mode}.{format_}"
        old = session.sql(
            "SELECT * FROM (VALUES (1::BIGINT, 'a'), (2, 'b'), (NULL, 'n')) t(id, name)", {}
        )
        new = session.sql("SELECT * FROM (VALUES (2::BIGINT, 'B'), (NULL, 'N')) t(id, name)", {})
        session.commit(session.stage(old, Target(format_, path, "overwrite", "w1")))
        staged = session.stage(new, Target(format_, path, mode, "w2", keys=("id",)))
        assert staged.rows == (0 if mode == "append_once" else 2)
        session.commit(staged)
        columns = {"id": "BIGINT", "name": "VARCHAR"} if format_ in ("csv", "json") else None
        options = {"lines": True} if format_ == "json" else {}
        return session.read(
            Source(format_, path, () if format_ == "delta" else (path,), columns, options)
        )

    assert_equal(on_each(tmp_path, work), [("id", "BIGINT"), ("name", "VARCHAR")], MODES[mode])


# Any table at all

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "DOUBLE": st.floats(allow_nan=True, allow_infinity=True).map(lambda x: x + 0.0),
    "DECIMAL(20,6)": st.decimals(-(10**13), 10**13, places=6, allow_nan=False),
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    "BOOLEAN": st.booleans(),
    "DATE": st.dates(),
    "TIMESTAMP": st.datetimes(),
    "BLOB": st.binary(max_size=6),
    "BIGINT[]": st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=3),
}  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """Columns with types, and rows with nulls."""
    types = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    row = st.tuples(*(st.one_of(st.none(), CELLS[type_]) for type_ in types))
    return {f"c{n} {type_}": type_ for n, type_ in enumerate(types)}, draw(
        st.lists(row, max_size=6)
    )


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(table=tables())
def test_any_table_survives_a_write(tmp_path_factory: pytest.TempPathFactory, table: Any) -> None:
    types, rows = table
    folder = tmp_path_factory.mktemp("any")
    import pyarrow as pa

    arrow = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "DECIMAL(20,6)": pa.decimal128(20, 6), "VARCHAR": pa.string(),
             "BOOLEAN": pa.bool_(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "BLOB": pa.binary(),
             "BIGINT[]": pa.list_(pa.int64())}  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    made = pa.table(
        {
            name: pa.array(column, arrow[type_])
            for (name, type_), column in zip(types.items(), columns, strict=True)
        }
    )

    def work(session: Session, place: Path) -> Frame:
        from odibi.engine import UserFunction

        frame = session.call(UserFunction("made", lambda: made, "arrow"), None, {}, {})
        to = Target("parquet", place / "t.parquet", "overwrite", "w")
        staged = session.stage(session.sql("SELECT * FROM df", {"df": frame}), to)
        assert staged.rows == len(rows)
        session.commit(staged)
        return session.read(Source("parquet", to.path, (to.path,)))

    results = on_each(folder, work)
    assert results[0] == results[1]
    assert results[0][0] == list(types.items())
    key = repr
    assert sorted(results[0][1], key=key) == sorted((canonical(row) for row in rows), key=key)
