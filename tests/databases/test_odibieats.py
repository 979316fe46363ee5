"""OdibiEats' orders and payments in a PostgreSQL database, and as a dump: the same gold tables."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from odibi_datagen import generate
from odibi_datagen.databases import TABLES, load_postgres, write_dump
from tests.cli.command import odibi
from tests.machine import needs_postgres

from .conftest import Server

_PROJECT = Path(__file__).parents[2] / "reference_project"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odibieats") / "project"
    shutil.copytree(
        _PROJECT, folder, ignore=shutil.ignore_patterns("data", ".odibi", "__pycache__")
    )
    generate(folder / "data" / "landing", size="2MB", seed=9)
    return folder


@pytest.fixture(scope="module")
def database(project: Path) -> Path:
    return project / "data" / "landing" / "oltp" / "odibieats.db"


def address(server: Server) -> str:
    return f"postgresql://odibi:hush-hush@127.0.0.1:{server.port}/postgres"


def sqlite_rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def texts(rows: list[tuple[Any, ...]]) -> list[tuple[str | None, ...]]:
    return sorted((tuple(None if v is None else str(v) for v in row) for row in rows), key=repr)


def test_postgres_holds_the_rows_of_the_file(postgres: Server, database: Path) -> None:
    counts = load_postgres(database, address(postgres))
    for table in TABLES:
        there = postgres.run(f"SELECT * FROM {table}")
        assert texts(there) == texts(sqlite_rows(database, table))
        assert counts[table] == len(there) > 0
    kinds = dict(
        postgres.run(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'"
        )
    )
    assert kinds["placed_at"] == "timestamp without time zone"
    assert kinds["total_cents"] == "bigint"
    assert load_postgres(database, address(postgres)) == counts


def run(project: Path, *more: str, **environment: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the tables that orders and payments lead to."""
    done = subprocess.run(
        [sys.executable, "-m", "odibi", "run", "-p", str(project), *more],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lake = project / "data" / "lake"
    names = ("silver/orders", "silver/payments", "gold/order_value_by_city", "gold/delivery_time_by_neighbourhood")  # fmt: skip
    return {n: duckdb.sql(f"FROM '{lake / n}.parquet' ORDER BY ALL").fetchall() for n in names}


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
def test_the_project_reads_postgres_and_gets_the_same_tables(
    postgres: Server, project: Path, database: Path, engine: str
) -> None:
    by_sqlite = run(project)
    load_postgres(database, address(postgres))
    by_postgres = run(
        project,
        *("--env", "postgres", "--engine", engine),
        PGPORT=str(postgres.port),
        PGPASSWORD="hush-hush",
    )
    assert by_postgres == by_sqlite
    assert odibi("datagen", "check", cwd=project).code == 0


def test_the_dump_makes_the_same_tables_in_both(
    postgres: Server, database: Path, tmp_path: Path
) -> None:
    dump = tmp_path / "odibieats.sql"
    assert write_dump(database, dump) == dump.stat().st_size
    with closing(sqlite3.connect(tmp_path / "again.db")) as db:
        db.executescript(dump.read_text(encoding="utf-8"))
    psql = [needs_postgres() / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, address(postgres)]
    subprocess.run(psql, check=True, capture_output=True)
    for table in TABLES:
        rows = sqlite_rows(database, table)
        assert sqlite_rows(tmp_path / "again.db", table) == rows
        assert texts(postgres.run(f"SELECT * FROM {table}")) == texts(rows)


def test_the_command_does_both(postgres: Server, tmp_path: Path) -> None:
    outcome = odibi(
        "datagen", "--size", "1MB", "--days", "2", "--sql", "--orders", address(postgres), cwd=tmp_path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    landing = tmp_path / "data" / "landing" / "oltp"
    orders = sqlite_rows(landing / "odibieats.db", "orders")
    assert f"{len(orders):,} orders" in outcome.out.splitlines()[-1]
    assert (landing / "odibieats.sql").read_text().startswith("BEGIN;\nDROP TABLE IF EXISTS")
    assert len(postgres.run("SELECT * FROM orders")) == len(orders)


def test_a_server_that_refuses_is_named_without_the_password(
    postgres: Server, database: Path, tmp_path: Path
) -> None:
    wrong = address(postgres).replace("hush-hush", "s3cret-guess")
    with pytest.raises(ConnectionError) as caught:
        load_postgres(database, wrong)
    assert "password authentication failed" in str(caught.value)
    assert "s3cret-guess" not in str(caught.value)
    with pytest.raises(ValueError, match="PostgreSQL database, such as"):
        load_postgres(database, "mysql://here")
