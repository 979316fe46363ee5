"""Running built-ins on a real DuckDB, as an engine would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from odibi.engine import Column, Rows, Schema
from odibi.transforms import BuildContext, Builtin, Example, Table, registry
from odibi.transforms.sql import ident

RUN_AT = datetime(2025, 11, 14, 12, 0, tzinfo=UTC)


class Duck:
    """One in-memory database; tables by name, results as plain values."""

    def __init__(self) -> None:
        self.con = duckdb.connect(config={"threads": "1", "preserve_insertion_order": "false"})
        self.con.execute("SET timezone = 'UTC'")
        self.warnings: list[str] = []

    def table(self, name: str, table: Table | str) -> None:
        select = table if isinstance(table, str) else table.select()
        self.con.execute(f"CREATE OR REPLACE TABLE {ident(name)} AS {select}")

    def schema(self, query: str) -> Schema:
        rows = self.con.execute(f"DESCRIBE {query}").fetchall()
        return tuple(Column(row[0], row[1]) for row in rows)

    def fetch(self, query: str) -> Rows:
        """All rows; moments come as text, for which DuckDB needs no further package (pytz)."""
        relation = self.con.sql(f"SELECT * FROM (\n{query}\n)")
        moments = [
            f"CAST({ident(name)} AS VARCHAR) AS {ident(name)}"
            for name, kind in zip(relation.columns, relation.types, strict=True)
            if str(kind) == "TIMESTAMP WITH TIME ZONE"
        ]
        if moments:
            relation = relation.project(f"* REPLACE ({', '.join(moments)})")
        return Rows(tuple(relation.columns), relation.fetchall())

    def context(self, tables: Mapping[str, Any] = {}, run_at: datetime = RUN_AT) -> BuildContext:
        """The context of a built-in over table `df` and the named others."""
        return BuildContext(
            columns=self.schema("df") if self._has("df") else (),
            tables={name: self.schema(ident(name)) for name in tables},
            fetch=self.fetch,
            run_at=run_at,
            warn=self.warnings.append,
        )

    def _has(self, name: str) -> bool:
        return bool(
            self.con.execute(
                "SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]
            ).fetchall()
        )

    def run(
        self,
        name: str,
        params: Mapping[str, Any],
        df: Table | str | None = None,
        tables: Mapping[str, Table | str] = {},
        run_at: datetime = RUN_AT,
    ) -> list[dict[str, Any]]:
        """Rows that the built-in makes of `df`, as dicts."""
        return dicts(self.fetch(self.sql(registry.parse(name, params), df, tables, run_at)))

    def sql(
        self,
        built: Builtin,
        df: Table | str | None = None,
        tables: Mapping[str, Table | str] = {},
        run_at: datetime = RUN_AT,
    ) -> str:
        """The SQL of a built-in, after loading its inputs."""
        if df is not None:
            self.table("df", df)
        for other, table in tables.items():
            self.table(other, table)
        return built.build(self.context(tables, run_at))

    def example(self, built: Builtin, example: Example) -> Rows:
        return self.fetch(self.sql(built, example.df, example.tables))


def dicts(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]


def shown(value: Any) -> Any:
    """The value as examples write it: dates, times, intervals and decimals as text."""
    if isinstance(value, dict):
        return {key: shown(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [shown(part) for part in value]
    if isinstance(value, date | timedelta | Decimal):
        return str(value)
    return value


def canonical(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as comparable values, in one order."""
    return sorted((shown(row) for row in rows), key=repr)
