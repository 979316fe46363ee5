"""Writing to a table of a SQLite database: the batch in a file beside it, then one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from odibi.engine import Column, Schema, Target
from odibi.errors import Cancelled, EngineError

from . import table_plan
from .sql_text import ident, literal
from .sqlite_read import kind_of
from .table_plan import Field, Names, Standing, checked

__all__ = ["SqliteWrite", "fields", "holds_write", "open_write"]

_BUSY_SECONDS = 30.0
_BATCH = 20_000
_MAKE_NOTES = (
    f"CREATE TABLE IF NOT EXISTS {table_plan.NOTES} "
    "(write_id TEXT PRIMARY KEY, table_name TEXT, row_count INTEGER, written_at TEXT)"
)
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_TEXTS = ("VARCHAR", "UUID", "JSON", "INTERVAL", "TIME", "TIME WITH TIME ZONE", "BIT", '"NULL"')
_NESTED = ("STRUCT(", "MAP(", "UNION(")


def fields(schema: Schema) -> list[Field]:
    """The columns as SQLite keeps them. Raises EngineError for a type that it has nothing for."""
    return [_field(column) for column in schema]


def _field(column: Column) -> Field:
    name, value = column.name, ident(column.name)
    if column.type in _WHOLE or column.type == "UBIGINT":
        small = column.type not in ("BIGINT", "UBIGINT", "UINTEGER")
        kinds = ("int", "decimal", "real") if small else ("int",)
        return Field(
            name, f"{value}::BIGINT", "BIGINT", _into(*kinds), may_fail=column.type == "UBIGINT"
        )
    if column.type == "BOOLEAN":
        return Field(name, f"{value}::BIGINT", "BOOLEAN", _into("bool", "int"))
    if column.type in ("DOUBLE", "FLOAT"):
        sent = checked(
            f"{value} IS NULL OR NOT isnan({value})", f"{value}::DOUBLE", name, "has NaN, which SQLite can't hold"
        )  # fmt: skip
        return Field(name, sent, "DOUBLE", _into("real", "decimal"), may_fail=True)
    if column.type.startswith("DECIMAL(") and not column.type.endswith("]"):
        exact = f"{value}::DOUBLE::{column.type} IS NOT DISTINCT FROM {value}"
        words = "has more digits than SQLite's numbers: cast it to VARCHAR or DOUBLE"
        sent = checked(exact, f"{value}::DOUBLE", name, words)
        return Field(name, sent, column.type, _into("decimal", "real"), may_fail=True)
    if column.type == "BLOB":
        return Field(name, value, "BLOB", _into("blob"))
    if column.type in table_plan.MOMENTS:
        return _moment(column)
    return _text(column)


def _moment(column: Column) -> Field:
    """Dates and times as ISO texts, which sort and compare as they should."""
    name, value = column.name, ident(column.name)
    zoned = column.type == "TIMESTAMP WITH TIME ZONE"
    kind = "DATE" if column.type == "DATE" else "TIMESTAMP"
    shown = f"({value} AT TIME ZONE 'UTC')" if zoned else f"{value}::{kind}"
    text = f"{shown}::VARCHAR || '+00:00'" if zoned else f"{shown}::VARCHAR"
    usual = f"{value} IS NULL OR (isfinite({shown}) AND year({shown}) BETWEEN 1 AND 9999)"
    if column.type == "TIMESTAMP_NS":
        usual = f"({usual}) AND {shown}::TIMESTAMP_NS IS NOT DISTINCT FROM {value}"
    words = "has a time that is infinite, before year 1, after 9999 or finer than microseconds"
    declared = f"{kind} WITH TIME ZONE" if zoned else kind
    same = "timestamptz" if zoned else kind.lower()
    return Field(
        name, checked(usual, text, name, words), declared, _into(same, "text"), may_fail=True
    )


def _text(column: Column) -> Field:
    name, value = column.name, ident(column.name)
    if column.type.startswith(_NESTED) or column.type.endswith("]"):
        return Field(name, f"to_json({value})::VARCHAR", "TEXT", _into("text"))
    if column.type in _TEXTS or (column.type.startswith("ENUM(") and not column.type.endswith("]")):
        return Field(name, f"{value}::VARCHAR", "TEXT", _into("text"))
    raise EngineError(
        f"column {name!r}: SQLite has nothing for {column.type}", hint="cast it to VARCHAR"
    )


def _into(*kinds: str) -> Callable[[str], str | None]:
    """What becomes of a value in a column of some declared type: it stays, where the kind is right."""

    def takes(declared: str) -> str | None:
        return "{}" if kind_of(declared) in (*kinds, None) else None

    return takes


class SqliteWrite:
    """One write. `scratch` is a place for the batch's file, in a folder that the run removes."""

    folded = True

    def __init__(self, target: Target, scratch: Path) -> None:
        self.target = target
        self.scratch = scratch
        self.names = Names(
            ident(target.table or ""),
            "odibi_batch.batch",
            table_plan.NOTES,
            target.table or "",
        )
        self._database = _open(target)
        self._stopped = False

    def there(self) -> list[Standing] | None:
        """The table's columns; None when there is no such table."""
        with self._explained():
            rows = self._database.execute(f"PRAGMA main.table_info({self.names.table})").fetchall()
        return [
            Standing(name, declared, bool(default is not None or (key and declared.upper() == "INTEGER")))
            for _, name, declared, _, default, key in rows
        ] or None  # fmt: skip

    def load(self, batch: Sequence[Field], rows: Callable[[int], Any]) -> None:
        """Fill the batch's own file. Raises EngineError, or Cancelled."""
        columns = ", ".join(f"{ident(field.name)} {field.type}" for field in batch)
        marks = ", ".join("?" * len(batch))
        with self._explained():
            self._database.execute("ATTACH ? AS odibi_batch", (str(self.scratch),))
            self._database.execute("PRAGMA odibi_batch.journal_mode = OFF")
            self._database.execute("PRAGMA odibi_batch.synchronous = OFF")
            self._database.execute("BEGIN")
            self._database.execute(f"CREATE TABLE {self.names.batch} ({columns})")
            insert = f"INSERT INTO {self.names.batch} VALUES ({marks})"
            for part in rows(_BATCH):
                if self._stopped:
                    raise Cancelled
                columns_of = [column.to_pylist() for column in part.columns]
                self._database.executemany(insert, zip(*columns_of, strict=True))
            self._database.execute("COMMIT")

    def number(self, query: str) -> int:
        """The only value of a SELECT."""
        with self._explained(query):
            return int(self._database.execute(query).fetchone()[0])

    def begin(self) -> None:
        """Nobody else changes the database from here on; who reads it sees it as it was."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(_MAKE_NOTES)

    def run(self, statement: str) -> int:
        """Run one statement of the transaction; the number of rows that it changed."""
        with self._explained(statement):
            return self._database.execute(statement).rowcount

    def commit(self) -> None:
        with self._explained():
            self._database.execute("COMMIT")

    def close(self) -> None:
        """End the write; what isn't committed never was."""
        if self._database.in_transaction:
            with suppress(sqlite3.Error):  # the error that brought us here is the one to tell
                self._database.execute("ROLLBACK")
        self._database.close()
        self.scratch.unlink(missing_ok=True)

    def stop(self) -> None:
        """Break off what runs; from another thread."""
        self._stopped = True
        self._database.interrupt()

    @contextmanager
    def _explained(self, statement: str | None = None) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OverflowError) as error:
            if self._stopped:
                raise Cancelled from None
            raise _refused(self.target, error, statement) from None


