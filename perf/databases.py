"""Tables of databases through odibi against the drivers by hand: rows a second, read and written, and ratios.

In this process, against a PostgreSQL server of its own and SQLite files, on this machine: the clock
counts, for half of the work is the server's. In turn, median of several. Read: the table becomes a
Parquet file. Write: a Parquet file becomes a table. "By hand" is the least that one would write in a
script, without staging, types, notes of the write or a story; against upsert it is a plain insert.

    python perf/databases.py [--rows 1_000_000] [--times 3]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from pathlib import Path

import duckdb
from adbc_driver_postgresql import dbapi

from odibi import config
from odibi.runner import RunRequest, launch
from tests.databases.server import Server, private_server

_ROWS = """
SELECT range AS id, range % 1000 AS who, TIMESTAMP '2025-01-01' + INTERVAL (range) SECOND AS at,
  (range % 100000) / 100.0::DOUBLE AS amount, 'word ' || range % 5000 AS word FROM range({rows})"""
_PROJECT = """
project: perf
connections:
  data: {{type: local, base_path: .}}
  sqlite: {{type: sqlite, path: shop.db}}
  postgres: {postgres}
pipelines:
  - pipeline: p
    nodes:
      - {{name: n, read: {read}, write: {write}}}
"""
_FILE = "{connection: data, format: parquet, path: %s.parquet}"
_TABLE = "{connection: %s, format: sql, table: %s%s}"
_COLUMNS = "(id BIGINT, who BIGINT, at TIMESTAMP, amount DOUBLE, word TEXT)"


def _odibi(server: Server, read: str, write: str) -> None:
    text = _PROJECT.format(postgres=server.yaml(), read=read, write=write)
    Path("odibi.yaml").write_text(text)
    done = launch(config.load(Path("odibi.yaml")), RunRequest(profile="off"))
    assert done.exit_code == 0, done


def _address(server: Server) -> str:
    return f"postgresql://odibi:hush-hush@127.0.0.1:{server.port}/postgres"


def _read_postgres(server: Server) -> None:
    with dbapi.connect(_address(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM events")
        rows = cursor.fetch_record_batch()
        duckdb.from_arrow(rows).write_parquet("hand.parquet", compression="zstd")


def _write_postgres(server: Server) -> None:
    rows = duckdb.read_parquet("events.parquet").to_arrow_reader(100_000)
    with dbapi.connect(_address(server)) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS hand")
        cursor.adbc_ingest("hand", rows, mode="create")
        connection.commit()


def _read_sqlite(_: Server) -> None:
    import pyarrow as pa

    with closing(sqlite3.connect("shop.db")) as database:
        rows = database.execute("SELECT * FROM events").fetchall()
    names = ["id", "who", "at", "amount", "word"]
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    duckdb.from_arrow(table).write_parquet("hand.parquet", compression="zstd")


def _write_sqlite(_: Server) -> None:
    rows = duckdb.sql('SELECT * REPLACE ("at"::VARCHAR AS "at") FROM \'events.parquet\'').fetchall()
    with closing(sqlite3.connect("hand.db")) as database, database:
        database.execute("DROP TABLE IF EXISTS hand")
        database.execute(f"CREATE TABLE hand {_COLUMNS}")
        database.executemany("INSERT INTO hand VALUES (?, ?, ?, ?, ?)", rows)


def _works(server: Server) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """What is measured: through odibi, and by hand."""
    by_hand = {
        "postgres": (_read_postgres, _write_postgres),
        "sqlite": (_read_sqlite, _write_sqlite),
    }
    for name, (read, write) in by_hand.items():
        table = _TABLE % (name, "events", "")
        yield (
            f"{name}: read",
            lambda table=table: _odibi(server, table, _FILE % "out"),
            lambda read=read: read(server),
        )
        for mode in ("overwrite", "append", "upsert, merge_keys: [id]"):
            target = _TABLE % (name, f"out_{mode[:6]}", f", mode: {mode}")
            yield (
                f"{name}: {mode.partition(',')[0]}",
                lambda target=target: _odibi(server, _FILE % "events", target),
                lambda write=write: write(server),
            )


def _prepare(server: Server, rows: int) -> None:
    duckdb.sql(_ROWS.format(rows=rows)).write_parquet("events.parquet")
    for name in ("sqlite", "postgres"):
        _odibi(server, _FILE % "events", _TABLE % (name, "events", ""))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    os.environ["PG_PASSWORD"] = "hush-hush"
    with private_server() as server, tempfile.TemporaryDirectory() as folder, chdir(folder):
        _prepare(server, given.rows)
        print(f"{given.rows:,} rows        odibi rows/s    by hand    odibi / by hand")
        for name, ours, theirs in _works(server):
            taken = [(_seconds(ours), _seconds(theirs)) for _ in range(given.times)]
            odibi, hand = (statistics.median(column) for column in zip(*taken, strict=True))
            speeds = f"{given.rows / odibi:14,.0f} {given.rows / hand:12,.0f}"
            print(f"{name:20} {speeds} {odibi / hand:14.2f}", flush=True)


if __name__ == "__main__":
    main()
