"""Tables of databases and stores as Parquet files, so that a question can join them with all others."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from odibi.engine import Engine, Source, Target
from odibi.errors import EngineError
from odibi.plugins import open_engine
from odibi.tables import StoredTable

__all__ = ["TableCopies"]

_FIRST_ROWS = re.compile(r"\s*(?:select\s+\*\s+)?from\s+[^\s,();]+\s+limit\s+(\d+)\s*;?\s*", re.I)


class TableCopies:
    """The tables that a question is about, those of other machines copied; the files go with this object.

    They are asked only for tables whose names the SQL holds.
    """

    def __init__(self, sql: str, tables: Sequence[StoredTable]) -> None:
        self.broken: dict[str, str] = {}
        """Why a table couldn't be copied, by its key."""
        self._sql = sql
        wanted = [table for table in tables if self._is_asked(table)]
        copied = self._copied(wanted) if wanted else {}
        self.tables = [copied.get(table.key, table) for table in tables]

    def _is_asked(self, table: StoredTable) -> bool:
        source = table.source
        if source is None or (source.format != "sql" and source.connection is None):
            return False
        name = re.escape(table.node.replace('"', '""'))
        return re.search(rf"(?<!\w){name}(?!\w)", self._sql, re.IGNORECASE) is not None

    def _copied(self, tables: Sequence[StoredTable]) -> dict[str, StoredTable]:
        """The tables as files, by their keys."""
        folder = Path(tempfile.mkdtemp(prefix="odibi-tables-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        engine = open_engine("duckdb", folder / "work", {})
        try:
            return {
                table.key: self._copy(engine, table, folder / f"{number}.parquet")
                for number, table in enumerate(tables)
            }
        finally:
            engine.close()

    def _copy(self, engine: Engine, table: StoredTable, file: Path) -> StoredTable:
        assert table.source is not None
        session = engine.session(table.key)
        try:
            if table.source.connection is not None and not engine.is_there(table.source):
                return replace(table, source=None)
            frame = session.read(replace(table.source, enough=self._enough()))
            session.commit(session.stage(frame, Target("parquet", file, "overwrite", "copy")))
        except EngineError as error:
            self.broken[table.key] = str(error)
            return replace(table, source=None)
        finally:
            session.close()
        return replace(table, source=Source("parquet", file, (file,)))

    def _enough(self) -> int | None:
        """How many rows the question looks at, when it is about the first ones of one table."""
        match = _FIRST_ROWS.fullmatch(self._sql)
        return int(match[1]) if match else None
