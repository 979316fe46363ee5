"""Writing to databases while things go wrong: killed processes, lost connections, locks held by others."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from odibi.engine import Source, Target
from odibi.errors import Cancelled, EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.faults.victim import Order, Victims

from .conftest import Server
from .projects import Sqlite, odibi, project
from .test_postgres_read import settings

NODE = "{name: n, transform: {steps: [{sql: 'SELECT 2 AS id'}]}, write: {connection: db, format: sql, table: t, mode: append}}"
PATIENCE = 120


def until(met: Callable[[], bool]) -> None:
    """Wait for something that another process does."""
    for _ in range(PATIENCE * 20):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError("it never came about")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Sqlite | Server:
    if request.param == "sqlite":
        return Sqlite(tmp_path / "shop.db")
    server: Server = request.getfixturevalue("postgres")
    server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return server


@pytest.mark.parametrize(("mode", "first"), [("append", 1), ("upsert, merge_keys: [id]", 3)])
def test_a_run_killed_at_any_event_and_resumed_writes_once(
    tmp_path: Path,
    database: Sqlite | Server,
    mode: str,
    first: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At every fourth event, beginning with `first`."""
    monkeypatch.setenv("PG_PASSWORD", "hush-hush")
    project(tmp_path, database, [NODE.replace("append", mode)])
    with Victims() as victims:
        whole = victims.run(Order(str(tmp_path)))
        assert whole.exit_code == 0, whole.said
        for event in range(first, whole.events, 4):
            database.run("DROP TABLE t")
            database.run("CREATE TABLE t (id int)")
            database.run("INSERT INTO t VALUES (1)")
            assert victims.run(Order(str(tmp_path), event=event)).exit_code is None
            database.run("SELECT * FROM t")  # neither locked nor broken
            resumed = victims.run(Order(str(tmp_path), resume=True))
            if (
                resumed.exit_code != 0
            ):  # killed before anything was planned: there is no run to resume
                resumed = victims.run(Order(str(tmp_path)))
            assert resumed.exit_code == 0, resumed.said
            assert database.run("SELECT id FROM t ORDER BY id") == [(1,), (2,)], event


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "odibi", "run", "-p", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PG_PASSWORD": "hush-hush"},
    )


def test_a_process_killed_in_mid_write_leaves_the_old_table_in_postgres(
    tmp_path: Path, postgres: Server
) -> None:
    postgres.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    postgres.run(
        "CREATE TABLE t AS SELECT 1 AS id",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
        "CREATE TRIGGER slow AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    project(tmp_path, postgres, [NODE.replace("append", "overwrite")])
    running = "SELECT pid FROM pg_stat_activity WHERE application_name = 'odibi' AND query LIKE 'INSERT INTO%'"
    with start(tmp_path) as process:
        until(lambda: postgres.run(running) != [])
        assert postgres.run("SELECT id FROM t") == [(1,)]  # readers go on
        process.send_signal(signal.SIGKILL)
    postgres.run(*(f"SELECT pg_terminate_backend({pid})" for (pid,) in postgres.run(running)))
    assert postgres.run("SELECT id FROM t") == [(1,)]
    assert postgres.run("SELECT count(*) FROM pg_class WHERE relname LIKE 'odibi_batch%'") == [(0,)]
    postgres.run("DROP TRIGGER slow ON t")
    assert odibi(tmp_path, "run", "--resume").code == 0
    assert postgres.run("SELECT id FROM t") == [(2,)]


def test_a_process_killed_in_mid_write_leaves_the_old_table_in_sqlite(tmp_path: Path) -> None:
    database = Sqlite(tmp_path / "shop.db")
    endless = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    )
    database.run(
        "CREATE TABLE t (id int)",
        "INSERT INTO t VALUES (1)",
        f"CREATE TRIGGER slow AFTER INSERT ON t BEGIN INSERT INTO t {endless}; END",
    )
    project(tmp_path, database, [NODE.replace("append", "overwrite")])
    journal = tmp_path / "shop.db-journal"
    with start(tmp_path) as process:
        until(journal.exists)
        process.send_signal(signal.SIGKILL)
    assert database.run("SELECT id FROM t") == [(1,)]
    database.run("DROP TRIGGER slow")
    assert odibi(tmp_path, "run", "--resume").code == 0
    assert database.run("SELECT id FROM t") == [(2,)]
    assert not journal.exists()


