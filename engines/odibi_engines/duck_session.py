"""One node's conversation with DuckDB: reading, SQL, users' functions, and the way to the writer."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import duckdb

from odibi.engine import (
    Frame,
    Progress,
    ReadReport,
    Rows,
    Source,
    Staged,
    TableProfile,
    Target,
    UserFunction,
    Written,
)
from odibi.errors import Cancelled, EngineError

from . import simulation_landing, user_functions, write_plan
from .api_landing import ApiLanding
from .duck_cursor import DuckCursor
from .duck_describe import describe
from .duck_errors import translated
from .duck_writer import Writer
from .frames import DuckFrame, duck, expanded
from .parquet_read import parquet_scan
from .postgres_read import PostgresRead
from .remote_copy import RemoteCopy
from .remote_write import RemoteWriter, is_remote
from .sql_text import file_list, ident, literal, mentions, trimmed, wrapped
from .sqlite_read import SqliteRead
from .text_sources import TextSources

if TYPE_CHECKING:
    from .duckdb_engine import DuckDBEngine

__all__ = ["DuckSession"]


class DuckSession:
    """Statements of one node on a cursor of its own; views and tables are shared by all sessions."""

    def __init__(self, engine: DuckDBEngine, name: str, cursor: Any) -> None:
        self.engine = engine
        self.name = name
        self.cursor = DuckCursor(engine, cursor)
        self._scratch = engine.work_dir / "read" / re.sub(r"\W", "_", name)
        self._copies = self._scratch.with_name(f"{self._scratch.name}.remote")
        self._landing = ApiLanding(lambda: self.cursor.cancelled)
        self._database: PostgresRead | None = None
        self._source_state: Mapping[str, Any] = {}
        self.texts = TextSources(self.cursor, self._scratch)
        self.writer = Writer(self.cursor, self.texts, self._read_table, self._hold, self._scratch)
        self.remote = RemoteWriter(self.writer, engine.work_dir, lambda: self.cursor.cancelled)

    # Reading

    def read(self, source: Source) -> Frame:
        readers: dict[str, Callable[[Source], DuckFrame]] = {
            "csv": self.texts.read,
            "json": self.texts.read,
            "parquet": self._read_parquet,
            "delta": self._read_delta,
            "sql": self._read_sqlite if source.connection is None else self._read_postgres,
            "api": self._read_api,
            "simulation": self._read_simulation,
        }
        if source.format not in readers:
            known = ", ".join(sorted(readers))
            raise EngineError(f"format {source.format!r} can't be read", hint=f"formats: {known}")
        if source.connection is not None and source.format not in ("api", "delta", "sql"):
            folder = self._copies / str(len(list(self._copies.glob("*"))))
            source = RemoteCopy(lambda: self.cursor.cancelled).fetch(source, folder)
        frame: Frame = readers[source.format](source)
        if source.columns and source.format not in ("csv", "json", "api"):
            frame = self._as_declared(frame, source.columns)
        if source.filter:
            frame = self.sql(f"SELECT * FROM df WHERE ({source.filter})", {"df": frame})
        return frame

    def _as_declared(self, frame: Frame, columns: Mapping[str, str]) -> Frame:
        """The frame with some columns cast to the types that the user declared."""
        names = [column.name for column in frame.schema]
        if missing := [name for name in columns if name not in names]:
            raise EngineError(
                f"there is no column {missing[0]!r}", hint=f"columns: {', '.join(names)}"
            )
        casts = ", ".join(
            f"{ident(name)}::{type_} AS {ident(name)}" for name, type_ in columns.items()
        )
        return self.sql(f"SELECT * REPLACE ({casts}) FROM df", {"df": frame})

    def _read_table(self, source: Source) -> DuckFrame:
        return self._read_delta(source) if source.format == "delta" else self._read_parquet(source)

    def _read_parquet(self, source: Source) -> DuckFrame:
        scan, files = parquet_scan(source)
        known = self.engine.known_file(source)
        if known is not None:
            return DuckFrame(scan, known.schema, rows=known.rows, query=f"FROM {scan}")
        frame = DuckFrame(scan, self.cursor.schema_of(f"FROM {scan}"), query=f"FROM {scan}")
        count = f"SELECT num_rows FROM parquet_file_metadata({file_list(files)})"
        frame.rows = sum(row[0] for row in self.cursor.run(count))
        return frame

    def _read_delta(self, source: Source) -> DuckFrame:
        from . import delta  # needs an optional package

        table = delta.open_table(source)
        body = delta.parquet_query(table)
        if body is not None:
            frame = self.cursor.lazy(body, query=body)
            if [column.name for column in frame.schema] == delta.column_names(table):
                return frame
        frame = self.cursor.keep(delta.rows(table))
        frame.query = f"FROM delta_scan({literal(str(source.path))})"
        return frame

    def _read_sqlite(self, source: Source) -> DuckFrame:
        read = SqliteRead(source)
        batches = read.batches(lambda: self.cursor.cancelled)
        first = list(islice(batches, 2))
        frame = self.cursor.insert(read.schema, first[0]) if len(first) == 1 else None
        if frame is None:
            frame = self.cursor.keep(read.arrow(chain(first, batches)))
        frame.query = read.query
        return frame

    def _read_postgres(self, source: Source) -> DuckFrame:
        read = PostgresRead(source)
        self._database = read
        with read.rows() as rows:
            frame = self.cursor.keep(rows)
        frame.query = source.query or f"FROM {source.table}"
        typed = self._as_declared(frame, read.casts) if read.casts else frame
        return self._hold(duck(typed))

    def _read_api(self, source: Source) -> DuckFrame:
        """The service's records, landed as JSON lines in this session's folder and read from there."""
        landed = self._landing.land(source, self._scratch / f"api{len(self.texts.texts)}")
        return self.texts.read(landed)

    def _read_simulation(self, source: Source) -> DuckFrame:
        """The rows that the source describes, landed as Parquet in this session's folder."""
        landed, self._source_state = simulation_landing.land(
            source, self._scratch, lambda: self.cursor.cancelled
        )
        return self._read_parquet(landed)

    def source_state(self) -> Mapping[str, Any]:
        return self._source_state

    def read_reports(self) -> Sequence[ReadReport]:
        return self.texts.reports()

    # SQL

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        query = trimmed(query)
        named = _named(query, tables)
        sample = self.texts.sample(query, named)
        if sample is not None:
            return sample
        text = self.texts.streamable(query, named)
        body, context = _bound(query, named, tables)
        frame = self.cursor.lazy(body, query=query, **context)
        if any(column.type in write_plan.TOO_WIDE for column in frame.schema):
            frame = self.cursor.lazy(
                write_plan.storable(frame.relation, frame.schema), query=query, **context
            )
        frame.inputs, frame.text = named, text
        return frame

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        query = trimmed(query)
        named = _named(query, tables)
        self.texts.keep_all(list(named.values()))
        body, context = _bound(query, named, tables)
        return self.cursor.fetch(body, context)

    def execute(self, statement: str) -> None:
        self.cursor.statements.append(statement)
        self.cursor.run(statement, sql=statement, line_offset=0)

    def hold(self, frame: Frame) -> Frame:
        return self._hold(duck(frame))

    def _hold(self, lazy: DuckFrame) -> DuckFrame:
        if lazy.held:
            return lazy
        self.cursor.statements.append(f"CREATE TABLE result AS\n{expanded(lazy)}")
        if lazy.text is not None and lazy.text.relation == lazy.relation:
            kept = self.texts.keep(lazy.text)
            kept.query = lazy.query
            return kept
        relation = self.engine.new_relation()
        statement = f"CREATE OR REPLACE TABLE {relation} AS FROM {lazy.relation}"
        rows = self.texts.compute(statement, lazy, lazy.query)
        return self.cursor.table(relation, int(rows[0][0]), query=lazy.query, inputs=lazy.inputs)

    # Users' functions, and tables as other libraries see them

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        first = None if frame is None else self._once(frame)
        inputs = {name: self._once(table) for name, table in tables.items()}
        access = _TablesOf(self, {**inputs, **({} if first is None else {"df": first})})
        try:
            result = user_functions.call(function, first, params, inputs, access, self.engine.name)
        except EngineError:
            if self.cursor.cancelled:
                raise Cancelled from None
            raise
        self.cursor.statements.append(f"-- Python function {function.name}")
        return self.from_arrow(user_functions.as_arrow(function.name, result))

    def _once(self, frame: Frame) -> DuckFrame:
        """A frame that may be looked at several times: text is held first."""
        known = duck(frame)
        return self._hold(known) if known.streams else known

    def from_arrow(self, arrow: Any) -> DuckFrame:
        """An Arrow table or reader as a held frame."""
        try:
            return self.cursor.keep(arrow)
        except duckdb.Error as error:
            raise translated(error) from None

    def to_arrow(self, frame: Frame) -> Any:
        """The frame's rows as a pyarrow Table."""
        if self.cursor.cancelled:
            raise Cancelled
        try:
            return self.cursor.raw.sql(f"FROM {self._once(frame).relation}").to_arrow_table()
        except duckdb.Error as error:
            raise translated(error, sql=duck(frame).query) from None

    def relation_of(self, frame: DuckFrame) -> Any:
        """The frame as a DuckDB relation on this session's cursor."""
        return self.cursor.raw.sql(f"FROM {frame.relation}")

    # Writing and describing

    def stage(self, frame: Frame, target: Target) -> Staged:
        with _writing(target):
            writer = self.remote if is_remote(target) else self.writer
            return writer.stage(duck(frame), target)

    def commit(self, staged: Staged) -> Written:
        with _writing(staged.target):
            writer = self.remote if is_remote(staged.target) else self.writer
            return writer.commit(staged)

    def discard(self, staged: Staged) -> None:
        writer = self.remote if is_remote(staged.target) else self.writer
        writer.discard(staged)

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        return describe(self.cursor, duck(frame), written, sample_rows=sample_rows, full=full)

    def notes(self) -> Sequence[str]:
        return ()

    def statements(self) -> Sequence[str]:
        return tuple(self.cursor.statements)

    # From other threads, and the end

    def progress(self) -> Progress | None:
        percent = self.cursor.raw.query_progress()
        return None if percent < 0 else Progress(fraction=min(percent / 100, 1.0))

    def cancel(self) -> None:
        self.cursor.cancelled = True
        self._landing.stop()
        if self._database is not None:
            self._database.stop()
        self.writer.stop()
        self.cursor.raw.interrupt()

    def close(self) -> None:
        self.writer.unlock()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.cursor.raw.close()


