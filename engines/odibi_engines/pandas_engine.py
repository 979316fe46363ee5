"""The pandas engine: users' functions work on DataFrames of Arrow-backed columns, and those stay such.

Files are read and written and SQL is run by DuckDB, in parts and within `performance.memory_limit`; a
DataFrame of all rows is made where a function asks for one, and nowhere else.
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
from odibi.errors import Cancelled, EngineError

from . import user_functions
from .duck_session import DuckSession
from .duckdb_engine import DuckDBEngine, part_of
from .frames import DuckFrame, duck
from .sql_text import ident, in_bytes, mentions

__all__ = ["PandasEngine", "PandasFrame"]

_DUCKDB_SHARE = 0.7
"""Of a stated memory limit; Python, what Arrow and the allocator hold and the JSON parser's buffers are the rest."""
_SURELY_FITS = 100_000
_LOOKED_AT = 20_000


@dataclass(slots=True, eq=False)
class PandasFrame:
    """Rows that a function gave, as its DataFrame (`data`), or rows that DuckDB knows how to make (`lazy`).

    `schema` has DuckDB's types, which know UUID and JSON where Arrow has text.
    """

    schema: Schema
    data: Any = None
    lazy: DuckFrame | None = None

    @property
    def rows(self) -> int | None:
        return len(self.data) if self.lazy is None else self.lazy.rows


class PandasEngine:
    """Functions see and give DataFrames. Same arguments as the DuckDB engine, which does parsing and SQL.

    A `memory_limit` bounds the process, as far as it isn't a function that takes the memory.
    """

    name = "pandas"

    def __init__(
        self,
        *,
        work_dir: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
        performance: Mapping[str, Any] | None = None,
    ) -> None:
        share = 1.0 if memory_limit is None else _DUCKDB_SHARE
        self._duck = DuckDBEngine(
            work_dir=work_dir,
            threads=threads,
            memory_limit=memory_limit and part_of(memory_limit, share),
            performance=performance,
        )
        self._share = share

    def session(self, name: str) -> PandasSession:
        return PandasSession(self._duck.session(name), self._share)

    def is_there(self, source: Source) -> bool:
        return self._duck.is_there(source)

    def was_written(self, target: Target) -> bool:
        return self._duck.was_written(target)

    def sweep(self, target: Target) -> None:
        self._duck.sweep(target)

    def release(self, frame: Frame) -> None:
        """A DataFrame goes when nobody refers to it; DuckDB's tables go now."""
        self._duck.drop_unused()

    def need(self, frames: Sequence[Frame]) -> float:
        return self._duck.need([getattr(frame, "lazy", None) or frame for frame in frames])

    def close(self) -> None:
        self._duck.close()


