"""Tables written as text, and tables found in files, as types and values that compare by `==`.

The first line of a text has the columns with their types, every other one a row. A cell is what
DuckDB reads as the column's type; `null` and nothing are null, `"..."` is a text with JSON's escapes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from odibi.transforms.types import columns_of

__all__ = ["Found", "Stated", "found", "stated"]


@dataclass(frozen=True)
class Found:
    """Names and types of the columns, and all rows in one order that doesn't depend on where they came from."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Stated:
    """A table of a case: a cell is a text, or None for null."""

    columns: tuple[tuple[str, str], ...]
    cells: tuple[tuple[str | None, ...], ...]

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The table, typed, in the order of its lines."""
        con = _database()
        columns = ", ".join(f"{_ident(name)} {type_}" for name, type_ in self.columns)
        con.execute(f"CREATE TABLE stated ({columns})")
        if self.cells:
            marks = ", ".join(f"CAST(? AS {type_})" for _, type_ in self.columns)
            con.executemany(f"INSERT INTO stated VALUES ({marks})", [*self.cells])
        return con.table("stated")


def stated(text: str) -> Stated:
    """The table that a text says."""
    head, *lines = [line.strip() for line in text.strip("\n").splitlines() if line.strip()]
    schema = columns_of(head.replace("|", ","))
    columns = tuple((column.name, column.type) for column in schema)
    return Stated(columns, tuple(_row(line, columns) for line in lines))


def _row(line: str, columns: tuple[tuple[str, str], ...]) -> tuple[str | None, ...]:
    cells = line.split("|")
    if len(cells) != len(columns):
        raise ValueError(f"{len(columns)} columns, but {len(cells)} cells: {line}")
    return tuple(_cell(cell.strip()) for cell in cells)


def _cell(text: str) -> str | None:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return str(json.loads(text))
    return None if text in ("", "null") else text


def found(relation: duckdb.DuckDBPyRelation, ignore: tuple[str, ...] = ()) -> Found:
    """The rows of a relation without the columns to ignore."""
    kept = [
        (name, str(type_))
        for name, type_ in zip(relation.columns, relation.types, strict=True)
        if name not in ignore
    ]
    rows = relation.project(", ".join(_ident(name) for name, _ in kept)).fetchall()
    return Found(tuple(kept), tuple(sorted((_canonical(row) for row in rows), key=repr)))


def at(path: Path) -> duckdb.DuckDBPyRelation:
    """What lies at the place of an output: a Delta table, or a file or folder of Parquet."""
    con = _database()
    if (path / "_delta_log").is_dir():
        return con.from_arrow(DeltaTable(path).to_pyarrow_table())
    if not path.exists():
        (path,) = path.parent.glob(f"{path.name}.*")
    files = f"{path}/**/*.parquet" if path.is_dir() else str(path)
    return con.read_parquet(files, hive_partitioning=path.is_dir())


def _canonical(value: Any) -> Any:
    """A value that equals only its like: NaN itself, and 0.0 not -0.0.

    Numbers with a floating point are equal in their first 13 digits: sums depend on the order of rows.
    """
    if isinstance(value, tuple | list):
        return type(value)(_canonical(item) for item in value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return f"{value:.13g}" if isinstance(value, float) else value


def _database() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": "1"})
    con.execute("SET TimeZone = 'UTC'")
    return con


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
