"""One reading SELECT over the tables that a project has written, each a view by its node's name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.errors import UsageError
from odibi.table_copies import TableCopies
from odibi.tables import StoredTable, quoted

if TYPE_CHECKING:
    import duckdb

    from odibi.engine import Source

__all__ = ["Question", "check", "is_number", "is_sql"]

_READS = {"select", "from", "with", "values", "table", "pivot", "unpivot"}
_READS |= {"describe", "desc", "show", "summarize", "explain", "("}
_CHANGES = {
    "insert",
    "update",
    "delete",
    "drop",
    "create",
    "alter",
    "copy",
    "merge",
    "truncate",
    "export",
}
_CHANGES |= {
    "attach",
    "detach",
    "install",
    "load",
    "set",
    "reset",
    "pragma",
    "call",
    "use",
    "vacuum",
}
_BATCH_ROWS = 10_000


def _first_word(sql: str) -> str:
    bare = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", "", sql, flags=re.DOTALL)
    match = re.match(r"\w+|\(", bare)
    return match[0].lower() if match else ""


def is_sql(text: str) -> bool:
    """Whether the text begins like an SQL statement, reading or not."""
    return _first_word(text) in _READS | _CHANGES


def check(sql: str) -> None:
    """Refuse what isn't one reading statement. Raises UsageError."""
    import duckdb

    word = _first_word(sql)
    if word in _CHANGES:
        raise UsageError(
            f"{word.upper()} is refused: query only reads", hint="tables are written by `odibi run`"
        )
    if word not in _READS:
        raise UsageError(
            "that is no SQL: it starts with none of SELECT, FROM, WITH, DESCRIBE, SUMMARIZE …",
            hint="questions in words need the assistant, which comes with a later version; "
            "`odibi query` alone lists the tables",
        )
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _readable(error, ()) from None
    if len(statements) != 1:
        raise UsageError(f"one statement at a time: this is {len(statements)}")
    if word == "explain":
        # EXPLAIN ANALYZE runs what it explains
        check(
            re.sub(
                r"\A.*?\bexplain\b(\s+analyze\b)?",
                "",
                sql,
                count=1,
                flags=re.DOTALL | re.IGNORECASE,
            )
        )


def is_number(kind: str) -> bool:
    """Whether values of the type, in DuckDB's spelling, are numbers."""
    return bool(re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*\)|DOUBLE|FLOAT", kind))


