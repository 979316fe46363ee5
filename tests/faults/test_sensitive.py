"""Values of sensitive columns stay out of errors, however a node fails."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from odibi.errors import EngineError
from odibi.runner.failures import describe
from tests.runner.running import project, run

CARD = "Ann of 4111-1111"
HOW = {
    "cast": 'transform: {steps: ["SELECT id, CAST(card AS BIGINT) AS card FROM df"]}',
    "deep cast": "transform: {steps: [{operation: cast_columns, params: {casts: {card: int}}}]}",
    "duplicate": "transformer: merge\n  params: {keys: [card]}",
    "error": "transform: {steps: [\"SELECT error('no ' || card) AS card FROM df\"]}",
    "python": "transform: {steps: [{function: fails}]}",
}
FAILS = """\
from odibi import transform


@transform
def fails(df):
    try:
        int(df["card"].iloc[0])
    except ValueError as error:
        raise KeyError(df["card"].iloc[0]) from error
"""


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize(
    "marked", ["sensitive: [card]", "sensitive: true", "columns: {card: {pii: true}}"]
)
@pytest.mark.parametrize("how", HOW)
def test_errors_hold_no_sensitive_value(tmp_path: Path, engine: str, marked: str, how: str) -> None:
    node = f"""\
- name: pay
  {marked}
  read: {{connection: data, format: parquet, path: cards.parquet}}
  {HOW[how]}
  write: {{connection: data, format: parquet, path: out.parquet}}
"""
    folder = project(tmp_path, node, engine=engine, functions=FAILS)
    if how == "duplicate":
        duckdb.sql("SELECT 1 AS id, 'x' AS card").write_parquet(str(folder / "out.parquet"))
    query = f"SELECT 1 AS id, '{CARD}' AS card UNION ALL SELECT 2, '{CARD}'"
    duckdb.sql(query).write_parquet(str(folder / "cards.parquet"))
    result = run(folder)
    assert result.outcome == "failed"
    error = result.state.nodes["p.pay"].error
    assert error is not None
    assert "***" in error.message
    for file in (folder / ".odibi").rglob("*"):
        if file.is_file():
            assert CARD.encode() not in file.read_bytes(), file


def test_only_what_the_author_wrote_is_shown() -> None:
    error = EngineError("Could not convert string 'M' to INT32 in column \"card\" (key 'Ann' is 7)")
    shown = describe(error, None, '{"name": "pay", "sql": "SELECT CAST(card AS INT32) FROM Made7"}')
    assert shown.message == (
        "Could not convert string '***' to INT32 in column \"card\" (key '***' is ***)"
    )
    assert describe(error, None).message == error.message
