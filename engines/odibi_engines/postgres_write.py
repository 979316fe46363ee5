"""Writing to a table of PostgreSQL: the batch as a temporary table, sent as Arrow, then one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from odibi.engine import Column, Schema, Source, Target
from odibi.errors import Cancelled, EngineError

from . import table_plan
from .postgres_read import address, explained, package
from .sql_text import ident, literal
from .table_plan import Field, Names, Standing, checked

__all__ = ["PostgresWrite", "fields", "has_table", "holds_write", "open_write"]

_BATCH_ROWS = 65_536
_WHOLE = {
    "TINYINT": "smallint", "UTINYINT": "smallint", "SMALLINT": "smallint", "USMALLINT": "integer",
    "INTEGER": "integer", "UINTEGER": "bigint", "BIGINT": "bigint", "UBIGINT": "numeric(20,0)",
}  # fmt: skip
_AS_THEY_ARE = {
    "BOOLEAN": "boolean", "BLOB": "bytea", "INTERVAL": "interval", "TIME": "time without time zone",
    **{f"{kind}[]": f"{name}[]" for kind, name in {
        "BOOLEAN": "boolean", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint", "FLOAT": "real",
        "DOUBLE": "double precision", "VARCHAR": "text",
    }.items()},
}  # fmt: skip
_TEXTS = {
    "VARCHAR": "text", "UUID": "uuid", "JSON": "jsonb", "BIT": "text", "TIME WITH TIME ZONE": "time with time zone",
    '"NULL"': "text",
}  # fmt: skip
_NESTED = ("STRUCT(", "MAP(", "UNION(")
_STRINGS = ("text", "character varying", "character", "citext", "name")
_NO_TEXT = (
    "smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "bytea", "date", "time",
    "timestamp", "interval", "money",
)  # fmt: skip
"""Types that a text isn't read as: where it is meant, the result says so with a cast."""

_ADVISORY = 7_301_742_016_533
"""The number under which writers wait for each other while they make the table of notes."""


# Types ------------------------------------------------------------------------------------------


def fields(schema: Schema) -> list[Field]:
    """The columns as PostgreSQL keeps them. Raises EngineError for a type that it has nothing for."""
    return [_field(column) for column in schema]


def _field(column: Column) -> Field:
    name, value, kind = column.name, ident(column.name), column.type
    if kind in _WHOLE:
        sent = f"{value}::DECIMAL(20,0)" if kind == "UBIGINT" else value
        wide = kind in ("BIGINT", "UBIGINT")
        floats = ("double precision",) if not wide else ()
        whole = ("smallint", "integer", "bigint", "numeric", *floats)
        return Field(name, sent, _WHOLE[kind], _into(*whole))
    if kind in ("FLOAT", "DOUBLE"):
        names = ("real", "double precision") if kind == "FLOAT" else ("double precision",)
        return Field(name, value, names[0], _into(*names))
    if kind.startswith("DECIMAL(") and not kind.endswith("]"):
        return Field(name, value, f"numeric{kind.removeprefix('DECIMAL')}", _digits(kind))
    if kind in _AS_THEY_ARE:
        return Field(name, value, _AS_THEY_ARE[kind], _into(_AS_THEY_ARE[kind]))
    if kind in table_plan.MOMENTS:
        return _moment(column)
    return _text(column)


def _moment(column: Column) -> Field:
    name, value, kind = column.name, ident(column.name), column.type
    finite = f"{value} IS NULL OR isfinite({value})"
    words = "has a time that is infinite or finer than microseconds"
    if kind == "TIMESTAMP_NS":
        exact = f"{value}::TIMESTAMP::TIMESTAMP_NS IS NOT DISTINCT FROM {value}"
        finite = f"({finite}) AND {exact}"
    sent = value if kind in ("DATE", "TIMESTAMP WITH TIME ZONE") else f"{value}::TIMESTAMP"
    types = {
        "DATE": ("date", "timestamp without time zone"),
        "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone",),
    }.get(kind, ("timestamp without time zone",))
    return Field(name, checked(finite, sent, name, words), types[0], _into(*types), may_fail=True)


def _text(column: Column) -> Field:
    name, value, kind = column.name, ident(column.name), column.type
    if kind.startswith(_NESTED) or kind.endswith("]"):
        return Field(name, f"to_json({value})::VARCHAR", "jsonb", _from_text("json", "jsonb"))
    if kind == "JSON":
        return Field(name, f"{value}::VARCHAR", "jsonb", _from_text("json", "jsonb", *_STRINGS))
    if kind in _TEXTS or (kind.startswith("ENUM(") and not kind.endswith("]")):
        return Field(name, f"{value}::VARCHAR", _TEXTS.get(kind, "text"), _from_text())
    raise EngineError(
        f"column {name!r}: PostgreSQL has nothing for {kind}", hint="cast it to VARCHAR"
    )


def _bare(declared: str) -> str:
    """A type without its numbers: `character varying(5)` is `character varying`."""
    return re.sub(r"\(\d[\d,]*\)", "", declared)


def _into(*kinds: str) -> Callable[[str], str | None]:
    """Columns that hold the values unchanged, or refuse a value that is too large."""
    return lambda declared: (
        "{}" if declared in kinds or ("numeric" in kinds and _bare(declared) == "numeric") else None
    )


def _digits(kind: str) -> Callable[[str], str | None]:
    """Columns that keep all digits after the point."""
    places = int(kind.rstrip(")").split(",")[1])

    def takes(declared: str) -> str | None:
        found = re.fullmatch(r"numeric(?:\(\d+,(-?\d+)\))?", declared)
        return "{}" if found and (found[1] is None or int(found[1]) >= places) else None

    return takes


