"""Writing to tables of real databases: every mode by value, what doesn't fit, retries and crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Server
from .projects import Sqlite, run


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Sqlite | Server:
    if request.param == "sqlite":
        return Sqlite(tmp_path / "shop.db")
    server: Server = request.getfixturevalue("postgres")
    server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return server


def rows(database: Sqlite | Server, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    return database.run(f"SELECT {columns} FROM {table} ORDER BY 1, 2")


FIRST = "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(id, name)"
SECOND = "SELECT * FROM (VALUES (2, 'B'), (3, 'C')) t(id, name)"

MODES = [
    ("mode: overwrite", [(2, "B"), (3, "C")]),
    ("mode: append", [(1, "a"), (2, "B"), (2, "b"), (3, "C")]),
    ("mode: append_once, merge_keys: [id]", [(1, "a"), (2, "b"), (3, "C")]),
    ("mode: upsert, merge_keys: [id]", [(1, "a"), (2, "B"), (3, "C")]),
    ("mode: merge, options: {keys: id}", [(1, "a"), (2, "B"), (3, "C")]),
]


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@pytest.mark.parametrize(("mode", "wanted"), MODES)
def test_a_mode_meets_the_rows_there(
    tmp_path: Path, database: Sqlite | Server, engine: str, mode: str, wanted: list[tuple[int, str]]
) -> None:
    run(tmp_path, database, FIRST, f"table: things, {mode}", engine)
    assert rows(database, "things") == [(1, "a"), (2, "b")]
    run(tmp_path, database, SECOND, f"table: things, {mode}", engine)
    assert sorted(rows(database, "things")) == wanted
    notes = database.run("SELECT table_name, row_count FROM _odibi_writes ORDER BY written_at")
    assert {name for name, _ in notes} == {"things"}


def test_null_keys_are_equal_to_each_other(tmp_path: Path, database: Sqlite | Server) -> None:
    write = "table: t, mode: {}, merge_keys: [a, b]"
    first = "SELECT * FROM (VALUES (1, NULL, 'x'), (1, 2, 'y'), (NULL, NULL, 'z')) t(a, b, c)"
    second = "SELECT * FROM (VALUES (1, NULL, 'X'), (NULL, 2, 'N'), (NULL, NULL, 'Z')) t(a, b, c)"
    run(tmp_path, database, first, write.format("upsert"))
    run(tmp_path, database, second, write.format("upsert"))
    wanted = {(1, None, "X"), (1, 2, "y"), (None, None, "Z"), (None, 2, "N")}
    assert set(rows(database, "t")) == wanted
    run(tmp_path, database, first, write.format("append_once"))
    assert set(rows(database, "t")) == wanted


def test_names_may_hold_anything(tmp_path: Path, database: Sqlite | Server) -> None:
    sql = 'SELECT 1 AS "a ""b"" é", 2 AS "select", 3 AS "x{}y", 4 AS "%s"'
    for _ in range(2):
        run(
            tmp_path,
            database,
            sql,
            'table: "It\'s \\"É\\" 100%", mode: upsert, merge_keys: [select], skip_if_unchanged: true',
        )
    assert database.run('SELECT * FROM "It\'s ""É"" 100%"') == [(1, 2, 3, 4)]
    assert database.run('SELECT "a ""b"" é" FROM "It\'s ""É"" 100%"') == [(1,)]
    assert database.run("SELECT count(*) FROM _odibi_writes") == [(1,)]
