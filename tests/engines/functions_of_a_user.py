"""Functions as users write them in transforms.py."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def with_pandas(df: pd.DataFrame, factor: int = 2) -> pd.DataFrame:
    return df.assign(doubled=df["x"] * factor)


def with_arrow(table: pa.Table) -> pa.Table:
    return table.append_column("doubled", pc.multiply(table["x"], 2))


def with_relation(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return rows.project("*, x * 2 AS doubled")


def with_context(context: Any, factor: int) -> pd.DataFrame:
    assert context.columns == ["x", "s"]
    assert len(context.df) == 3
    return context.sql(f"SELECT *, x * {factor} AS doubled FROM df")


def changing_context(context: Any) -> None:
    context.df = context.df.assign(doubled=context.df["x"] * 2)


def joining(df: pd.DataFrame, names: pd.DataFrame) -> pd.DataFrame:
    return df.merge(names, on="x", how="inner")


def from_nothing(rows: int) -> pa.Table:
    return pa.table({"x": list(range(rows))})


def failing(df: pd.DataFrame) -> pd.DataFrame:
    first = df["x"]
    return first["no such key"]


def returning_nothing(df: pd.DataFrame) -> None:
    df["x"] = 0


def mixing(df: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"a": [1, "one"]})


FAILING_LINE = failing.__code__.co_firstlineno + 2
