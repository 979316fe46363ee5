"""SQLite: typed by declaration, and strict, since SQLite itself keeps any value in any column."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime
from pathlib import Path

import pytest

from odibi.engine import Session, Source
from odibi.errors import EngineError
from tests.engines.probe import values


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(20), price REAL, paid BOOLEAN, day DATE, at TIMESTAMP, raw BLOB)"
        )
        db.execute(
            "INSERT INTO orders VALUES (1, 'a', 1.5, 1, '2024-01-01', '2024-01-01 10:00:00', x'01ff')"
        )
        db.execute(
            "INSERT INTO orders VALUES (2, NULL, 2, 0, NULL, '2024-01-01T10:00:00.250', NULL)"
        )
        db.execute("CREATE TABLE odd (id INTEGER, n INTEGER)")
        db.execute("INSERT INTO odd VALUES (1, 5), (2, 'many')")
    db.close()
    return path


def test_a_table_has_its_declared_types(session: Session, shop: Path) -> None:
    frame = session.read(Source("sql", shop, table="orders"))
    assert [column.type for column in frame.schema] == [
        "BIGINT",
        "VARCHAR",
        "DOUBLE",
        "BOOLEAN",
        "DATE",
        "TIMESTAMP",
        "BLOB",
    ]
    assert values(session, frame) == [
        (1, "a", 1.5, True, date(2024, 1, 1), datetime(2024, 1, 1, 10), b"\x01\xff"),
        (2, None, 2.0, False, None, datetime(2024, 1, 1, 10, 0, 0, 250_000), None),
    ]


def test_a_query_has_the_types_of_its_values(session: Session, shop: Path) -> None:
    frame = session.read(
        Source("sql", shop, query="SELECT id, price, upper(name) AS name FROM orders")
    )
    assert [column.type for column in frame.schema] == ["BIGINT", "DOUBLE", "VARCHAR"]
    assert values(session, frame) == [(1, 1.5, "A"), (2, 2.0, None)]


def test_a_value_of_another_type_is_named(session: Session, shop: Path) -> None:
    with pytest.raises(EngineError, match=r"column 'n' holds 'many' \(str\), which is not BIGINT"):
        session.hold(session.read(Source("sql", shop, table="odd")))


def test_an_unknown_table_is_named(session: Session, shop: Path) -> None:
    with pytest.raises(EngineError, match="has no table 'order'") as raised:
        session.read(Source("sql", shop, table="order"))
    assert raised.value.hint == "did you mean 'orders'? tables: orders, odd"


def test_the_database_is_never_written(session: Session, shop: Path) -> None:
    with pytest.raises(EngineError, match="readonly"):
        session.read(Source("sql", shop, query="DELETE FROM orders RETURNING id"))
    with pytest.raises(EngineError, match=r"no database file gone\.db"):
        session.read(Source("sql", shop.with_name("gone.db"), table="orders"))


def test_many_rows_are_streamed(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "big.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (id INTEGER, day DATE, paid BOOLEAN, big INTEGER, name TEXT)")
        rows = ((i, "2024-01-01", i % 2, 2**63 - 1, None if i % 3 else "x") for i in range(45_000))
        db.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        db.execute("CREATE TABLE late AS SELECT * FROM t")
        db.execute("UPDATE late SET big = 'tomorrow' WHERE id = 44999")
    db.close()
    frame = session.read(Source("sql", path, table="t"))
    query = (
        "SELECT count(*), sum(id), min(day), count(*) FILTER (paid), max(big), count(name) FROM df"
    )
    assert session.fetch(query, {"df": frame}).rows == [
        (45_000, 1012477500, date(2024, 1, 1), 22_500, 2**63 - 1, 15_000)
    ]
    for table in ("late", "few"):
        if table == "few":
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE few (day DATE)")
                db.execute("INSERT INTO few VALUES ('tomorrow')")
            db.close()
        with pytest.raises(EngineError, match="tomorrow"):
            session.read(Source("sql", path, table=table))


def test_no_rows(session: Session, shop: Path) -> None:
    frame = session.read(Source("sql", shop, query="SELECT id, name FROM orders WHERE id > 99"))
    assert frame.rows == 0
    assert [column.type for column in frame.schema] == ["VARCHAR", "VARCHAR"]
