"""Examples that each built-in carries: params, a few rows in, the rows that come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from odibi.engine import Schema
from odibi.transforms.sql import ident, literal, project
from odibi.transforms.types import columns_of

__all__ = ["Example", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """A tiny table: `columns` as `"id BIGINT, name VARCHAR"`, rows of plain values.

    Dates, times and decimals are written as text; a column without a type is text.
    """

    columns: str
    rows: Sequence[tuple[Any, ...]] = ()

    @property
    def schema(self) -> Schema:
        """Names and types of the columns."""
        return columns_of(self.columns)

    def select(self) -> str:
        """The SELECT that makes the table."""
        names = [f"c{number}" for number in range(len(self.schema))]
        rows = ", ".join(f"({', '.join(map(_cell, row))})" for row in self.rows)
        values = (
            f"(VALUES {rows}) AS t({', '.join(names)})"
            if rows
            else f"(SELECT {_nulls(names)}) WHERE FALSE"
        )
        items = [
            (f"CAST({name} AS {column.type})", column.name)
            for name, column in zip(names, self.schema, strict=True)
        ]
        return f"SELECT {project(items)} FROM {values}"


def _nulls(names: Sequence[str]) -> str:
    return ", ".join(f"NULL AS {name}" for name in names)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{ident(key)}: {_cell(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_cell, value)) + "]"
    return literal(value)


@dataclass(frozen=True, slots=True)
class Example:
    """A built-in at work: `df` and the other `tables` in, `result` out; shown to users and tested."""

    params: Mapping[str, Any]
    df: Table
    result: Table
    tables: Mapping[str, Table] = field(default_factory=dict)