def _from_text(*kinds: str) -> Callable[[str], str | None]:
    """Columns that a text goes into: of strings, or of what is read from a text, each way exactly."""

    def takes(declared: str) -> str | None:
        bare = _bare(declared)
        if kinds and bare not in kinds:
            return None
        if bare in _STRINGS:
            return "{}"  # no cast, which would cut what is too long
        if bare.endswith("]") or (bare.startswith(_NO_TEXT) and bare != "time with time zone"):
            return None
        return "{}" + f"::{declared}"

    return takes


# One write --------------------------------------------------------------------------------------


class PostgresWrite:
    """One write on a connection of its own."""

    folded = False

    def __init__(self, target: Target) -> None:
        self.target = target
        self.settings = target.connection or {}
        schema, table = _placed(target.table or "", self.settings)
        place = f"{ident(schema)}."
        notes = place + ident(table_plan.NOTES)
        self.names = Names(place + ident(table), 'pg_temp."odibi_batch"', notes, table)
        self._stopped = False
        self._cursor: Any = None
        with self._explained():
            self._connection = package().connect(address(self.settings))
            self._cursor = self._connection.cursor()

    def there(self) -> list[Standing] | None:
        """The table's columns; None when there is no such table."""
        rows = self._rows(
            "SELECT attname, format_type(atttypid, atttypmod), "
            "(atthasdef OR attidentity <> '' OR attgenerated <> '') FROM pg_attribute "
            f"WHERE attrelid = to_regclass({literal(self.names.table)}) AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        )
        return [Standing(name, kind, bool(fills)) for name, kind, fills in rows] or None

    def _exists(self) -> bool:
        return bool(
            self._rows(f"SELECT to_regclass({literal(self.names.table)}) IS NOT NULL")[0][0]
        )

    def load(self, batch: Sequence[Field], rows: Callable[[int], Any]) -> None:
        """Send the batch. Raises EngineError, or Cancelled."""
        with self._explained():
            self._cursor.adbc_ingest(
                "odibi_batch", rows(_BATCH_ROWS), mode="create", temporary=True
            )
            self._connection.commit()

    def number(self, query: str) -> int:
        """The only value of a SELECT."""
        return int(self._rows(query)[0][0])

    def begin(self) -> None:
        """Make room for the notes, and keep other writers from the table; readers go on."""
        self.commit()  # what was asked so far
        seconds = max(1, round(float(self.settings["timeout"])))
        self._make_notes()
        self.run(f"SET LOCAL lock_timeout = '{seconds}s'")
        if self._exists() and self.target.mode != "append":
            self.run(f"LOCK TABLE {self.names.table} IN SHARE ROW EXCLUSIVE MODE")

    def _make_notes(self) -> None:
        notes = self.names.notes
        if self._rows(f"SELECT to_regclass({literal(notes)}) IS NULL")[0][0]:
            self.run(f"SELECT pg_advisory_xact_lock({_ADVISORY})")
            self.run(
                f"CREATE TABLE IF NOT EXISTS {notes} (write_id text PRIMARY KEY, "
                "table_name text NOT NULL, row_count bigint NOT NULL, written_at timestamptz NOT NULL)"
            )
        self.commit()

    def run(self, statement: str) -> int:
        """Run one statement of the transaction; the number of rows that it changed."""
        with self._explained(statement):
            self._cursor.execute(statement)
            return int(self._cursor.rowcount)

    def commit(self) -> None:
        with self._explained():
            self._connection.commit()

    def close(self) -> None:
        """End the write; what isn't committed never was."""
        from adbc_driver_manager import Error

        for each in (self._cursor, self._connection):
            with suppress(Error):  # a connection that broke has nothing to give back
                each.close()

    def stop(self) -> None:
        """Break off what runs; from another thread."""
        self._stopped = True
        if self._cursor is not None:
            self._cursor.adbc_cancel()

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._explained(query):
            self._cursor.execute(query)
            return list(self._cursor.fetchall())

    @contextmanager
    def _explained(self, statement: str | None = None) -> Iterator[None]:
        if self._stopped:
            raise Cancelled
        package()
        from adbc_driver_manager import Error  # its package is there by now

        try:
            yield
        except Error as error:
            if self._stopped:
                raise Cancelled from None
            raise explained(error, self.settings, statement) from None


def _placed(table: str, settings: Any) -> tuple[str, str]:
    """Schema and table, of a name that may say its schema."""
    schema, dot, name = table.rpartition(".")
    return (schema, name) if dot else (settings["schema_"], table)


def open_write(target: Target, _scratch: Path) -> PostgresWrite:
    """A connection for one write."""
    return PostgresWrite(target)


def holds_write(target: Target) -> bool:
    """Whether the table is there and holds the write."""
    write = PostgresWrite(target)
    try:
        if write.there() is None or not write.number(
            f"SELECT count(to_regclass({literal(write.names.notes)}))"
        ):
            return False
        query = (
            f"SELECT count(*) FROM {write.names.notes} WHERE write_id = {literal(target.write_id)}"
        )
        return bool(write.number(query))
    finally:
        write.close()


def has_table(source: Source) -> bool:
    """Whether the server has the table of the source."""
    target = Target(
        "sql", source.path, "append", "", table=source.table, connection=source.connection
    )
    write = PostgresWrite(target)
    try:
        return write.there() is not None
    finally:
        write.close()
