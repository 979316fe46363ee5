"""A session's cursor: running statements, making frames, and what stops or describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any

import duckdb

from odibi.engine import Column, Rows, Schema
from odibi.errors import Cancelled

from .duck_errors import translated
from .frames import DuckFrame
from .sql_text import ident

if TYPE_CHECKING:
    from .duckdb_engine import DuckDBEngine

__all__ = ["MOMENT", "DuckCursor"]

MOMENT = "TIMESTAMP WITH TIME ZONE"

_TOO_LONG = 50_000
"""Characters of SQL above which a frame becomes a view: frames that share inputs would grow without end."""


class DuckCursor:
    """One cursor on the run's database. `statements` are those that the story shows."""

    def __init__(self, engine: DuckDBEngine, raw: Any) -> None:
        self.engine = engine
        self.raw = raw
        self.cancelled = False
        self.statements: list[str] = []
        # Progress is what another thread asks for; nothing may be printed.
        raw.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")

    def run(self, statement: str, **context: Any) -> list[tuple[Any, ...]]:
        """Execute and fetch. Raises EngineError in the user's terms, or Cancelled."""
        self._begin(statement, context)
        return self._rest(context)

    def _begin(self, statement: str, context: Mapping[str, Any]) -> None:
        if self.cancelled:
            raise Cancelled
        try:
            self.raw.execute(statement)
        except duckdb.Error as error:
            raise translated(error, **context) from None

    def _rest(self, context: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self.raw.fetchall()
        except duckdb.Error as error:
            raise translated(error, **context) from None
        return rows

    def fetch(self, body: str, context: Mapping[str, Any]) -> Rows:
        """All rows as Python values; moments with a zone are in UTC.

        DuckDB needs the package pytz to make such a moment, so it comes without the zone and gets it
        here.
        """
        self._begin(body, context)
        columns = [(column[0], str(column[1])) for column in self.raw.description]
        zoned = [number for number, (_, type_) in enumerate(columns) if type_ == MOMENT]
        if zoned:
            naive = ", ".join(
                f"timezone('UTC', {ident(columns[n][0])}) AS {ident(columns[n][0])}" for n in zoned
            )
            self._begin(f"SELECT * REPLACE ({naive}) FROM ({body})", context)
        rows = self._rest(context)
        if zoned:
            rows = [
                tuple(_in_utc(value) if n in zoned else value for n, value in enumerate(row))
                for row in rows
            ]
        return Rows(tuple(name for name, _ in columns), rows)

    def lazy(self, body: str, *, query: str | None = None, **context: Any) -> DuckFrame:
        """A frame of a SELECT that is bound now, so that errors show, and run when somebody needs it."""
        frame = DuckFrame(f"({body})", self.schema_of(body, **context), query=query)
        return frame if len(body) < _TOO_LONG else self.view(body, query=query)

    def view(self, body: str, *, query: str | None = None) -> DuckFrame:
        """A lazy frame that has a name: its body may be replaced, and is written out only once."""
        relation = self.engine.new_relation()
        self.run(f"CREATE VIEW {relation} AS {body}")
        return DuckFrame(relation, self.schema_of(f"FROM {relation}"), query=query)

    def create(self, body: str, *, query: str | None = None, **context: Any) -> DuckFrame:
        """A held frame of a SELECT's rows."""
        relation = self.engine.new_relation()
        rows = self.run(f"CREATE TABLE {relation} AS {body}", **context)
        return self.table(relation, int(rows[0][0]), query=query)

    def table(self, relation: str, rows: int, **made: Any) -> DuckFrame:
        """The frame of a table that this session made."""
        schema = self.schema_of(f"FROM {relation}")
        frame = DuckFrame(relation, schema, rows=rows, held=True, **made)
        self.engine.owned(frame, [relation])
        return frame

    def schema_of(self, body: str, **context: Any) -> Schema:
        """The columns of a SELECT, without running it."""
        if self.cancelled:
            raise Cancelled
        try:
            relation = self.raw.sql(body)
            names, types = relation.columns, relation.types
        except duckdb.Error:
            self.run(f"DESCRIBE {body}", **context)  # fails as well, and says in which line
            raise
        return tuple(Column(name, str(type_)) for name, type_ in zip(names, types, strict=True))

    def insert(self, schema: Schema, columns: Sequence[Sequence[Any]]) -> DuckFrame | None:
        """A few thousand rows as a table, without Arrow; None when a value doesn't fit its type."""
        values = ", ".join(
            f"unnest(${number}::{_sent_as(column.type)}[])::{column.type} AS {ident(column.name)}"
            for number, column in enumerate(schema, start=1)
        )
        relation = self.engine.new_relation()
        statement = f"CREATE TABLE {relation} AS SELECT {values}"
        try:
            rows = self.raw.execute(statement, list(map(list, columns))).fetchall()
        except duckdb.ConversionException:
            return None
        except duckdb.Error as error:
            raise translated(error) from None
        return self.table(relation, int(rows[0][0]))

    def arrow(self, body: str, size: int) -> Any:
        """The rows of a SELECT as an Arrow reader, computed as they are taken, in batches of `size`."""
        if self.cancelled:
            raise Cancelled
        try:
            return self.raw.sql(body).to_arrow_reader(size)
        except duckdb.Error as error:
            raise translated(error, sql=body) from None

    def keep(self, arrow: Any) -> DuckFrame:
        """An Arrow table or reader as a table of the database."""
        try:
            self.raw.register("odibi_arrow", arrow)
            return self.create("FROM odibi_arrow")
        except duckdb.InterruptException:
            raise Cancelled from None
        finally:
            with suppress(duckdb.InterruptException):  # a cancel may come even now
                self.raw.unregister("odibi_arrow")


def _sent_as(type_: str) -> str:
    return "VARCHAR" if type_ in ("DATE", "TIMESTAMP", MOMENT) else type_


def _in_utc(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
