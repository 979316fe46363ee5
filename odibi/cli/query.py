"""`odibi query`: read-only SQL over the tables that the project has written, each a view by its node's name."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

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
from odibi.questions import Question, check
from odibi.tables import StoredTable, set_aside_tables, stored_tables

app = typer.Typer(add_completion=False)

_SHOWN_ROWS = 40


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
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="With --csv: texts as they are, also those that a spreadsheet would run.",
        ),
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
            print_csv(asked, limit or None, exact=exact)
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


def print_csv(asked: Question, limit: int | None, *, exact: bool = False) -> None:
    """CSV for spreadsheets and programs; on a terminal its text is made harmless.

    Unless `exact`, texts that a spreadsheet takes for formulas get a `'` before them.
    """
    import csv

    from odibi.safe_text import safe

    writer = csv.writer(sys.stdout, lineterminator="\n")
    clean = safe if sys.stdout.isatty() else str
    text = clean if exact else lambda cell: clean(_no_formula(cell))
    shown = [text if kind == "VARCHAR" else clean for kind in asked.types]
    writer.writerow([text(name) for name in asked.columns])
    for row in asked.texts(limit):
        cells = zip(row, shown, strict=True)
        writer.writerow(["" if cell is None else show(cell) for cell, show in cells])


_FORMULA = re.compile(r"[=@\t\r]|[+\-](?![\d. ()/\-]*\Z)")  # -5 and +49 30 are numbers


def _no_formula(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell
