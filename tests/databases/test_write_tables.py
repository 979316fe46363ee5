"""Tables of databases in the life of a project: continued, read by other nodes, kept with all that hangs on them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from odibi_tui.app import Options, TopApp
from odibi_tui.starting import screen_text, settled

from .conftest import Server
from .projects import Sqlite, odibi, project, run


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Sqlite | Server:
    if request.param == "sqlite":
        return Sqlite(tmp_path / "shop.db")
    server: Server = request.getfixturevalue("postgres")
    server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return server


def done(folder: Path, *command: str) -> str:
    """What a command says that must succeed."""
    ended = odibi(folder, *command)
    assert ended.code == 0, ended.out + ended.err
    return ended.out


def node(name: str, sql: str, write: str, more: str = "") -> str:
    quoted = sql.replace("'", "''")
    return (
        f"{{name: {name}, transform: {{steps: [{{sql: '{quoted}'}}]}}{more}, "
        f"write: {{connection: db, format: sql, {write}}}}}"
    )


def test_history_is_kept_in_the_table(tmp_path: Path, database: Sqlite | Server) -> None:
    params = "params: {target: db.menu, keys: [item], track_cols: [price], effective_time_col: day}"
    source = "read: {connection: lake, format: csv, path: menu.csv}"
    write = "write: {connection: db, format: sql, table: menu}"
    project(tmp_path, database, [f"{{name: menu, {source}, transformer: scd2, {params}, {write}}}"])
    (tmp_path / "lake").mkdir()
    for day, price in (("2025-01-01", 3), ("2025-02-01", 4), ("2025-02-01", 4)):
        (tmp_path / "lake" / "menu.csv").write_text(f"item,price,day\ntea,{price},{day}\n")
        done(tmp_path, "run")
    current = "CASE WHEN is_current THEN 1 ELSE 0 END"
    found = database.run(
        f"SELECT price, CAST(valid_from AS TEXT), CAST(valid_to AS TEXT), {current} FROM menu ORDER BY 1"
    )
    assert found == [(3, "2025-01-01", "2025-02-01", 0), (4, "2025-02-01", None, 1)]


def test_a_merge_continues_the_table(tmp_path: Path, database: Sqlite | Server) -> None:
    database.run("CREATE TABLE stock (id bigint, qty bigint)")
    database.run("INSERT INTO stock VALUES (1, 5), (2, 6)")
    merge = node(
        "n", "SELECT * FROM df", "table: stock", ", transformer: merge, params: {keys: [id]}"
    ).replace("{name: n", "{name: n, inputs: {new: $p.new}")
    new = "{name: new, transform: {steps: [{sql: 'SELECT 2::BIGINT AS id, 9::BIGINT AS qty UNION ALL SELECT 3, 1'}]}}"
    project(tmp_path, database, [new, merge])
    for _ in range(2):
        done(tmp_path, "run")
        assert database.run("SELECT * FROM stock ORDER BY id") == [(1, 5), (2, 9), (3, 1)]


def test_other_nodes_read_the_table(tmp_path: Path, database: Sqlite | Server) -> None:
    nodes = [
        node("a", "SELECT 1 AS id", "table: a, mode: append"),
        node("b", "SELECT count(*) AS n FROM a", "table: b", ", inputs: {a: $p.a}"),
        node("c", "SELECT n + 1 AS n FROM b", "table: c"),
    ]
    project(tmp_path, database, nodes)
    done(tmp_path, "run")
    done(tmp_path, "run")
    assert database.run("SELECT n FROM b") == [(2,)]
    assert database.run("SELECT n FROM c") == [(3,)]
    done(tmp_path, "run", "--select", "c")
    assert database.run("SELECT n FROM c") == [(3,)]


def test_a_node_waits_for_the_table_that_it_reads(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    reading = "{name: b, read: {connection: db, format: sql, table: a}, write: {connection: db, format: sql, table: b}}"
    project(tmp_path, database, [reading, node("a", "SELECT 7 AS id", "table: a")])
    assert "p.a" in done(tmp_path, "run")
    assert database.run("SELECT id FROM b") == [(7,)]


def test_a_missing_table_is_named(tmp_path: Path, database: Sqlite | Server) -> None:
    nodes = [node("a", "SELECT 1 AS id", "table: a"), node("b", "SELECT * FROM a", "table: b")]
    project(tmp_path, database, nodes)
    ended = odibi(tmp_path, "run", "--select", "b")
    assert ended.code != 0
    assert "p.a has not stored a result yet" in ended.out or "p.b needs p.a" in ended.err


def test_an_overwrite_keeps_what_hangs_on_the_table(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    database.run(
        "CREATE TABLE t (id integer PRIMARY KEY, name text NOT NULL, at text DEFAULT 'now')"
    )
    database.run("CREATE VIEW names AS SELECT name FROM t")
    database.run("INSERT INTO t (id, name) VALUES (9, 'old')")
    run(tmp_path, database, "SELECT 1 AS id, 'a' AS name", "table: t")
    assert database.run("SELECT * FROM t") == [(1, "a", "now")]
    assert database.run("SELECT * FROM names") == [("a",)]
    with pytest.raises(AssertionError, match=r"(?i)unique|duplicate key"):
        run(tmp_path, database, "SELECT 1 AS id, 'b' AS name", "table: t, mode: append")
    assert database.run("SELECT * FROM t") == [(1, "a", "now")]


CHANGED = [
    ("mode: append", "column 'b' is new; column 'a' is missing", None),
    ("mode: overwrite", "write.overwrite_schema: true replaces the table", None),
    ("mode: append, merge_schema: true", None, [(None, 2), (1, None)]),
    ("mode: overwrite, overwrite_schema: true", None, [(2,)]),
    ("mode: overwrite, merge_schema: true", None, [(None, 2)]),
]


@pytest.mark.parametrize(("mode", "said", "wanted"), CHANGED)
def test_other_columns_need_a_word(
    tmp_path: Path, database: Sqlite | Server, mode: str, said: str | None, wanted: Any
) -> None:
    run(tmp_path, database, "SELECT 1 AS a", "table: t")
    if said is not None:
        with pytest.raises(AssertionError, match=said):
            run(tmp_path, database, "SELECT 2 AS b", f"table: t, {mode}")
        assert database.run("SELECT * FROM t") == [(1,)]
    else:
        run(tmp_path, database, "SELECT 2 AS b", f"table: t, {mode}")
        order = "b" if "overwrite" in mode else "a NULLS FIRST"
        assert database.run(f"SELECT * FROM t ORDER BY {order}") == wanted


def test_a_trial_leaves_the_table_alone(tmp_path: Path, database: Sqlite | Server) -> None:
    run(tmp_path, database, "SELECT 1 AS id", "table: t")
    project(tmp_path, database, [node("n", "SELECT 2 AS id", "table: t")])
    for option in ("--scratch", "--dry-run", "--sample=1"):
        done(tmp_path, "run", option)
        assert database.run("SELECT id FROM t") == [(1,)]


def test_unchanged_content_is_not_written(tmp_path: Path, database: Sqlite | Server) -> None:
    for _ in range(3):
        run(tmp_path, database, "SELECT 1 AS id", "table: t, skip_if_unchanged: true")
    assert len(database.run("SELECT * FROM _odibi_writes")) == 1
    database.run("DROP TABLE t")
    run(tmp_path, database, "SELECT 1 AS id", "table: t, skip_if_unchanged: true")
    assert database.run("SELECT id FROM t") == [(1,)]


def test_only_new_rows_are_added(tmp_path: Path, database: Sqlite | Server) -> None:
    database.run("CREATE TABLE source (id bigint)")
    database.run("INSERT INTO source VALUES (1), (2)")
    read = "read: {connection: db, format: sql, table: source, incremental: {mode: stateful, column: id}}"
    write = "write: {connection: db, format: sql, table: t, mode: append}"
    project(tmp_path, database, [f"{{name: n, {read}, {write}}}"])
    done(tmp_path, "run")
    database.run("INSERT INTO source VALUES (3)")
    done(tmp_path, "run")
    assert database.run("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    database.run("DROP TABLE t")
    assert "the node's table is gone" in done(tmp_path, "run") + done(tmp_path, "story", "last")
    assert database.run("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]


def test_a_policy_makes_the_columns_those_of_the_table(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    database.run("CREATE TABLE t (id bigint, name text)")
    sql = "SELECT 1 AS id, 2 AS other"
    project(
        tmp_path,
        database,
        [node("n", sql, "table: t, mode: append", ", schema_policy: {mode: enforce}")],
    )
    done(tmp_path, "run")
    assert database.run("SELECT * FROM t") == [(1, None)]


def test_the_story_tells_what_was_written_and_where(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    run(
        tmp_path,
        database,
        "SELECT 1 AS id UNION ALL SELECT 2",
        "table: t, mode: upsert, merge_keys: [id]",
    )
    run(
        tmp_path,
        database,
        "SELECT 2 AS id UNION ALL SELECT 3",
        "table: t, mode: append_once, merge_keys: [id]",
    )
    story = json.loads(done(tmp_path, "story", "last", "--json"))
    (told,) = story["nodes"][0]["writes"]
    place = "shop.db/t" if isinstance(database, Sqlite) else "postgres/t"
    assert (told["path"], told["rows"], told["format"]) == (
        place,
        1,
        "sql",
    )
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or b"hush-hush" not in file.read_bytes(), file


def test_a_schema_is_named_in_the_table(tmp_path: Path, postgres: Server) -> None:
    postgres.run('DROP SCHEMA IF EXISTS "Sales 1" CASCADE', 'CREATE SCHEMA "Sales 1"')
    for _ in range(2):
        run(tmp_path, postgres, "SELECT 1 AS id", 'table: "Sales 1.orders", mode: append')
    assert postgres.run('SELECT id FROM "Sales 1".orders') == [(1,), (1,)]
    assert len(postgres.run('SELECT * FROM "Sales 1"._odibi_writes')) == 2
    with pytest.raises(AssertionError, match='schema "nowhere" does not exist'):
        run(tmp_path, postgres, "SELECT 1 AS id", "table: nowhere.orders")


def test_questions_are_answered_from_the_tables(tmp_path: Path, database: Sqlite | Server) -> None:
    nodes = [
        node("things", "SELECT 1 AS id, 2.50::DECIMAL(5,2) AS price", "table: t"),
        node("others", "SELECT 1 AS id, 'x' AS name UNION ALL SELECT 2, 'y'", "table: o"),
        node("later", "SELECT 1 AS id", "table: later"),
    ]
    project(tmp_path, database, nodes)
    done(tmp_path, "run", "--select", "things others")
    sql = "SELECT id, price::DOUBLE AS price, name FROM things JOIN others USING (id)"
    assert json.loads(done(tmp_path, "query", sql, "--json")) == [
        {"id": 1, "price": 2.5, "name": "x"}
    ]
    assert len(json.loads(done(tmp_path, "query", "FROM others LIMIT 1", "--json"))) == 1
    asked = odibi(tmp_path, "query", "FROM later")
    assert asked.code != 0
    assert "table later has not been written yet" in asked.err or "no table" in asked.err
    listed = {one["node"]: one for one in json.loads(done(tmp_path, "query", "--json"))}
    assert {one["bytes"] for one in listed.values()} == {None}
    assert (listed["things"]["changed"] is not None) == isinstance(database, Sqlite)
    said = done(tmp_path, "query")
    assert ("not yet" if isinstance(database, Sqlite) else "not asked") in said


def test_a_server_that_is_away_is_told_of_where_it_is_asked(
    tmp_path: Path, postgres: Server
) -> None:
    project(tmp_path, Server(1), [node("n", "SELECT 1 AS id", "table: t")])
    asked = odibi(tmp_path, "query", "FROM n")
    assert asked.code != 0 and "Connection refused" in asked.err
    assert odibi(tmp_path, "query").code == 0
    assert odibi(tmp_path, "query", "SELECT 1 AS x").code == 0
    assert odibi(tmp_path, "plan").code == 0


def test_nodes_write_to_one_database_at_the_same_time(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    nodes = [
        node(f"n{n}", f"SELECT {n} AS id FROM range(2000)", f"table: {table}, mode: append")
        for n in range(8)
        for table in ("shared", f"own{n}")[n % 2 :][:1]
    ]
    project(tmp_path, database, nodes)
    done(tmp_path, "run", "--jobs", "4")
    found = database.run("SELECT id, count(*) FROM shared GROUP BY id ORDER BY id")
    assert found == [(0, 2000), (2, 2000), (4, 2000), (6, 2000)]
    assert database.run("SELECT count(*) FROM own7") == [(2000,)]
    assert database.run("SELECT count(*) FROM _odibi_writes") == [(8,)]


def test_rows_are_compared_with_a_query_of_the_database(
    tmp_path: Path, database: Sqlite | Server
) -> None:
    database.run("CREATE TABLE source (id bigint)")
    database.run("INSERT INTO source VALUES (1)")
    step = (
        "{operation: detect_deletes, params: {mode: sql_compare, keys: [id], source_connection: db, "
        "source_query: SELECT id FROM source, soft_delete_col: gone, max_delete_percent: null}}"
    )
    rows = "{sql: 'SELECT unnest([1, 2])::BIGINT AS id'}"
    write = "write: {connection: db, format: sql, table: t}"
    project(tmp_path, database, [f"{{name: n, transform: {{steps: [{rows}, {step}]}}, {write}}}"])
    done(tmp_path, "run")
    flag = "CASE WHEN gone THEN 1 ELSE 0 END"
    assert database.run(f"SELECT id, {flag} FROM t ORDER BY id") == [(1, 0), (2, 1)]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("precious notes, not a database at all" * 100)
    before = (tmp_path / "shop.db").read_bytes()
    with pytest.raises(AssertionError, match=r"shop.db: file is not a database"):
        run(tmp_path, Sqlite(tmp_path / "shop.db"), "SELECT 1 AS id", "table: t")
    assert (tmp_path / "shop.db").read_bytes() == before


def test_rejected_rows_go_to_a_table(tmp_path: Path, database: Sqlite | Server) -> None:
    tests = "tests: [{type: not_null, columns: [name], on_fail: quarantine}]"
    quarantine = "quarantine: {connection: db, table: rejected, retention_days: 9}, gate: {require_pass_rate: 0.1}"
    sql = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(id, name)"
    more = f", validation: {{{tests}, {quarantine}}}"
    project(tmp_path, database, [node("n", sql, "table: t", more)])
    for _ in range(2):
        done(tmp_path, "run")
    assert database.run("SELECT id, name FROM t") == [(1, "a")]
    assert database.run("SELECT id, name FROM rejected") == [(2, None)] * 2
    told = json.loads(done(tmp_path, "query", "SELECT id FROM quarantine.n", "--json"))
    assert told == [{"id": 2}] * 2
    assert "quarantine.n" in done(tmp_path, "query")
    database.run("UPDATE rejected SET _rejected_at = '2001-02-03 04:05:06' RETURNING id")
    done(tmp_path, "run")
    assert database.run("SELECT id, name FROM rejected") == [(2, None)]


def test_the_screen_lists_and_shows_the_table(tmp_path: Path, database: Sqlite | Server) -> None:
    project(tmp_path, database, [node("things", "SELECT 1 AS id, 'seen' AS name", "table: t")])
    done(tmp_path, "run")

    async def look() -> str:
        options = Options(tmp_path / "odibi.yaml", view="tables", preferences=tmp_path / "keep")
        app = TopApp(options)
        async with app.run_test(size=(160, 24)) as pilot:
            await asyncio.wait_for(settled(app, pilot), 60)
            for _ in range(3_000):
                await pilot.pause(0.02)
                if "seen" in screen_text(app):
                    break
            return screen_text(app)

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PG_PASSWORD", "hush-hush")
        shown = asyncio.run(look())
    line = next(line for line in shown.splitlines() if "things" in line)
    assert "sql" in line and "missing" not in line and "not yet" not in line
    assert "seen" in shown and "hush-hush" not in shown
