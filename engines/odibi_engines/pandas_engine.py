"""The pandas engine: every frame is a DataFrame of Arrow-backed columns, computed at once.

Text is parsed, SQL is run and files are written by DuckDB over Arrow, so that rows, rejects and types are
those of the DuckDB engine; what the user's functions see is pandas all the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from odibi.engine import (
    Frame,
    Progress,
    ReadReport,
    Rows,
    Schema,
    Source,
    Staged,
    TableProfile,
    Target,
    UserFunction,
    Written,
)
from odibi.errors import EngineError

from . import user_functions
from .duck_session import DuckSession
from .duckdb_engine import DuckDBEngine
from .frames import DuckFrame
from .sql_text import ident, mentions

__all__ = ["PandasEngine", "PandasFrame"]


@dataclass(frozen=True, slots=True, eq=False)
class PandasFrame:
    """A DataFrame, and its columns in DuckDB's types (which know UUID and JSON, where Arrow has text)."""

    data: Any
    schema: Schema

    @property
    def rows(self) -> int:
        return len(self.data)


class PandasEngine:
    """Tables are pandas DataFrames. Same arguments as the DuckDB engine, which does parsing and SQL."""

    name = "pandas"

    def __init__(
        self,
        *,
        work_dir: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
        performance: Mapping[str, Any] | None = None,
    ) -> None:
        self._duck = DuckDBEngine(
            work_dir=work_dir, threads=threads, memory_limit=memory_limit, performance=performance
        )

    def session(self, name: str) -> PandasSession:
        return PandasSession(self._duck.session(name))

    def was_written(self, target: Target) -> bool:
        return self._duck.was_written(target)

    def sweep(self, target: Target) -> None:
        self._duck.sweep(target)

    def release(self, frame: Frame) -> None:
        """Nothing to do: a DataFrame goes when nobody refers to it."""

    def close(self) -> None:
        self._duck.close()


class PandasSession:
    """One node's conversation; DuckDB works on the DataFrames' Arrow columns without copying them."""

    def __init__(self, duck: DuckSession) -> None:
        self._duck = duck
        self._staged: dict[str, Staged] = {}
        self._numbers = itertools.count(1)

    # Between pandas and DuckDB

    def _pandas(self, frame: Frame) -> PandasFrame:
        if not isinstance(frame, PandasFrame):
            raise EngineError(f"a frame of another engine came in: {type(frame).__name__}")
        return frame

    def _eager(self, lazy: Frame) -> PandasFrame:
        """A DuckDB frame as a DataFrame."""
        return PandasFrame(user_functions.frame_to_pandas(self._duck.to_arrow(lazy)), lazy.schema)

    def _relation(self, frame: Frame) -> DuckFrame:
        """The DataFrame as something DuckDB can select from, with the types that the frame knows."""
        known = self._pandas(frame)
        name = f"odibi_pandas_{next(self._numbers)}"
        self._duck.cursor.raw.register(name, _arrow(known.data))
        found = self._duck.cursor.schema_of(f"FROM {name}")
        casts = [
            f"{ident(column.name)}::{column.type} AS {ident(column.name)}"
            for column, arrow in zip(known.schema, found, strict=True)
            if column.type != arrow.type
        ]
        place = f"(SELECT * REPLACE ({', '.join(casts)}) FROM {name})" if casts else name
        return DuckFrame(place, known.schema, rows=known.rows, query="FROM df")

    def _relations(self, query: str, tables: Mapping[str, Frame]) -> dict[str, Frame]:
        """Frames that the query names as relations; the others only lend their names to messages."""
        return {
            name: self._relation(frame) if mentions(query, name) else frame
            for name, frame in tables.items()
        }

    # The protocol

    def read(self, source: Source) -> Frame:
        return self._eager(self._duck.read(source))

    def read_reports(self) -> Sequence[ReadReport]:
        return [
            report
            if report.rejects is None
            else replace(report, rejects=self._eager(report.rejects))
            for report in self._duck.read_reports()
        ]

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        self._duck.cursor.statements.append(query)
        return self._eager(self._duck.sql(query, self._relations(query, tables)))

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        return self._duck.fetch(query, self._relations(query, tables))

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        visible = {**tables, **({} if frame is None else {"df": frame})}
        result = user_functions.call(
            function, frame, params, tables, _TablesOf(self, visible), PandasEngine.name
        )
        return self._eager(self._duck.from_arrow(user_functions.as_arrow(function.name, result)))

    def execute(self, statement: str) -> None:
        self._duck.execute(statement)

    def hold(self, frame: Frame) -> Frame:
        return self._pandas(frame)

    def stage(self, frame: Frame, target: Target) -> Staged:
        staged = self._duck.stage(self._relation(frame), target)
        self._staged[target.write_id] = staged
        return replace(staged, frame=frame if staged.frame is not None else None)

    def commit(self, staged: Staged) -> Written:
        return self._duck.commit(self._staged.pop(staged.target.write_id, staged))

    def discard(self, staged: Staged) -> None:
        self._duck.discard(self._staged.pop(staged.target.write_id, staged))

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        return self._duck.profile(
            self._relation(frame), written, sample_rows=sample_rows, full=full
        )

    def statements(self) -> Sequence[str]:
        return self._duck.statements()

    def progress(self) -> Progress | None:
        return self._duck.progress()

    def cancel(self) -> None:
        self._duck.cancel()

    def close(self) -> None:
        self._duck.close()

    # For users' functions

    def convert(self, frame: PandasFrame, wants: str) -> Any:
        """The frame as pandas (copied on write), arrow, or relation."""
        if wants == "arrow":
            return _arrow(frame.data)
        if wants == "relation":
            return self._duck.relation_of(self._relation(frame))
        return frame.data.copy(deep=False)


class _TablesOf:
    """What a user's function may see: the node's frames by name."""

    def __init__(self, session: PandasSession, tables: Mapping[str, Frame]) -> None:
        self.session = session
        self.tables = tables

    def convert(self, table: Any, wants: str) -> Any:
        return self.session.convert(table, wants)

    def query(self, sql: str) -> Any:
        frame = self.session.sql(sql, self.tables)
        assert isinstance(frame, PandasFrame)
        return frame.data


def _arrow(data: Any) -> Any:
    import pyarrow as pa  # 0.2 s of start-up that DuckDB projects don't pay

    return pa.Table.from_pandas(data, preserve_index=False)
