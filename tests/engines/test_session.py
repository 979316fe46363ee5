"""SQL over frames, errors in the user's words, progress and cancel, and many sessions at once."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from odibi.engine import Engine, Frame, Session, Source, Target
from odibi.engine import Session as SessionProtocol
from odibi.errors import Cancelled, EngineError
from odibi_engines.duckdb_engine import DuckDBEngine
from tests.engines.probe import source, values


def test_both_are_what_the_core_expects(engine: Any, session: Session) -> None:
    assert isinstance(engine, Engine)
    assert isinstance(session, SessionProtocol)
    frame = session.sql("SELECT 1 AS one", {})
    assert isinstance(frame, Frame)
    assert [(column.name, column.type) for column in frame.schema] == [("one", "INTEGER")]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a FROM df",
        "SELECT a FROM DF -- the end\n;",
        "WITH df2 AS (SELECT * FROM df) SELECT a FROM df2;;",
        "FROM df",
        "SELECT CASE WHEN 'df; --' <> 'x' THEN a END AS a FROM df",
        'SELECT d."a" FROM "df" AS d ORDER BY a /* df */',
    ],
)
def test_any_select_works(session: Session, query: str) -> None:
    frame = session.sql("SELECT unnest([2, 1]) AS a", {})
    assert values(session, session.sql(query, {"df": frame})) == [(1,), (2,)]


def test_names_of_tables_may_be_odd(session: Session) -> None:
    one = session.sql("SELECT 1 AS a", {})
    two = session.sql("SELECT 2 AS a", {})
    tables = {"a.b": one, 'say "hi"': two, "unused": one}
    assert values(
        session, session.sql('SELECT * FROM "a.b" UNION ALL FROM "say ""hi"""', tables)
    ) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("SELECT\n  idd FROM df", 'Referenced column "idd" not found in FROM clause! (line 2 of the SQL)', "did you mean 'id'? columns here: id, name"),
        ("SELECT df.nam FROM df", 'does not have a column named "nam"', "did you mean 'name'? columns here: id, name"),
        ("SELECT * FROM orderz", "Table with name orderz does not exist!", "did you mean 'orders'? tables here: df, orders"),
        ("SELEC 1", "syntax error at or near", None),
        ("SELECT * FROM df; DROP TABLE x", "syntax error", None),
        ("SELECT lenght(name) FROM df", "Scalar Function with name lenght does not exist!", "did you mean length?"),
    ],
)  # fmt: skip
def test_errors_are_in_the_users_words(
    session: Session, query: str, message: str, hint: str | None
) -> None:
    frame = session.sql("SELECT 1 AS id, 'x' AS name", {})
    with pytest.raises(EngineError) as raised:
        session.sql(query, {"df": frame, "orders": frame})
    assert message in raised.value.message
    assert raised.value.hint == hint
    assert raised.value.sql == query
    assert "odibi" not in raised.value.message


def test_moments_are_in_utc(session: Session) -> None:
    frame = session.sql(
        "SELECT TIMESTAMPTZ '2024-01-01 12:00:00+02:00' AS t, NULL::TIMESTAMPTZ AS n", {}
    )
    assert session.fetch("SELECT * FROM df", {"df": frame}).rows == [
        (datetime(2024, 1, 1, 10, tzinfo=UTC), None)
    ]


def test_held_rows_stay_when_the_source_changes(session: Session, tmp_path: Path) -> None:
    to = Target("parquet", tmp_path / "t.parquet", "overwrite", "w")
    session.commit(session.stage(session.sql("SELECT 1 AS a", {}), to))
    held = session.hold(session.read(source(to.path)))
    assert held.rows == 1
    to.path.unlink()
    assert values(session, held) == [(1,)]


def test_rows_of_parquet_are_known_without_reading(session: Session, tmp_path: Path) -> None:
    to = Target("parquet", tmp_path / "t.parquet", "overwrite", "w")
    session.commit(session.stage(session.sql("SELECT unnest(range(5000)) AS a", {}), to))
    assert session.read(source(to.path)).rows == 5000
    with pytest.raises(EngineError, match="no Parquet file at gone"):
        session.read(Source("parquet", tmp_path / "gone"))
    (tmp_path / "bad.parquet").write_text("not parquet at all")
    with pytest.raises(EngineError, match=r"bad\.parquet"):
        session.read(source(tmp_path / "bad.parquet"))


SLOW = "SELECT count(*) AS n FROM range(60000) a(x), range(60000) b(y) WHERE (x * y) % 7 = 3"


def test_cancel_stops_a_running_statement(engine: Any) -> None:
    session = engine.session("slow")
    caught: list[Cancelled] = []
    began = threading.Event()

    def work() -> None:
        began.set()
        try:
            session.hold(session.sql(SLOW, {}))
        except Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    began.wait()
    seen = []
    while thread.is_alive():
        progress = session.progress()
        if progress is not None and progress.fraction is not None:
            seen.append(progress.fraction)
        thread.join(0.05)
        if len(seen) > 1 or not seen:
            session.cancel()
    assert [type(error) for error in caught] == [Cancelled]
    assert all(0 <= fraction <= 1 for fraction in seen)
    with pytest.raises(Cancelled):
        session.fetch("SELECT 1", {})
    session.close()


