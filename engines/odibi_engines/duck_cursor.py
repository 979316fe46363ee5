"""A session's cursor: running statements, making frames, and what stops or describes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

import duckdb

from odibi.engine import Rows, Schema
from odibi.errors import Cancelled

from .duck_errors import translated
from .frames import DuckFrame, schema_of
from .sql_text import ident

if TYPE_CHECKING:
    from .duckdb_engine import DuckDBEngine

__all__ = ["MOMENT", "DuckCursor"]

MOMENT = "TIMESTAMP WITH TIME ZONE"


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

    def create(
        self, kind: str, body: str, *, query: str | None = None, **context: Any
    ) -> DuckFrame:
        """A new view or table with the given body."""
        relation = self.engine.new_relation()
        if kind == "TEMP VIEW":  # over a registered Arrow table, which only this session sees
            relation = relation.replace("odibi.", "odibi_")
        rows = self.run(f"CREATE {kind} {relation} AS {body}", **context)
        if kind != "TABLE":
            return DuckFrame(relation, self.schema_of(relation), query=query)
        # A dynamic PIVOT runs as several statements, the last of which doesn't tell its rows.
        counted = rows or self.run(f"SELECT count(*) FROM {relation}")
        return self.table(relation, int(counted[0][0]), query=query)

    def table(self, relation: str, rows: int, **made: Any) -> DuckFrame:
        """The frame of a table that this session made."""
        frame = DuckFrame(relation, self.schema_of(relation), rows=rows, held=True, **made)
        self.engine.owned(frame, [relation])
        return frame

    def schema_of(self, relation: str) -> Schema:
        """The columns of a view or table that this session sees."""
        return schema_of(self.raw.table(relation))

    def keep(self, arrow: Any) -> DuckFrame:
        """An Arrow table or reader as a table of the database."""
        self.raw.register("odibi_arrow", arrow)
        try:
            return self.create("TABLE", "FROM odibi_arrow")
        finally:
            self.raw.unregister("odibi_arrow")


def _in_utc(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