class PandasSession:
    """One node's conversation; DuckDB works on the DataFrames' Arrow columns without copying them.

    `share` is DuckDB's of the memory limit.
    """

    def __init__(self, duck: DuckSession, share: float) -> None:
        self._duck = duck
        self._share = share
        self._staged: dict[str, Staged] = {}
        self._numbers = itertools.count(1)

    # Between pandas and DuckDB

    def _pandas(self, frame: Frame) -> PandasFrame:
        if not isinstance(frame, PandasFrame):
            raise EngineError(f"a frame of another engine came in: {type(frame).__name__}")
        return frame

    def _lazy(self, frame: Frame) -> PandasFrame:
        """A frame of DuckDB's as ours."""
        known = duck(frame)
        return PandasFrame(known.schema, lazy=known)

    def _relation(self, frame: Frame) -> DuckFrame:
        """The frame as something DuckDB can select from, with the types that the frame knows."""
        known = self._pandas(frame)
        if known.lazy is not None:
            return known.lazy
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
        return self._lazy(self._duck.read(source))

    def source_state(self) -> Mapping[str, Any]:
        return self._duck.source_state()

    def read_reports(self) -> Sequence[ReadReport]:
        return [
            report
            if report.rejects is None
            else replace(report, rejects=self._lazy(report.rejects))
            for report in self._duck.read_reports()
        ]

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        """The rows of a SELECT; over a DataFrame they are computed now: no other session can see it."""
        frame = self._duck.sql(query, self._relations(query, tables))
        given = any(
            isinstance(table, PandasFrame) and table.lazy is None and mentions(query, name)
            for name, table in tables.items()
        )
        return self._lazy(self._duck.hold(frame) if given else frame)

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        return self._duck.fetch(query, self._relations(query, tables))

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        first = None if frame is None else self._once(frame)
        inputs = {name: self._once(table) for name, table in tables.items()}
        visible = _TablesOf(self, {**inputs, **({} if first is None else {"df": first})})
        try:
            result = user_functions.call(
                function, first, params, inputs, visible, PandasEngine.name
            )
        except EngineError:
            if self._duck.cursor.cancelled:
                raise Cancelled from None
            raise
        self._duck.cursor.statements.append(f"-- Python function {function.name}")
        return self._given(user_functions.as_arrow(function.name, result))

    def _once(self, frame: Frame) -> PandasFrame:
        """A frame that may be looked at several times: text is held first."""
        known = self._pandas(frame)
        streams = known.lazy is not None and known.lazy.streams
        return self._lazy(self._duck.hold(known.lazy)) if streams and known.lazy else known

    def _given(self, arrow: Any) -> PandasFrame:
        """What a function gave, with the types that DuckDB sees in it."""
        name = f"odibi_pandas_{next(self._numbers)}"
        table = arrow.read_all() if hasattr(arrow, "read_all") else arrow
        self._duck.cursor.raw.register(name, table)
        schema = self._duck.cursor.schema_of(f"FROM {name}")
        self._duck.cursor.raw.unregister(name)
        return PandasFrame(schema, data=user_functions.frame_to_pandas(table))

    def execute(self, statement: str) -> None:
        self._duck.execute(statement)

    def hold(self, frame: Frame) -> Frame:
        known = self._pandas(frame)
        return known if known.lazy is None else self._lazy(self._duck.hold(known.lazy))

    def stage(self, frame: Frame, target: Target) -> Staged:
        staged = self._duck.stage(self._relation(frame), target)
        self._staged[target.write_id] = staged
        return staged if staged.frame is None else replace(staged, frame=self._lazy(staged.frame))

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

    def notes(self) -> Sequence[str]:
        return ()

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
        if wants == "relation":
            return self._duck.relation_of(self._relation(frame))
        if frame.lazy is None:
            return _arrow(frame.data) if wants == "arrow" else frame.data.copy(deep=False)
        held = duck(self._duck.hold(frame.lazy))
        self._refuse_too_much(held)
        arrow = self._duck.to_arrow(held)
        return arrow if wants == "arrow" else user_functions.frame_to_pandas(arrow)

    def _refuse_too_much(self, held: DuckFrame) -> None:
        """Raise EngineError for rows that would not fit: better than being killed half way."""
        rows = held.rows or 0
        if rows <= _SURELY_FITS:
            return
        few = self._duck.to_arrow(
            self._duck.sql(f"SELECT * FROM df LIMIT {_LOOKED_AT}", {"df": held})
        )
        needed = few.nbytes * rows // _LOOKED_AT
        said = self._duck.fetch("SELECT current_setting('memory_limit')", {}).rows[0][0]
        limit = in_bytes(said) / self._share
        if needed > limit:
            raise EngineError(
                f"the function needs all {rows:,} rows in memory at once, about {_spelled(needed)}; "
                f"the limit is {_spelled(limit)}",
                hint="let it take a relation (DuckDBPyRelation), write it as SQL, or raise performance.memory_limit",
            )


def _spelled(amount: float) -> str:
    """Bytes for people."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"


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
        return self.session.convert(frame, "pandas")


def _arrow(data: Any) -> Any:
    import pyarrow as pa  # 0.2 s of start-up that DuckDB projects don't pay

    return pa.Table.from_pandas(data, preserve_index=False)
