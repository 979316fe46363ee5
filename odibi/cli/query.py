"""`odibi query`: read-only SQL over the tables that the project has written, each a view by its node's name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.cli.common import (
    EnvOption,
    JsonOption,
    ProjectOption,
    find_project,
    json_text,
    plural,
    print_json,
    say,
    styled,
    table,
    terminal_width,
)
from odibi.cli.exits import fail, reported
from odibi.cli.outputs import StoredTable, quoted, set_aside_tables, stored_tables
from odibi.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from odibi.engine import Source

app = typer.Typer(add_completion=False)

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
_SHOWN_ROWS = 40
_BATCH_ROWS = 10_000


@app.command()
def query(
    sql: Annotated[
        str | None, typer.Argument(help="One SELECT in DuckDB's SQL; nothing lists the tables.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV, for spreadsheets and programs.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Rows at most; 0 for all (the default for --json and --csv)."),
    ] = None,
) -> None:
    """Ask the project's tables with SQL; only reading is possible, and only of those tables."""
    if as_json and as_csv:
        fail("--json and --csv exclude each other")
    with reported():
        from odibi import config, graph

        built = graph.build(config.load(find_project(project), env=env))
        tables = [*stored_tables(built), *set_aside_tables(built)]
        if sql is None:
            _list(tables, as_json)
            return
        check(sql)
        asked = Question(sql, tables)
        if as_json:
            print_json_rows(asked, limit or None)
        elif as_csv:
            print_csv(asked, limit or None)
        else:
            print_table(asked, _SHOWN_ROWS if limit is None else limit or None)


def _list(tables: Sequence[StoredTable], as_json: bool) -> None:
    if as_json:
        print_json([each.as_json() for each in tables])
    elif not any(each.written for each in tables):
        say(["no table has been written yet: odibi run"])
    else:
        rows = [(each.key, each.format, each.size, each.age, each.shown_path) for each in tables]
        say(
            table(
                ["table", "format", "size", "written", "where"],
                rows,
                right=["size"],
                keep=["table"],
                width=terminal_width(),
            )
        )
        written = [each for each in tables if each.written]
        last = sorted(written, key=lambda each: each.pipeline != "quarantine")[-1]
        print("\n" + styled(f'odibi query "FROM {last.sql_name} LIMIT 10"', "dim"))


def _first_word(sql: str) -> str:
    bare = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", "", sql, flags=re.DOTALL)
    match = re.match(r"\w+|\(", bare)
    return match[0].lower() if match else ""


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