class _TablesOf:
    """What a user's function may see: the node's frames by name."""

    def __init__(self, session: DuckSession, tables: Mapping[str, Frame]) -> None:
        self.session = session
        self.tables = tables

    def convert(self, table: Any, wants: str) -> Any:
        if wants == "relation":
            return self.session.relation_of(table)
        arrow = self.session.to_arrow(table)
        return arrow if wants == "arrow" else user_functions.frame_to_pandas(arrow)

    def query(self, sql: str) -> Any:
        found = self.session.to_arrow(self.session.sql(sql, self.tables))
        return user_functions.frame_to_pandas(found)


def _named(query: str, tables: Mapping[str, Frame]) -> dict[str, DuckFrame]:
    """The frames that the query may name."""
    return {name: duck(frame) for name, frame in tables.items() if mentions(query, name)}


def _bound(
    query: str, named: Mapping[str, DuckFrame], tables: Mapping[str, Frame]
) -> tuple[str, dict[str, Any]]:
    """The query over its frames, and what an error message about it needs to know."""
    body, lines = wrapped(query, {name: frame.relation for name, frame in named.items()})
    columns = [column.name for frame in named.values() for column in frame.schema]
    return body, {"sql": query, "line_offset": lines, "columns": columns, "tables": list(tables)}


@contextmanager
def _writing(target: Target) -> Iterator[None]:
    """Say which table it is that the system won't let us write."""
    try:
        yield
    except OSError as error:
        busy = error.errno in (errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE)
        reason = error.strerror or str(error)
        raise EngineError(
            f"{target.path} can't be written: {reason}",
            hint="see that its folder can be written to",
            transient=busy,
        ) from error
