"""`schema_policy`: the table that is there decides which columns of a result are written, and as what."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from odibi.runner import RunResult
from tests.runner.running import project, run, statuses

NODE = """\
- name: load
  read: {{connection: data, format: parquet, path: in.parquet}}
  schema_policy: {policy}
  write: {{connection: data, format: {format}, path: {out}, mode: {mode}}}
"""
FIRST = "1 AS id, 'a' AS v"
ENGINES = pytest.mark.parametrize("engine", ["duckdb", "pandas"])


def _after(
    folder: Path,
    second: str,
    policy: str,
    *,
    engine: str = "duckdb",
    format: str = "parquet",
    mode: str = "append",
) -> RunResult:
    """Two runs, the second with other columns."""
    out = "out" if format == "delta" else f"out.{format}"
    text = NODE.format(policy=policy, format=format, out=out, mode=mode)
    project(folder, text, engine=engine)
    for columns in (FIRST, second):
        duckdb.sql(f"COPY (SELECT {columns}) TO '{folder / 'in.parquet'}'")
        result = run(folder)
    return result


def _table(folder: Path, format: str = "parquet") -> tuple[list[str], list[tuple[object, ...]]]:
    """Column names and rows of the table, in order."""
    if format == "delta":
        from deltalake import DeltaTable

        found = duckdb.from_arrow(DeltaTable(folder / "out").to_pyarrow_table())
    else:
        found = duckdb.sql(f"FROM '{folder / f'out.{format}'}'")
    return found.columns, found.order("1, 2").fetchall()


@ENGINES
@pytest.mark.parametrize(
    ("policy", "second", "columns", "rows"),
    [
        ("{}", "'b' AS v, 2 AS id, 9 AS x", ["id", "v"], [(1, "a"), (2, "b")]),
        ("{mode: enforce}", "2 AS id", ["id", "v"], [(1, "a"), (2, None)]),
        ("{mode: enforce}", "'b' AS V, 2 AS Id", ["id", "v"], [(1, "a"), (2, "b")]),
        (
            "{mode: evolve}",
            "9 AS x, 2 AS id",
            ["id", "v", "x"],
            [(1, "a", None), (2, None, 9)],
        ),
        (
            "{mode: evolve, on_new_columns: ignore}",
            "9 AS x, 2 AS id, 'b' AS v",
            ["id", "v"],
            [(1, "a"), (2, "b")],
        ),
        (
            "{on_new_columns: add_nullable}",
            "2 AS id, 'b' AS v, 9 AS x",
            ["id", "v", "x"],
            [(1, "a", None), (2, "b", 9)],
        ),
    ],
)
def test_columns_of_the_table_after_an_append(
    tmp_path: Path, engine: str, policy: str, second: str, columns: list[str], rows: list[object]
) -> None:
    assert statuses(_after(tmp_path, second, policy, engine=engine)) == {"load": "succeeded"}
    assert _table(tmp_path) == (columns, rows)


@pytest.mark.parametrize("format", ["parquet", "csv", "json", "delta"])
@pytest.mark.parametrize(
    ("mode", "rows"),
    [("append", [(1, "a", None), (2, None, 9)]), ("overwrite", [(2, None, 9)])],
)
def test_every_format_grows(tmp_path: Path, format: str, mode: str, rows: list[object]) -> None:
    result = _after(tmp_path, "9 AS x, 2 AS id", "{mode: evolve}", format=format, mode=mode)
    assert statuses(result) == {"load": "succeeded"}
    columns, found = _table(tmp_path, format)
    names = [columns.index(name) for name in ("id", "v", "x") if name in columns]
    assert [tuple(row[n] for n in names) for row in found] == rows


@pytest.mark.parametrize(
    ("policy", "second", "message"),
    [
        (
            "{on_new_columns: fail}",
            "2 AS id, 'b' AS v, 9 AS x",
            "schema_policy: the table has no 'x'",
        ),
        (
            "{mode: evolve, on_missing_columns: fail}",
            "9 AS x",
            "schema_policy: the result lacks 'id', 'v' of the table",
        ),
        (
            "{mode: enforce}",
            "2.5 AS id, 'b' AS v",
            "schema_policy: a value of column 'id' does not fit INTEGER",
        ),
    ],
)
def test_what_the_policy_refuses_is_not_written(
    tmp_path: Path, policy: str, second: str, message: str
) -> None:
    error = _after(tmp_path, second, policy).state.nodes["p.load"].error
    assert error is not None
    assert message in error.message
    assert _table(tmp_path) == (["id", "v"], [(1, "a")])


@ENGINES
def test_types_of_the_table_stay(tmp_path: Path, engine: str) -> None:
    result = _after(tmp_path, "'2' AS id, 7 AS v", "{mode: enforce}", engine=engine)
    assert statuses(result) == {"load": "succeeded"}
    assert _table(tmp_path) == (["id", "v"], [(1, "a"), (2, "7")])


def test_columns_left_out_are_told(tmp_path: Path) -> None:
    result = _after(tmp_path, "2 AS id, 'b' AS v, 9 AS x, 8 AS y", "{}")
    told = [line.message for line in result.state.nodes["p.load"].logs if line.level == "WARNING"]
    assert told == ["schema_policy: 'x', 'y' left out: the table has no such column"]