def test_a_connection_lost_in_mid_write_is_tried_again(tmp_path: Path, postgres: Server) -> None:
    postgres.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    postgres.run(
        "CREATE SEQUENCE tries",
        "CREATE TABLE t (id int)",
        "CREATE FUNCTION lost() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "IF nextval(''tries'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; "
        "RETURN NEW; END'",
        "CREATE TRIGGER lost AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION lost()",
    )
    project(tmp_path, postgres, [NODE])
    file = tmp_path / "odibi.yaml"
    file.write_text(
        file.read_text().replace(
            "retry: {enabled: false}", "retry: {max_attempts: 3, backoff: constant}"
        )
    )
    done = odibi(tmp_path, "run")
    assert done.code == 0, done.out + done.err
    assert postgres.run("SELECT id FROM t") == [(2,)]
    assert postgres.run("SELECT last_value FROM tries") == [(2,)]
    assert "hush-hush" not in done.out + done.err


def test_a_connection_lost_in_mid_read_may_be_tried_again(tmp_path: Path, postgres: Server) -> None:
    session = DuckDBEngine(work_dir=tmp_path).session("n")
    killing = "SELECT g, CASE WHEN g = 400000 THEN pg_terminate_backend(pg_backend_pid()) END AS gone FROM generate_series(1, 500000) g"
    with pytest.raises(
        EngineError, match=r"terminating connection|closed the connection"
    ) as raised:
        session.read(Source("sql", Path("q"), query=killing, connection=settings(postgres)))
    assert raised.value.transient


def target(server: Server, mode: str = "upsert", **others: object) -> Target:
    known = settings(server, **others)
    return Target("sql", Path("postgres/t"), mode, "w1", keys=("id",), table="t", connection=known)


def test_a_lock_of_another_is_waited_for_and_then_may_be_tried_again(
    tmp_path: Path, postgres: Server
) -> None:
    from adbc_driver_postgresql import dbapi

    postgres.run(
        "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE TABLE t AS SELECT 1 AS id"
    )
    engine = DuckDBEngine(work_dir=tmp_path)
    session = engine.session("n")
    place = f"postgresql://odibi:hush-hush@127.0.0.1:{postgres.port}/postgres"
    with dbapi.connect(place) as other, other.cursor() as holding:
        holding.execute("UPDATE t SET id = 1")
        frame = session.sql("SELECT 2 AS id", {})
        staged = session.stage(frame, target(postgres, timeout=1))
        with pytest.raises(EngineError, match="lock timeout") as raised:
            session.commit(staged)
        assert raised.value.transient
        other.rollback()
    assert not engine.was_written(target(postgres))
    assert session.commit(session.stage(frame, target(postgres, timeout=1))).rows == 1
    assert engine.was_written(target(postgres))
    assert postgres.run("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    engine.close()


def test_a_lock_of_another_on_sqlite_may_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odibi_engines.sqlite_write._BUSY_SECONDS", 0.2)
    place = Target(
        "sql", tmp_path / "x.db/t", "append", "w1", table="t",
        connection={"type": "sqlite", "path": str(tmp_path / "x.db")},
    )  # fmt: skip
    session = DuckDBEngine(work_dir=tmp_path / "work").session("n")
    frame = session.sql("SELECT 2 AS id", {})
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        staged = session.stage(frame, place)
        with pytest.raises(EngineError, match="database is locked") as raised:
            session.commit(staged)
        assert raised.value.transient
        other.execute("ROLLBACK")
    assert session.commit(session.stage(frame, place)).rows == 1


def test_a_cancel_reaches_the_server_that_writes(tmp_path: Path, postgres: Server) -> None:
    postgres.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "CREATE TABLE t (id int)")
    postgres.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
        "CREATE TRIGGER slow AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    session = DuckDBEngine(work_dir=tmp_path).session("n")
    found: list[BaseException] = []

    def write() -> None:
        try:
            session.commit(session.stage(session.sql("SELECT 2 AS id", {}), target(postgres)))
        except (Cancelled, EngineError) as error:
            found.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    running = "SELECT pid FROM pg_stat_activity WHERE application_name = 'odibi' AND query LIKE 'INSERT INTO%' AND state = 'active'"
    until(lambda: postgres.run(running) != [])
    session.cancel()
    writing.join(PATIENCE)
    assert [type(error) for error in found] == [Cancelled]
    assert postgres.run("SELECT count(*) FROM t") == [(0,)]
    session.close()