def open_write(target: Target, scratch: Path) -> SqliteWrite:
    """A connection for one write, whose batch waits in the file `scratch`."""
    return SqliteWrite(target, scratch)


def _refused(target: Target, error: Exception, statement: str | None = None) -> EngineError:
    busy = "locked" in str(error) or "busy" in str(error)
    hint = "another program is writing to the database" if busy else None
    return EngineError(f"{_file(target).name}: {error}", hint=hint, sql=statement, transient=busy)


def _file(target: Target) -> Path:
    return Path((target.connection or {})["path"])


def _open(target: Target) -> sqlite3.Connection:
    path = _file(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _refused(target, error) from None


def holds_write(target: Target) -> bool:
    """Whether the table is there and holds the write."""
    if not _file(target).is_file():
        return False
    query = (
        f"SELECT count(*) FROM {table_plan.NOTES} WHERE write_id = {literal(target.write_id)} "
        "AND EXISTS (SELECT 1 FROM sqlite_master WHERE name = table_name COLLATE NOCASE)"
    )
    with closing(_open(target)) as database:
        try:
            notes = f"SELECT count(*) FROM sqlite_master WHERE name = {literal(table_plan.NOTES)}"
            if not database.execute(notes).fetchone()[0]:
                return False
            return bool(database.execute(query).fetchone()[0])
        except sqlite3.Error as error:
            raise _refused(target, error) from None
