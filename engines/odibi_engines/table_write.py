"""Writing to a table of a database: prepared where nobody sees it, then one transaction with its own note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from odibi.engine import Source, Target
from odibi.errors import EngineError

from . import table_plan
from .duck_cursor import DuckCursor
from .frames import DuckFrame
from .sql_text import ident
from .table_plan import Field, Names, Standing

__all__ = ["TableWrite", "has_table", "holds_write", "opened"]


class Database(Protocol):
    """What a write asks of a database; one connection, used by one thread except `stop`."""

    folded: bool
    names: Names

    def there(self) -> list[Standing] | None:
        """The table's columns; None when there is no such table."""
        ...

    def load(self, fields: Sequence[Field], rows: Callable[[int], Any]) -> None:
        """Put the batch, which `rows` gives as Arrow batches of so many rows, into a table of its own."""
        ...

    def number(self, query: str) -> int:
        """The only value of a SELECT."""
        ...

    def begin(self) -> None:
        """From here on nobody else changes the table; readers see it as it was."""
        ...

    def run(self, statement: str) -> int:
        """Run one statement of the transaction; the number of rows that it changed."""
        ...

    def commit(self) -> None:
        """Let everybody see it."""
        ...

    def close(self) -> None:
        """End the write; what isn't committed never was."""
        ...

    def stop(self) -> None:
        """Break off what runs; from another thread."""
        ...


@dataclass(slots=True)
class TableWrite:
    """A batch on its way into a table. `null_keys`: some of its keys hold nulls."""

    target: Target
    database: Database
    fields: Sequence[Field] = ()
    null_keys: bool = False

    def load(self, cursor: DuckCursor, batch: DuckFrame) -> None:
        """Bring the batch, which is held, to the database. Raises EngineError when it doesn't fit there."""
        self.fields = _kind(self.target).fields(batch.schema)
        self._taken()  # to fail before the rows travel
        _check(cursor, batch, self.fields)
        self.null_keys = _null_keys(cursor, batch, self.target)
        values = ", ".join(f"{field.sent} AS {ident(field.name)}" for field in self.fields)
        body = f"SELECT {values} FROM {batch.relation}"
        self.database.load(self.fields, lambda size: cursor.arrow(body, size))

    def _taken(self) -> tuple[list[Standing] | None, list[Field] | None]:
        there = self.database.there()
        return there, table_plan.fitted(
            self.target, self.fields, there, folded=self.database.folded
        )

    def count_new(self) -> int:
        """How many of the batch's rows have a key that the table doesn't have yet."""
        there, taken = self._taken()
        names = self.database.names
        if there is None or taken is None:
            return self.database.number(f"SELECT count(*) FROM {names.batch}")
        query = table_plan.count_new(self.target, taken, names, null_keys=self.null_keys)
        return self.database.number(query)

    def publish(self, rows: int, note: Callable[[str], None]) -> int:
        """Make the table hold the batch of so many rows, in one transaction; the rows that it wrote.

        `note` hears of the statements.
        """
        names, target = self.database.names, self.target
        self.database.begin()
        there, taken = self._taken()
        changed = 0
        for statement in table_plan.statements(
            target, self.fields, there, taken, names, null_keys=self.null_keys
        ):
            done = self.database.run(statement)
            changed += done if statement.startswith("INSERT") else 0
            note(statement)
        written = changed if target.mode == "append_once" else rows
        for statement in table_plan.note_statements(target, written, names):
            self.database.run(statement)
        self.database.commit()
        return written

    def close(self) -> None:
        """Give the connection back, and with it what wasn't published."""
        self.database.close()


def _check(cursor: DuckCursor, batch: DuckFrame, fields: Sequence[Field]) -> None:
    """Raise EngineError for a value that the database can't hold: on its way it would be lost in the driver's words."""
    if doubtful := [f"count({field.sent})" for field in fields if field.may_fail]:
        cursor.run(f"SELECT {', '.join(doubtful)} FROM {batch.relation}")


def _null_keys(cursor: DuckCursor, batch: DuckFrame, target: Target) -> bool:
    if not target.keys or target.mode in ("overwrite", "append"):
        return False
    nulls = " OR ".join(f"{ident(key)} IS NULL" for key in target.keys)
    return bool(cursor.run(f"SELECT count(*) FROM {batch.relation} WHERE {nulls}")[0][0])


def _kind(owner: Target | Source) -> Any:
    """The module that knows the database."""
    kind = (owner.connection or {}).get("type")
    if kind == "sqlite":
        from . import sqlite_write

        return sqlite_write
    if kind in ("postgres", "postgresql"):
        from . import postgres_write

        return postgres_write
    raise EngineError(f"tables of connections of type {kind} can't be written")


def opened(target: Target, scratch: Path) -> Database:
    """A connection that is going to write the table. `scratch` is a file for what must wait."""
    database: Database = _kind(target).open_write(target, scratch)
    return database


def holds_write(target: Target) -> bool:
    """Whether the table is there and holds the write."""
    return bool(_kind(target).holds_write(target))


def has_table(source: Source) -> bool:
    """Whether the server has the table of the source."""
    return bool(_kind(source).has_table(source))