class Question:
    """One checked SELECT over the stored tables; DuckDB turns its values into text.

    `columns` are names that differ from each other, `types` theirs in DuckDB's spelling, `right` the
    names of the columns of numbers.
    """

    def __init__(self, sql: str, tables: Sequence[StoredTable]) -> None:
        self._sql = sql
        self._copies = TableCopies(sql, tables)
        self._tables = self._copies.tables
        self._connection, self._broken = _connect(self._copies.tables)
        self._broken |= self._copies.broken
        self._relation = self._bound()
        self.columns = list(_distinct(self._relation.columns))
        self.types = [str(kind) for kind in self._relation.types]
        self.right = [
            name for name, kind in zip(self.columns, self.types, strict=True) if is_number(kind)
        ]

    def _bound(self) -> duckdb.DuckDBPyRelation:
        import duckdb

        try:
            return self._connection.sql(self._sql)
        except duckdb.Error as error:
            raise _readable(self._placed(error), self._tables, self._broken) from None

    def _placed(self, error: duckdb.Error) -> duckdb.Error:
        """The same error with the place in the SQL, which only `execute` tells."""
        import duckdb

        try:
            self._connection.execute(f"EXPLAIN\n{self._sql}")
        except duckdb.Error as placed:
            return placed
        return error

    def _guarded(self, function: Any, *args: Any) -> Any:
        import duckdb

        try:
            return _interruptible(self._connection, function, *args)
        except duckdb.Error as error:
            raise _readable(error, self._tables, self._broken) from None

    def texts(self, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        """Rows of values as DuckDB prints them; None is NULL."""
        return self._rows("CAST(COLUMNS(*) AS VARCHAR)", limit)

    def json_cells(self, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        """Rows of values as JSON texts; None is NULL."""
        return self._rows("CAST(to_json(COLUMNS(*)) AS VARCHAR)", limit)

    def count(self) -> int:
        """How many rows the whole answer has: asks again, for the number only."""
        ((count,),) = self._guarded(self._relation.count("*").fetchall)
        return int(count)

    def _rows(self, expression: str, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        relation = self._relation.project(expression)
        if limit is not None:
            relation = relation.limit(limit)
        reader = self._guarded(relation.to_arrow_reader, _BATCH_ROWS)
        while (batch := self._guarded(next, reader, None)) is not None:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _interruptible(connection: duckdb.DuckDBPyConnection, function: Any, *args: Any) -> Any:
    """What the function returns; a Ctrl-C meanwhile ends DuckDB's work as well.

    The signal reaches only a main thread that runs Python, so the work is done beside it.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="question") as beside:
        work = beside.submit(function, *args)
        try:
            return work.result()
        except KeyboardInterrupt:
            connection.interrupt()
            raise


def _distinct(names: Sequence[str]) -> Iterator[str]:
    """The names, a number added to each that was there before: `a, a_1`."""
    seen: set[str] = set()
    for name in names:
        number, fresh = 0, name
        while fresh in seen:
            number += 1
            fresh = f"{name}_{number}"
        seen.add(fresh)
        yield fresh


def _connect(tables: Sequence[StoredTable]) -> tuple[duckdb.DuckDBPyConnection, dict[str, str]]:
    """An in-memory database with a view per stored table, and no way to any other file.

    Tables that can't be read have no view; why is told by their keys.
    """
    import duckdb

    connection = duckdb.connect(config={"python_enable_replacements": False})
    connection.execute("SET timezone = 'UTC'")
    files: list[str] = []
    broken: dict[str, str] = {}
    for each in tables:
        if each.source is not None and each.source.format != "sql":
            files += map(str, each.source.files)
            try:
                _add_view(connection, each, each.source)
            except duckdb.Error as error:
                broken[each.key] = str(_readable(error, ()))
            except (OSError, ValueError) as error:  # what the Delta reader raises
                broken[each.key] = str(error)
    connection.execute("SET allowed_paths = $files", {"files": files})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection, broken


def _add_view(connection: duckdb.DuckDBPyConnection, table: StoredTable, source: Source) -> None:
    schema, name = quoted(table.pipeline), quoted(table.node)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    connection.execute(
        f"CREATE VIEW {schema}.{name} AS FROM {_reader(connection, table.key, source)}"
    )
    if table.unique and table.pipeline.lower() != "main":
        connection.execute(f"CREATE VIEW {name} AS FROM {schema}.{name}")


def _reader(connection: duckdb.DuckDBPyConnection, key: str, source: Source) -> str:
    files = "[" + ", ".join(_literal(file) for file in source.files) + "]"
    match source.format:
        case "delta":
            return _register_delta(connection, key, source.path)
        case "csv":
            return f"read_csv({files}, header = true)"
        case "json":
            return f"read_json({files}, format = 'newline_delimited')"
        case _:
            hive = "true" if source.path.is_dir() else "false"
            return f"read_parquet({files}, hive_partitioning = {hive}, union_by_name = true)"


def _register_delta(connection: duckdb.DuckDBPyConnection, key: str, path: Path) -> str:
    from deltalake import DeltaTable  # 150 ms of imports that only Delta tables need
    from deltalake.exceptions import DeltaError

    name = f"odibi delta {key}"
    try:
        connection.register(name, DeltaTable(str(path)).to_pyarrow_dataset())
    except DeltaError as error:
        raise ValueError(str(error)) from None
    return quoted(name)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _readable(
    error: duckdb.Error, tables: Sequence[StoredTable], broken: Mapping[str, str] | None = None
) -> UsageError:
    """DuckDB's message with the place in the SQL, and the nearest of our tables instead of its guess."""
    text, _, place = str(error).partition("\n\nLINE ")
    message, *more = (
        text.removeprefix("Catalog Error: ").removeprefix("Binder Error: ").splitlines()
    )
    hint = next((line for line in more if line.startswith("Candidate bindings")), None)
    if missing := re.match(r"Table with name (.+) does not exist", message):
        message, hint = _missing_table(missing[1], tables, broken or {})
    return UsageError("\n".join([message, *_excerpt(place)]), hint=hint)


def _excerpt(place: str) -> list[str]:
    """The line of SQL and the marks below it, from DuckDB's `2: FROM x` and marks that count `LINE 2: `."""
    lines = place.splitlines()
    if len(lines) < 2 or not re.match(r"\d+: ", lines[0]):
        return []
    start = lines[0].index(" ") + 1
    return [f"  {lines[0][start:]}", f"  {lines[1][len('LINE ') + start :]}"]


def _missing_table(
    name: str, tables: Sequence[StoredTable], broken: Mapping[str, str]
) -> tuple[str, str]:
    by_name = {each.sql_name: each for each in tables} | {each.node: each for each in tables}
    found = by_name.get(name)
    if found is not None and not found.written and found.key not in broken:
        return f"table {name} has not been written yet", f"odibi run --select +{found.key}"
    if found is not None and found.key in broken:
        why = f"{found.key} can't be read: {broken[found.key]}"
        if found.format == "sql":
            return why, "see the connection, or write it: odibi run --select +" + found.key
        return why, f"write it anew: odibi run --select +{found.key}"
    near = get_close_matches(name, by_name, n=1)
    hint = f"did you mean {near[0]}?" if near else "`odibi query` alone lists the tables"
    return f"there is no table {name}", hint