class Question:
    """One checked SELECT over the stored tables; DuckDB turns its values into text."""

    def __init__(self, sql: str, tables: Sequence[StoredTable]) -> None:
        self._sql = sql
        self._tables = tables
        self._connection = _connect(tables)
        self._relation = self._bound()
        self.columns = list(_distinct(self._relation.columns))
        self.right = [
            name
            for name, kind in zip(self.columns, self._relation.types, strict=True)
            if re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT|DECIMAL|DOUBLE|FLOAT", str(kind))
        ]

    def _bound(self) -> duckdb.DuckDBPyRelation:
        import duckdb

        try:
            return self._connection.sql(self._sql)
        except duckdb.Error as error:
            raise _readable(self._placed(error), self._tables) from None

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
            return function(*args)
        except duckdb.Error as error:
            raise _readable(error, self._tables) from None

    def texts(self, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        """Rows of values as DuckDB prints them; None is NULL."""
        return self._rows("CAST(COLUMNS(*) AS VARCHAR)", limit)

    def json_cells(self, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        """Rows of values as JSON texts; None is NULL."""
        return self._rows("CAST(to_json(COLUMNS(*)) AS VARCHAR)", limit)

    def _rows(self, expression: str, limit: int | None) -> Iterator[tuple[str | None, ...]]:
        relation = self._relation.project(expression)
        if limit is not None:
            relation = relation.limit(limit)
        reader = self._guarded(relation.to_arrow_reader, _BATCH_ROWS)
        while (batch := self._guarded(next, reader, None)) is not None:
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


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


def _connect(tables: Sequence[StoredTable]) -> duckdb.DuckDBPyConnection:
    """An in-memory database with a view per stored table, and no way to any other file."""
    import duckdb

    connection = duckdb.connect(config={"python_enable_replacements": False})
    connection.execute("SET timezone = 'UTC'")
    files: list[str] = []
    for each in tables:
        if each.source is not None:
            files += map(str, each.source.files)
            try:
                _add_view(connection, each, each.source)
            except duckdb.Error as error:
                raise UsageError(f"{each.key} can't be read: {_readable(error, ())}") from None
    connection.execute("SET allowed_paths = $files", {"files": files})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


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

    name = f"odibi delta {key}"
    connection.register(name, DeltaTable(str(path)).to_pyarrow_dataset())
    return quoted(name)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _readable(error: duckdb.Error, tables: Sequence[StoredTable]) -> UsageError:
    """DuckDB's message with the place in the SQL, and the nearest of our tables instead of its guess."""
    text, _, place = str(error).partition("\n\nLINE ")
    message, *more = (
        text.removeprefix("Catalog Error: ").removeprefix("Binder Error: ").splitlines()
    )
    hint = next((line for line in more if line.startswith("Candidate bindings")), None)
    if missing := re.match(r"Table with name (.+) does not exist", message):
        message, hint = _missing_table(missing[1], tables)
    return UsageError("\n".join([message, *_excerpt(place)]), hint=hint)


def _excerpt(place: str) -> list[str]:
    """The line of SQL and the marks below it, from DuckDB's `2: FROM x` and marks that count `LINE 2: `."""
    lines = place.splitlines()
    if len(lines) < 2 or not re.match(r"\d+: ", lines[0]):
        return []
    start = lines[0].index(" ") + 1
    return [f"  {lines[0][start:]}", f"  {lines[1][len('LINE ') + start :]}"]


def _missing_table(name: str, tables: Sequence[StoredTable]) -> tuple[str, str]:
    by_name = {each.sql_name: each for each in tables} | {each.node: each for each in tables}
    found = by_name.get(name)
    if found is not None and not found.written:
        return f"table {name} has not been written yet", f"odibi run --select +{found.key}"
    near = get_close_matches(name, by_name, n=1)
    hint = f"did you mean {near[0]}?" if near else "`odibi query` alone lists the tables"
    return f"there is no table {name}", hint


def print_table(asked: Question, limit: int | None) -> None:
    """The rows for people: cut to `limit` rows and to the terminal's width, saying so."""
    from rich.cells import cell_len

    rows = list(asked.texts(None if limit is None else limit + 1))
    more = limit is not None and len(rows) > limit
    shown = [["NULL" if cell is None else cell for cell in row] for row in rows[:limit]]
    width = terminal_width()
    count = _fitting(asked.columns, shown, width)
    lines = table(
        asked.columns[:count], [row[:count] for row in shown], right=asked.right, width=width
    )
    say([lines[0], "─" * min(max(map(cell_len, lines)), width or 80), *lines[1:]])
    notes = [
        f"the first {plural(len(shown), 'row')}; --limit 0 for all"
        if more
        else plural(len(shown), "row")
    ]
    if count < len(asked.columns):
        notes.append(f"{len(asked.columns) - count} more columns with --json or --csv")
    print(styled(" · ".join(notes), "dim"))


_USEFUL = 20  # a column cut to less says too little


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> int:
    """How many columns fit into the terminal, each whole or at least useful."""
    if width is None:
        return len(columns)
    room = width + 2
    for count, column in enumerate(zip(columns, *rows, strict=True)):
        room -= 2 + min(max(map(len, column)), _USEFUL)
        if room < 0:
            return max(count, 1)
    return len(columns)


def print_json_rows(asked: Question, limit: int | None) -> None:
    """A list of one object per row, written as the rows come."""
    before = "["
    for row in asked.json_cells(limit):
        values = [None if cell is None else _value(cell) for cell in row]
        print(
            before,
            json_text(dict(zip(asked.columns, values, strict=True)), indent=None),
            sep="\n",
            end="",
        )
        before = ","
    print("\n]" if before == "," else "[]")


def _value(cell: str) -> Any:
    import json

    return json.loads(cell, parse_constant=lambda _: None)  # JSON has no NaN and no infinity


def print_csv(asked: Question, limit: int | None) -> None:
    """CSV as the data is; on a terminal its text is made harmless."""
    import csv

    from odibi.safe_text import safe

    writer = csv.writer(sys.stdout, lineterminator="\n")
    clean = safe if sys.stdout.isatty() else str
    writer.writerow([clean(name) for name in asked.columns])
    for row in asked.texts(limit):
        writer.writerow(["" if cell is None else clean(cell) for cell in row])
