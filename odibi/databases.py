"""Tables of databases as the project names them: where they are, and whether a SQLite file holds one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["identity", "settings", "sqlite_changed", "sqlite_has", "table_path"]


def settings(root: Path, connection: Any) -> Mapping[str, Any]:
    """The connection's settings for an engine; the path of a SQLite database is absolute."""
    known: dict[str, Any] = connection.model_dump()
    if connection.type == "sqlite":
        known["path"] = _file(root, connection)
    return known


def table_path(root: Path, connection: Any, table: str) -> Path:
    """What stands for the table where places are paths: it names it, and no file is there."""
    if connection.type == "sqlite":
        return Path(_file(root, connection), table.replace("/", "∕"))
    return Path(connection.database, table.replace("/", "∕"))


def identity(root: Path, connection: Any, table: str) -> str:
    """A name for the table that is the same by whichever connection it is reached."""
    if connection.type == "sqlite":
        return f"{_file(root, connection)}/{table.lower()}"
    name = table if "." in table else f"{connection.schema_}.{table}"
    return f"//{connection.host}:{connection.port}/{connection.database}/{name}"


def sqlite_has(file: Path, table: str) -> bool:
    """Whether the database file has the table; a file that is no database has none."""
    query = (
        "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
    )
    return _asked(file, query, table) is not None


def sqlite_changed(file: Path, table: str) -> datetime | None:
    """When odibi last wrote the table (UTC); None when it never did."""
    query = "SELECT max(written_at) FROM _odibi_writes WHERE table_name = ? COLLATE NOCASE"
    found = _asked(file, query, table)
    return datetime.fromisoformat(found).replace(tzinfo=UTC) if found else None


def _asked(file: Path, query: str, table: str) -> Any:
    """The first value that the query gives for a table; None when there is none, or no such database."""
    if not file.is_file():
        return None
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        try:
            row = database.execute(query, (table,)).fetchone()
        except sqlite3.DatabaseError:
            return None
    return row[0] if row else None


def _file(root: Path, connection: Any) -> str:
    return os.path.normpath(os.path.join(root, connection.path))  # noqa: PTH118 - a Path keeps `..`