def test_sessions_work_side_by_side(engine: Any, tmp_path: Path) -> None:
    first = engine.session("first")
    shared = first.hold(first.sql("SELECT unnest(range(1000)) AS a", {}))
    first.close()

    def work(number: int) -> list[tuple[Any, ...]]:
        session = engine.session(f"n{number}")
        frame = session.sql(f"SELECT a + {number} AS a FROM df WHERE a < 3", {"df": shared})
        to = Target("parquet", tmp_path / f"{number}.parquet", "overwrite", f"w{number}")
        session.commit(session.stage(frame, to))
        common = Target("parquet", tmp_path / "all.parquet", "append", f"all{number}")
        session.commit(session.stage(frame, common))
        rows = values(session, session.read(source(to.path)))
        session.close()
        return rows

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(24)))
    assert results == [[(n,), (n + 1,), (n + 2,)] for n in range(24)]
    last = engine.session("last")
    total = last.fetch(
        "SELECT count(*), sum(a) FROM df", {"df": last.read(source(tmp_path / "all.parquet"))}
    )
    assert total.rows == [(72, sum(3 * n + 3 for n in range(24)))]
    assert all(
        engine.was_written(Target("parquet", tmp_path / "all.parquet", "append", f"all{n}"))
        for n in range(24)
    )
    last.close()


def test_a_write_inside_a_write_keeps_the_outer_lock(engine: Any, tmp_path: Path) -> None:
    """A node sets rows aside between staging its result and publishing it."""
    session = engine.session("n")
    rows = session.sql("SELECT 1 AS a", {})
    outer = session.stage(rows, Target("parquet", tmp_path / "main.parquet", "append", "w1"))
    session.commit(
        session.stage(rows, Target("parquet", tmp_path / "aside.parquet", "append", "w2"))
    )
    other = engine.session("other")
    blocked = threading.Thread(
        target=lambda: other.commit(
            other.stage(rows, Target("parquet", tmp_path / "main.parquet", "append", "w3"))
        )
    )
    blocked.start()
    blocked.join(0.1)
    assert blocked.is_alive()
    session.commit(outer)
    blocked.join()
    assert values(session, session.read(source(tmp_path / "main.parquet"))) == [(1,), (1,)]
    session.close()
    other.close()


def test_tables_go_when_nobody_needs_them(duck: DuckDBEngine) -> None:
    session = duck.session("n")
    held = session.hold(session.sql("SELECT unnest(range(10)) AS a", {}))
    view = session.sql("SELECT a FROM df WHERE a > 7", {"df": held})
    count = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'odibi'"
    duck.release(held)
    del held
    gc.collect()
    duck.drop_unused()
    assert values(session, view) == [(8,), (9,)]  # the view still needs its table
    del view
    gc.collect()
    duck.drop_unused()
    assert session.fetch(count, {}).rows == [(0,)]
    session.close()


def test_statements_can_be_pasted(duck: DuckDBEngine, tmp_path: Path) -> None:
    session = duck.session("n")
    (tmp_path / "in.csv").write_text("a\n1\n2\nx\n")
    frame = session.sql(
        "SELECT a * 2 AS b FROM df",
        {"df": session.read(source(tmp_path / "in.csv", {"a": "BIGINT"}))},
    )
    session.commit(
        session.stage(frame, Target("parquet", tmp_path / "out.parquet", "overwrite", "w"))
    )
    (statement,) = session.statements()
    (tmp_path / "out.parquet").unlink()
    session.execute(statement)
    assert values(session, session.read(source(tmp_path / "out.parquet"))) == [(2,), (4,)]
    session.close()


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="memory_limit 'lots' is no amount"):
        DuckDBEngine(work_dir=tmp_path, memory_limit="lots")
    engine = DuckDBEngine(work_dir=tmp_path, threads=1, memory_limit="50%")
    session = engine.session("n")
    assert (
        session.fetch("SELECT current_setting('threads'), current_setting('TimeZone')", {}).rows[0][
            0
        ]
        == 1
    )
    session.close()
    engine.close()
    engine.close()


def test_too_little_memory_says_what_helps(tmp_path: Path) -> None:
    engine = DuckDBEngine(work_dir=tmp_path / "work", threads=1, memory_limit="20MB")
    session = engine.session("n")
    query = "SELECT i, list(j) AS js FROM range(200) a(i), range(200000) b(j) GROUP BY i"
    with pytest.raises(EngineError) as raised:
        session.hold(session.sql(query, {}))
    assert "solution" not in raised.value.message
    assert "performance.memory_limit" in (raised.value.hint or "")
    session.close()
    engine.close()
    assert not (tmp_path / "work").exists()


def test_a_place_that_can_not_be_written_is_named(session: Session, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"file/t\.parquet can't be written: Not a directory"):
        session.stage(
            session.sql("SELECT 1 AS a", {}),
            Target("parquet", tmp_path / "file/t.parquet", "overwrite", "w"),
        )
