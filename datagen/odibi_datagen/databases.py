"""The transactional tables elsewhere: as a dump of SQL statements, and in a PostgreSQL database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .oltp import SCHEMA

__all__ = ["TABLES", "load_postgres", "write_dump"]

TABLES = ("customers", "orders", "order_items", "payments")

_ROWS_A_STATEMENT = 500
_ROWS_A_BATCH = 50_000
_PLACE = "postgresql://user:password@host:5432/database"


def write_dump(database: Path, dump: Path) -> int:
    """Write the tables of the SQLite file as SQL that PostgreSQL and SQLite understand; bytes written.

    Tables of these names are replaced, in one transaction. Moments are of type TIMESTAMP.
    """
    with closing(_opened(database)) as db, dump.open("w", encoding="utf-8", newline="\n") as out:
        out.write("BEGIN;\n" + _schema())
        for table in TABLES:
            for rows in _quoted(db, table):
                out.write(f"INSERT INTO {table} VALUES\n" + ",\n".join(rows) + ";\n")
        out.write("COMMIT;\n")
    return dump.stat().st_size


def load_postgres(database: Path, address: str) -> dict[str, int]:
    """Bring the tables of the SQLite file into a PostgreSQL database, in one transaction; rows by table.

    Tables of these names are replaced. Raises ConnectionError when the server can't be reached or refuses,
    ImportError without the driver, ValueError for another kind of address.
    """
    if not address.startswith(("postgresql://", "postgres://")):
        raise ValueError(f"orders go to a PostgreSQL database, such as {_PLACE}")
    import adbc_driver_manager  # the extra `postgres`
    from adbc_driver_postgresql import dbapi

    try:
        with (
            closing(_opened(database)) as db,
            dbapi.connect(address) as server,
            server.cursor() as cursor,
        ):
            for statement in filter(str.strip, _schema().split(";")):
                cursor.execute(statement)
            counts = {table: _ingest(cursor, db, table) for table in TABLES}
            server.commit()
    except adbc_driver_manager.Error as error:
        raise ConnectionError(_without_password(str(error), address)) from None
    return counts


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _schema() -> str:
    """The schema with types that servers have, before it what removes earlier tables."""
    removed = "".join(f"DROP TABLE IF EXISTS {table};\n" for table in TABLES)
    schema = SCHEMA.replace(" WITHOUT ROWID", "").replace(" INTEGER", " BIGINT").lstrip()
    return removed + schema.replace("_at TEXT", "_at TIMESTAMP")


def _quoted(db: sqlite3.Connection, table: str) -> Iterator[list[str]]:
    """Rows as the text between INSERT's parentheses, some at a time."""
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    values = " || ', ' || ".join(f"quote({column})" for column in columns)
    found = db.execute(f"SELECT '(' || {values} || ')' FROM {table}")
    while rows := found.fetchmany(_ROWS_A_STATEMENT):
        yield [row[0] for row in rows]


def _ingest(cursor: Any, db: sqlite3.Connection, table: str) -> int:
    """Stream the rows of a table to the server; how many."""
    kinds = {row[1]: row[2] for row in db.execute(f"PRAGMA table_info({table})")}
    schema = pa.schema([(name, _arrow_type(name, kind)) for name, kind in kinds.items()])
    batches = _batches(db, table, schema)
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    return int(cursor.adbc_ingest(table, reader, mode="append"))


def _arrow_type(name: str, kind: str) -> pa.DataType:
    if name.endswith("_at"):
        return pa.timestamp("us")
    return pa.int64() if kind == "INTEGER" else pa.string()


def _batches(db: sqlite3.Connection, table: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    found = db.execute(f"SELECT * FROM {table}")
    while rows := found.fetchmany(_ROWS_A_BATCH):
        columns = zip(*rows, strict=True)
        yield pa.record_batch(
            [_column(values, one.type) for values, one in zip(columns, schema, strict=True)],
            schema=schema,
        )


def _column(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pc.cast(pa.array(values, pa.string()), kind)
    return pa.array(values, kind)


def _without_password(message: str, address: str) -> str:
    """The driver may repeat the address."""
    credentials = address.partition("://")[2].rpartition("@")[0]
    password = credentials.partition(":")[2]
    return message.replace(password, "***") if password else message
