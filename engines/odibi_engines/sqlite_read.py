"""Reading SQLite: streamed through the standard library, typed by declaration, strict about values."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from difflib import get_close_matches
from typing import Any

from odibi.engine import Column, Schema, Source
from odibi.errors import Cancelled, EngineError

from .sql_text import ident

__all__ = ["Columns", "SqliteRead", "kind_of"]

_BATCH = 20_000

Columns = list[Sequence[Any]]


class SqliteRead:
    """One table or query of a database file; columns are known at once, rows when asked for."""

    def __init__(self, source: Source) -> None:
        if not source.path.is_file():
            raise EngineError(
                f"no database file {source.path.name}", hint=f"looked for {source.path}"
            )
        self.path = source.path
        self.query = source.query or f"SELECT * FROM {ident(source.table or '')}"
        self.table = source.table
        if source.enough is not None and source.table:
            self.query += f" LIMIT {source.enough}"
        self.fields = self._declared() if source.table else self._inferred()

    @property
    def schema(self) -> Schema:
        """The columns in DuckDB's types."""
        return tuple(Column(name, _DUCK[type_]) for name, type_ in self.fields)

    def _open(self) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, check_same_thread=False)

    def _run(self, connection: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
        try:
            return connection.execute(statement)
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def _refused(self, error: sqlite3.Error) -> EngineError:
        busy = "locked" in str(error) or "busy" in str(error)
        return EngineError(f"{self.path.name}: {error}", sql=self.query, transient=busy)

    def _declared(self) -> list[tuple[str, str]]:
        with closing(self._open()) as connection:
            rows = self._run(connection, f"PRAGMA table_info({ident(self.table or '')})").fetchall()
            if rows:
                return self._completed([(row[1], kind_of(row[2])) for row in rows])
            found = self._run(
                connection, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            ).fetchall()
        names = [row[0] for row in found]
        near = get_close_matches(self.table or "", names, n=1)
        known = f"tables: {', '.join(names) or 'none'}"
        raise EngineError(
            f"{self.path.name} has no table {self.table!r}",
            hint=f"did you mean {near[0]!r}? {known}" if near else known,
        )

    def _completed(self, declared: list[tuple[str, str | None]]) -> list[tuple[str, str]]:
        """Columns whose declaration says nothing have the type of their values."""
        if all(kind for _, kind in declared):
            return [(name, kind or "") for name, kind in declared]
        found = dict(self._inferred())
        return [(name, kind or found[name]) for name, kind in declared]

    def _inferred(self) -> list[tuple[str, str]]:
        """Types of a query's columns: what all values of the first batch have in common."""
        with closing(self._open()) as connection:
            cursor = self._run(connection, self.query)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchmany(_BATCH)
        columns: Sequence[Sequence[Any]] = (
            list(zip(*rows, strict=True)) if rows else [()] * len(names)
        )
        return [(name, _common(values)) for name, values in zip(names, columns, strict=True)]

    def batches(self, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Columns]:
        """All rows, column by column. Raises EngineError for a value that the column can't hold."""
        with closing(self._open()) as connection:
            cursor = self._run(connection, self.query)
            while rows := self._next(cursor):
                if cancelled():
                    raise Cancelled
                columns = zip(*rows, strict=True)
                yield [
                    _checked(*field, values)
                    for field, values in zip(self.fields, columns, strict=True)
                ]

    def _next(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        try:
            return cursor.fetchmany(_BATCH)
        except sqlite3.Error as error:
            raise self._refused(error) from None

    def arrow(self, batches: Iterable[Columns]) -> Any:
        """Batches as an Arrow reader. Raises EngineError for a text that is no time."""
        import pyarrow as pa  # 0.4 s with what DuckDB loads to scan it: only for many rows

        types = {kind: pa.type_for_alias(alias) for kind, alias in _ARROW.items()}
        types["timestamptz"] = pa.timestamp("us", "UTC")
        schema = pa.schema([(name, types[kind]) for name, kind in self.fields])

        def converted() -> Iterator[Any]:
            for columns in batches:
                arrays = [
                    _array(pa, name, types[kind], values)
                    for (name, kind), values in zip(self.fields, columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, converted())


def _array(pa: Any, name: str, type_: Any, values: Sequence[Any]) -> Any:
    try:
        if pa.types.is_temporal(type_):
            return _moments(pa, pa.array(values, pa.string()), type_)
        return pa.array(values, type_)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise EngineError(f"column {name!r}: {error}", hint=f"it is read as {type_}") from None


def _moments(pa: Any, texts: Any, type_: Any) -> Any:
    """Texts as dates or times; those of a column with time zone that say none are UTC."""
    try:
        return texts.cast(type_)
    except pa.ArrowInvalid:
        if getattr(type_, "tz", None) is None:
            raise
        return texts.cast(pa.timestamp("us")).cast(type_)


_DUCK = {
    "int": "BIGINT",
    "real": "DOUBLE",
    "text": "VARCHAR",
    "blob": "BLOB",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "decimal": "DOUBLE",
}
_ARROW = {
    "int": "int64", "real": "float64", "decimal": "float64", "text": "string", "blob": "binary", "bool": "bool",
    "date": "date32", "timestamp": "timestamp[us]",
}  # fmt: skip


def kind_of(declared: str) -> str | None:
    """The kind of a column (a key of `_DUCK`), None when its declaration says nothing: what a declaration means, by SQLite's rules of affinity and the usual names for times."""
    name = re.sub(r"\(.*", "", declared).strip().upper()
    if "INT" in name:
        return "int"
    if name in ("BOOLEAN", "BOOL"):
        return "bool"
    if name == "DATE":
        return "date"
    if name.startswith(("TIMESTAMP", "DATETIME")):
        return "timestamptz" if name.endswith(("WITH TIME ZONE", "TZ")) else "timestamp"
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return "real"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return {"BLOB": "blob", "NUMERIC": "decimal", "DECIMAL": "decimal"}.get(name)


def _common(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return "int"
    if kinds and kinds <= {int, float}:
        return "real"
    return "blob" if kinds == {bytes} else "text"


_PYTHON: dict[str, tuple[type, ...]] = {
    "int": (int,), "real": (float, int), "decimal": (float, int), "text": (str,), "blob": (bytes,), "bool": (int,),
    "date": (str,), "timestamp": (str,), "timestamptz": (str,),
}  # fmt: skip


def _checked(name: str, kind: str, values: Sequence[Any]) -> Sequence[Any]:
    """One column of a batch. SQLite keeps any value anywhere, so all are looked at."""
    strange = set(map(type, values)) - {type(None), *_PYTHON[kind]}
    if strange:
        raise _strange(name, kind, next(value for value in values if type(value) in strange))
    return [_boolean(name, value) for value in values] if kind == "bool" else values


def _boolean(name: str, value: Any) -> bool | None:
    if value in (None, 0, 1):
        return None if value is None else bool(value)
    raise _strange(name, "bool", value)


def _strange(name: str, kind: str, value: Any) -> EngineError:
    return EngineError(
        f"column {name!r} holds {value!r} ({type(value).__name__}), which is not {_DUCK[kind]}",
        hint="SQLite keeps values of any type in a column: cast it in a query (read.query), or mend the row",
    )
