"""One node's conversation with DuckDB."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import duckdb

from odibi.engine import (
    Column,
    ColumnProfile,
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

from . import profile as profiles
from . import publish, user_functions, write_plan
from .csv_read import plan_csv
from .duck_errors import translated
from .frames import DuckFrame, duck, expanded, schema_of
from .json_read import plan_json
from .parquet_read import parquet_scan
from .sql_text import columns_map, file_list, ident, literal, mentions, trimmed, wrapped
from .text_read import NoRows, TextRead, scan_of

if TYPE_CHECKING:
    from .duckdb_engine import DuckDBEngine

__all__ = ["DuckSession"]

_SAMPLE = re.compile(r"SELECT \* FROM df LIMIT \d+")
"""How the core asks for a few rows: a text source then is read no further than that."""

_MOMENT = "TIMESTAMP WITH TIME ZONE"
_REJECTS = "(file VARCHAR, line BIGINT, reason VARCHAR, raw VARCHAR)"

_STOPS_EARLY = re.compile(
    r"\b(join|limit|offset|fetch|union|intersect|except|exists|sample|tablesample|lateral|recursive|positional)\b|,\s*lateral",
    re.IGNORECASE,
)
"""A query with one of these may not look at all rows of a text source, so the source is kept as a table first."""


class DuckSession:
    """Statements of one node on a cursor of its own; views and tables are shared by all sessions."""

    def __init__(self, engine: DuckDBEngine, name: str, cursor: Any) -> None:
        self.engine = engine
        self.name = name
        self._cursor = cursor
        self._cancelled = False
        self._texts: list[TextRead] = []
        self._statements: list[str] = []
        self._locked: list[RLock] = []
        self._scratch = engine.work_dir / "read" / re.sub(r"\W", "_", name)
        # Progress is what another thread asks for; nothing may be printed.
        cursor.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")

    # Running statements

    def _run(self, statement: str, **context: Any) -> list[tuple[Any, ...]]:
        """Execute and fetch. Raises EngineError in the user's terms, or Cancelled."""
        self._begin(statement, context)
        return self._rest(context)

    def _begin(self, statement: str, context: Mapping[str, Any]) -> None:
        if self._cancelled:
            raise Cancelled
        try:
            self._cursor.execute(statement)
        except duckdb.Error as error:
            raise translated(error, **context) from None

    def _rest(self, context: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        except duckdb.Error as error:
            raise translated(error, **context) from None
        return rows

    def _create(
        self, kind: str, body: str, *, query: str | None = None, **context: Any
    ) -> DuckFrame:
        """A new view or table with the given body."""
        relation = self.engine.new_relation()
        if kind == "TEMP VIEW":  # over a registered Arrow table, which only this session sees
            relation = relation.replace("odibi.", "odibi_")
        rows = self._run(f"CREATE {kind} {relation} AS {body}", **context)
        if kind != "TABLE":
            return DuckFrame(relation, self.schema_of(relation), query=query)
        return self._table(relation, int(rows[0][0]), query=query)

    def _table(self, relation: str, rows: int, **made: Any) -> DuckFrame:
        """The frame of a table that this session made."""
        frame = DuckFrame(relation, self.schema_of(relation), rows=rows, held=True, **made)
        self.engine.owned(frame, [relation])
        return frame

    def schema_of(self, relation: str) -> Schema:
        """The columns of a view or table that this session sees."""
        return schema_of(self._cursor.table(relation))

    # Reading

    def read(self, source: Source) -> Frame:
        readers: dict[str, Callable[[Source], DuckFrame]] = {
            "csv": self._read_text,
            "json": self._read_text,
            "parquet": self._read_parquet,
            "delta": self._read_delta,
            "sql": self._read_sqlite,
        }
        if source.format not in readers:
            raise EngineError(
                f"format {source.format!r} can't be read",
                hint=f"formats: {', '.join(sorted(readers))}",
            )
        frame = readers[source.format](source)
        if source.columns and source.format not in ("csv", "json"):
            frame = self._as_declared(frame, source.columns)
        if source.filter:
            return self.sql(f"SELECT * FROM df WHERE ({source.filter})", {"df": frame})
        return frame

    def _as_declared(self, frame: DuckFrame, columns: Mapping[str, str]) -> DuckFrame:
        casts = ", ".join(
            f"CAST({ident(name)} AS {type_}) AS {ident(name)}" for name, type_ in columns.items()
        )
        return duck(self.sql(f"SELECT * REPLACE ({casts}) FROM df", {"df": frame}))

    def _read_text(self, source: Source) -> DuckFrame:
        if not source.files:
            raise EngineError(f"no file at {source.path.name}", hint=f"looked for {source.path}")
        try:
            plan = (
                plan_csv(self._cursor, source)
                if source.format == "csv"
                else plan_json(self._cursor, source, self._scratch)
            )
        except OSError as error:
            raise EngineError(
                f"{source.files[0].name} can't be read: {error.strerror or error}"
            ) from None
        except duckdb.Error as error:
            raise translated(error) from None
        empty = isinstance(plan, NoRows)
        frame = self._create("TABLE" if empty else "VIEW", plan.query, query=plan.query)
        text = TextRead(source, plan, frame.relation, counted=empty)
        self._texts.append(text)
        frame.text = None if empty else text
        return frame

    def _read_parquet(self, source: Source) -> DuckFrame:
        body, files = parquet_scan(source)
        frame = self._create("VIEW", body, query=body)
        frame.rows = self._parquet_rows(files)
        return frame

    def _parquet_rows(self, files: Sequence[Path]) -> int:
        return int(
            self._run(f"SELECT sum(num_rows) FROM parquet_file_metadata({file_list(files)})")[0][0]
        )

    def _read_delta(self, source: Source) -> DuckFrame:
        from . import delta  # needs an optional package

        table = delta.open_table(source)
        body = delta.parquet_query(table)
        if body is not None:
            frame = self._create("VIEW", body, query=body)
            if [column.name for column in frame.schema] == delta.column_names(table):
                return frame
        frame = self._kept(delta.rows(table))
        frame.query = f"FROM delta_scan({literal(str(source.path))})"
        return frame

    def _read_sqlite(self, source: Source) -> DuckFrame:
        from .sqlite_read import SqliteRead  # needs pyarrow, 0.2 s

        read = SqliteRead(source)
        frame = self._kept(read.reader(cancelled=lambda: self._cancelled))
        frame.query = read.query
        return frame

    def _kept(self, arrow: Any) -> DuckFrame:
        """An Arrow table or reader as a table of the database."""
        self._cursor.register("odibi_arrow", arrow)
        try:
            return self._create("TABLE", "FROM odibi_arrow")
        finally:
            self._cursor.unregister("odibi_arrow")

    def read_reports(self) -> Sequence[ReadReport]:
        return [ReadReport(t.read, t.unreadable, t.rejects) for t in self._texts if t.counted]

    # Text sources: one pass, whose counts are read off its profile

    def _compute(self, statement: str, frame: DuckFrame, sql: str | None) -> list[tuple[Any, ...]]:
        """Run a statement that computes the frame; a text source below it is counted on the way.

        When the statement's profile can't vouch for the counts, the source is kept as a table and
        the statement, which replaces what it wrote, runs again.
        """
        text = frame.text
        if text is None or text.kept is not None:
            return self._run(statement, sql=sql)
        if not text.counted:
            rows = self._counting(statement, text, sql)
            if text.counted:
                return rows
        self._keep_text(text)
        return self._run(statement, sql=sql)

    def _counting(self, statement: str, text: TextRead, sql: str | None) -> list[tuple[Any, ...]]:
        """Run a pass over the source, and fill in its report if the profile tells the counts."""
        text.plan.clear()
        self._run("PRAGMA enable_profiling = 'no_output'")
        try:
            rows = self._run(statement, sql=sql)
            scan = scan_of(self._cursor.get_profiling_information())
        finally:
            self._cursor.execute("PRAGMA disable_profiling")
        if scan is not None:
            self._settle(text, scan.scanned, scan.kept)
        return rows

    def _settle(self, text: TextRead, scanned: int, kept: int) -> None:
        """Fill in the report; the bad lines are looked up only when there are any."""
        try:
            refused, missing = text.plan.refused(), scanned - kept
            if refused + missing:
                relation = self.engine.new_relation()
                self._run(f"CREATE TABLE {relation} {_REJECTS}")
                text.unreadable = text.plan.collect(relation, missing)
                text.rejects = self._table(relation, text.unreadable)
            text.plan.clear()
        except duckdb.Error as error:
            raise translated(error) from None
        text.read, text.counted = scanned + refused, True

    def _keep_text(self, text: TextRead) -> DuckFrame:
        """Put the source's rows into a table and let everything built on the view read that instead."""
        if isinstance(text.kept, DuckFrame):
            return text.kept
        relation = self.engine.new_relation()
        statement = f"CREATE TABLE {relation} AS FROM {text.relation}"
        if text.counted:
            text.plan.clear()
            rows = self._run(statement)
            text.plan.clear()
        else:
            rows = self._counting(statement, text, None)
            if not text.counted:
                raise EngineError(f"the rows of {text.source.path.name} couldn't be counted")
        self._run(f"CREATE OR REPLACE VIEW {text.relation} AS FROM {relation}")
        text.kept = kept = self._table(relation, int(rows[0][0]))
        return kept

    def _prepare_use(self, query: str, named: Mapping[str, DuckFrame]) -> TextRead | None:
        """The text source that can still stream through a query about to be built, if there is one.

        Others are kept as tables first: those used more than once, and those whose rows the query may
        not all look at.
        """
        texts = {name: frame for name, frame in named.items() if frame.streams}
        if not texts:
            return None
        name, frame = next(iter(texts.items()))
        again, frame.used = frame.used, True
        text = frame.text
        assert text is not None
        if (
            len(named) == 1
            and mentions(query, name) == 1
            and not (again or text.counted or _STOPS_EARLY.search(query))
        ):
            return text
        for frame in texts.values():
            if frame.text is not None:
                self._keep_text(frame.text)
        return None

    # SQL

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        query = trimmed(query)
        named = {name: duck(frame) for name, frame in tables.items() if mentions(query, name)}
        df = named.get("df")
        if df is not None and df.streams and df.text is not None and _SAMPLE.fullmatch(query):
            return self._first_rows(query, df, df.text)
        text = self._prepare_use(query, named)
        context = _context(query, named, tables)
        body = wrapped(query, {name: frame.relation for name, frame in named.items()})
        kind = "TEMP VIEW" if any("." not in frame.relation for frame in named.values()) else "VIEW"
        frame = self._create(kind, body, query=query, **context)
        if any(column.type == "HUGEINT" for column in frame.schema):
            frame = self._create(
                kind, write_plan.storable(frame.relation, frame.schema), query=query, **context
            )
        frame.inputs, frame.text = named, text
        return frame

    def _first_rows(self, query: str, frame: DuckFrame, text: TextRead) -> DuckFrame:
        """A few rows of a text source: what was read of it is what came out."""
        text.plan.clear()
        sample = self._create(
            "TABLE", query.replace("FROM df", f"FROM {frame.relation}"), query=query
        )
        text.plan.clear()
        if not text.counted:
            text.read, text.counted = sample.rows or 0, True
        sample.inputs = {"df": frame}
        return sample

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        query = trimmed(query)
        named = {name: duck(frame) for name, frame in tables.items() if mentions(query, name)}
        for frame in named.values():
            if frame.streams and frame.text is not None:
                self._keep_text(frame.text)
        body = wrapped(query, {name: frame.relation for name, frame in named.items()})
        return self._fetched(body, _context(query, named, tables))

    def _fetched(self, body: str, context: Mapping[str, Any]) -> Rows:
        """All rows as Python values; moments with a zone are in UTC.

        DuckDB needs the package pytz to make such a moment, so it comes without the zone and gets it
        here.
        """
        self._begin(body, context)
        columns = [(column[0], str(column[1])) for column in self._cursor.description]
        zoned = [number for number, (_, type_) in enumerate(columns) if type_ == _MOMENT]
        if zoned:
            naive = ", ".join(
                f"timezone('UTC', {ident(columns[n][0])}) AS {ident(columns[n][0])}" for n in zoned
            )
            self._begin(f"SELECT * REPLACE ({naive}) FROM ({body})", context)
        rows = self._rest(context)
        if zoned:
            rows = [
                tuple(_in_utc(value) if n in zoned else value for n, value in enumerate(row))
                for row in rows
            ]
        return Rows(tuple(name for name, _ in columns), rows)

    def execute(self, statement: str) -> None:
        self._statements.append(statement)
        self._run(statement, sql=statement)

    def hold(self, frame: Frame) -> Frame:
        lazy = duck(frame)
        if lazy.held:
            return lazy
        self._statements.append(f"CREATE TABLE result AS\n{expanded(lazy)}")
        if lazy.text is not None and lazy.text.relation == lazy.relation:
            kept = self._keep_text(lazy.text)
            kept.query = lazy.query
            return kept
        relation = self.engine.new_relation()
        rows = self._compute(
            f"CREATE OR REPLACE TABLE {relation} AS FROM {lazy.relation}", lazy, lazy.query
        )
        return self._table(relation, int(rows[0][0]), query=lazy.query, inputs=lazy.inputs)

    # Users' functions

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        first = None if frame is None else duck(self._once(frame))
        inputs = {name: duck(self._once(table)) for name, table in tables.items()}
        access = _TablesOf(self, {**inputs, **({} if first is None else {"df": first})})
        result = user_functions.call(function, first, params, inputs, access, self.engine.name)
        self._statements.append(f"-- Python function {function.name}")
        return self.from_arrow(user_functions.as_arrow(function.name, result))

    def _once(self, frame: Frame) -> Frame:
        """A frame that may be looked at several times: text is held first."""
        return self.hold(frame) if duck(frame).streams else frame

    def from_arrow(self, arrow: Any) -> DuckFrame:
        """An Arrow table or reader as a held frame."""
        try:
            return self._kept(arrow)
        except duckdb.Error as error:
            raise translated(error) from None

    def to_arrow(self, frame: Frame) -> Any:
        """The frame's rows as a pyarrow Table."""
        if self._cancelled:
            raise Cancelled
        try:
            return self._cursor.sql(f"FROM {duck(self._once(frame)).relation}").to_arrow_table()
        except duckdb.Error as error:
            raise translated(error, sql=duck(frame).query) from None

    def register(self, name: str, arrow: Any) -> None:
        """Let this session's statements select from an Arrow table, without copying it."""
        self._cursor.register(name, arrow)

    def note(self, statement: str) -> None:
        """Add a statement to the story."""
        self._statements.append(statement)

    def execute_quietly(self, statement: str) -> None:
        """A statement that is no part of the story."""
        self._run(statement)

    def relation_of(self, frame: DuckFrame) -> Any:
        """The frame as a DuckDB relation on this session's cursor."""
        return self._cursor.table(frame.relation)

    # Writing

    def stage(self, frame: Frame, target: Target) -> Staged:
        if target.format not in ("parquet", "csv", "json", "delta"):
            raise EngineError(
                f"format {target.format!r} can't be written",
                hint="formats: csv, delta, json, parquet",
            )
        batch = duck(frame)
        if target.mode in ("upsert", "merge", "append_once"):
            write_plan.check_keys(target, batch.schema)
        for column in target.partition_by:
            if column not in [c.name for c in batch.schema]:
                raise EngineError(f"partition_by: the result has no column {column!r}")
        if target.mode == "overwrite" and target.format != "delta":
            return self._stage_overwrite(batch, target)
        batch = self._unique_batch(duck(self.hold(batch)), target)
        if target.format == "delta":
            return Staged(target, None, batch.rows or 0, batch)
        self._lock(target.path)
        return self._stage_change(batch, target)

    def _unique_batch(self, batch: DuckFrame, target: Target) -> DuckFrame:
        """The held batch with one row a key, where the mode asks for it."""
        if target.mode == "append_once":
            first = self._create(
                "TABLE", write_plan.first_per_key(batch.relation, target.keys), query=batch.query
            )
            return first if first.rows != batch.rows else batch
        if target.mode in ("upsert", "merge"):
            found = self._run(write_plan.duplicate_key(batch.relation, target.keys))
            if found:
                key = ", ".join(
                    f"{name} = {profiles.displayed(value)}"
                    for name, value in zip(target.keys, found[0], strict=False)
                )
                raise EngineError(
                    f"{target.mode}: {found[0][-1]} rows of the result have the same key ({key})",
                    hint="make keys unique before the write, for example with the deduplicate transformer",
                )
        return batch

    def _lock(self, path: Path) -> None:
        lock = self.engine.lock_of(path)
        while not lock.acquire(timeout=0.2):
            if self._cancelled:
                raise Cancelled
        self._locked.append(lock)

    def _unlock(self) -> None:
        while self._locked:
            self._locked.pop().release()

    def _stage_overwrite(self, batch: DuckFrame, target: Target) -> Staged:
        body = write_plan.storable(batch.relation, batch.schema)
        with publish.removed_on_error(target):
            staging = publish.make_staging(target)
            rows = self._copy(body, batch, target, staging, [target.write_id])
            self._describe(staging, target, [target.write_id], batch.schema)
            publish.durable(staging)
        return Staged(target, staging, rows, self._staged_frame(staging, target))

    def _stage_change(self, batch: DuckFrame, target: Target) -> Staged:
        """Stage the table as it will be after the write: what is there, changed by the held batch."""
        with publish.removed_on_error(target):
            staging = publish.make_staging(target)
            if not target.path.exists():
                ids = [target.write_id]
                self._copy(f"SELECT * FROM {batch.relation}", batch, target, staging, ids)
            elif self._is_folder_append(target, batch):
                ids = self._link_and_add(batch, target, staging)
            else:
                ids = publish.with_write_id(self._ids_in_place(target), target.write_id)
                old, old_schema = self._in_place(target, batch)
                body = write_plan.combined(target, old, old_schema, batch.relation, batch.schema)
                self._copy(body, batch, target, staging, ids)
            self._describe(staging, target, ids, batch.schema)
            publish.durable(staging)
        return Staged(target, staging, batch.rows or 0, batch)

    def _copy(
        self, body: str, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]
    ) -> int:
        """COPY the body to the staging place; the number of rows."""
        options = write_plan.copy_options(target, ids)
        if target.partition_by:
            names = ", ".join(map(ident, target.partition_by))
            unique = re.sub(r"[^\w\-]", "_", target.write_id)[-60:]
            options += f", PARTITION_BY ({names}), OVERWRITE, FILENAME_PATTERN {literal('part-' + unique + '-{i}')}"
            staging.mkdir(exist_ok=True)
        rows = self._compute(
            f"COPY ({body}) TO {literal(str(staging))} ({options})", batch, batch.query
        )
        shown = expanded(batch) if body.endswith(batch.relation) else body
        self._statements.append(f"COPY (\n{shown}\n) TO {literal(str(target.path))} ({options})")
        count = int(rows[0][0])
        if target.partition_by and not publish.data_files(staging):
            empty = write_plan.copy_options(target, ids)
            self._run(
                f"COPY (SELECT * FROM {batch.relation} LIMIT 0) TO {literal(str(staging / ('empty.' + target.format)))} ({empty})"
            )
        return count

    def _describe(self, staging: Path, target: Target, ids: list[str], schema: Schema) -> None:
        """Leave the write ids where the format has no room for them."""
        if staging.is_dir():
            types = {
                column.name: column.type for column in schema if column.name in target.partition_by
            }
            publish.write_folder_note(staging, ids, types)

    def _staged_frame(self, staging: Path, target: Target) -> DuckFrame | None:
        if target.format != "parquet":
            return None
        source = Source(format="parquet", path=staging, files=tuple(publish.data_files(staging)))
        return self._read_parquet(source)

    def _is_folder_append(self, target: Target, batch: DuckFrame) -> bool:
        """Whether new files can simply join those of a partitioned table."""
        if target.mode != "append" or not target.path.is_dir() or not target.partition_by:
            return False
        partitions = publish.folder_note(target.path).get("partition_types", {})
        if list(partitions) != [c.name for c in batch.schema if c.name in target.partition_by]:
            return False
        _, old_schema = self._in_place(target, batch)
        write_plan.combined(
            target, "old", old_schema, "new", batch.schema
        )  # raises when columns differ
        return True

    def _link_and_add(self, batch: DuckFrame, target: Target, staging: Path) -> list[str]:
        """The old files as hard links beside the batch's new ones."""
        ids = publish.with_write_id(self._ids_in_place(target), target.write_id)
        self._copy(f"SELECT * FROM {batch.relation}", batch, target, staging, ids)
        publish.link_files(target.path, staging)
        return ids

    def _ids_in_place(self, target: Target) -> list[str]:
        if target.path.is_dir():
            return list(publish.folder_note(target.path).get("write_ids", []))
        return self.engine.parquet_write_ids(target.path) if target.format == "parquet" else []

    def _in_place(self, target: Target, batch: DuckFrame) -> tuple[str, Schema]:
        """The table there is, as what follows FROM, and its columns."""
        if target.format == "parquet":
            source = Source(
                format="parquet", path=target.path, files=tuple(publish.data_files(target.path))
            )
            frame = duck(self.read(source))
        else:
            frame = self._text_in_place(target, batch)
        return frame.relation, frame.schema

    def _text_in_place(self, target: Target, batch: DuckFrame) -> DuckFrame:
        """A CSV or JSON table of ours, read with the batch's types where it has the column. It has no bad lines."""
        types = {column.name: column.type for column in batch.schema}
        files = file_list(publish.data_files(target.path))
        if target.format == "json":
            found = self._run(
                f"DESCRIBE FROM read_json({files}, format='newline_delimited', sample_size=-1)"
            )
            columns = columns_map({row[0]: types.get(row[0], row[1]) for row in found})
            return self._create(
                "VIEW",
                f"FROM read_json({files}, format='newline_delimited', records=true, columns={columns})",
            )
        said = [
            f"delim={literal(str(target.options.get('delimiter') or target.options.get('sep') or ','))}",
            "header=true",
        ]
        names = [
            row[0]
            for row in self._run(
                f"DESCRIBE FROM read_csv({files}, all_varchar=true, {', '.join(said)})"
            )
        ]
        columns = columns_map({name: types.get(name, "VARCHAR") for name in names})
        return self._create(
            "VIEW",
            f"FROM read_csv({files}, columns={columns}, auto_detect=false, quote='\"', escape='\"', {', '.join(said)})",
        )

    def commit(self, staged: Staged) -> Written:
        target = staged.target
        try:
            if target.format == "delta":
                return self._commit_delta(staged)
            assert staged.staging is not None
            files, size = self._publish(staged.staging, target)
        finally:
            self._unlock()
        return Written(rows=staged.rows, bytes=size, files=files)

    def _publish(self, staging: Path, target: Target) -> tuple[tuple[Path, ...], int]:
        if staging.is_file() and target.format != "parquet":
            publish.write_side_note(staging, target)
        names = (
            [file.relative_to(staging) for file in publish.data_files(staging)]
            if staging.is_dir()
            else None
        )
        publish.publish(staging, target.path)
        publish.clean(target)
        files = (target.path,) if names is None else tuple(target.path / name for name in names)
        return files, sum(file.stat().st_size for file in files)

    def _commit_delta(self, staged: Staged) -> Written:
        from . import delta  # needs an optional package

        batch = duck(staged.frame) if staged.frame is not None else None
        assert batch is not None
        reader = self._cursor.sql(f"FROM {batch.relation}").to_arrow_reader(100_000)
        return delta.write(reader, staged.target, staged.rows)

    def discard(self, staged: Staged) -> None:
        publish.clean(staged.target)
        self._unlock()

    # Describing

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        described = duck(frame)
        files = list(written.files) if written else []
        parquet = [file for file in files if _is_parquet(file)]
        place = self._sample_place(described, files, parquet)
        rows = [] if place is None else self._sample(place, described.schema)
        footer = self._footer(parquet, described.schema) if parquet else {}
        columns = [
            ColumnProfile(column.name, column.type)
            if place is None
            else profiles.column_profile(column, [row[i] for row in rows], footer.get(column.name))
            for i, column in enumerate(described.schema)
        ]
        if full and place is not None:
            columns = self._summarized(place, columns)
        sample = Rows(
            tuple(c.name for c in described.schema),
            [profiles.plain_row(row) for row in rows[:sample_rows]],
        )
        return TableProfile(
            tuple(columns), sample, sampled=len(rows), full=full and place is not None
        )

    def _sample_place(
        self, frame: DuckFrame, files: Sequence[Path], parquet: Sequence[Path]
    ) -> str | None:
        """What follows FROM where rows can be had without computing them; None when nowhere."""
        if parquet:
            body, _ = parquet_scan(Source(format="parquet", path=parquet[0], files=tuple(parquet)))
            return body.removeprefix("FROM ")
        if frame.rows is not None:
            return frame.relation
        return _text_scan(files[0]) if files else None

    def _sample(self, place: str, schema: Schema) -> list[tuple[Any, ...]]:
        """The first rows, with moments in UTC as text: Python needs another package for the zone."""
        names = ", ".join(_fetchable(column) for column in schema)
        return self._run(f"SELECT {names} FROM {place} LIMIT {profiles.SAMPLED}")

    def _footer(self, files: Sequence[Path], schema: Schema) -> profiles.Footer:
        rows = self._run(
            "SELECT path_in_schema, num_values, stats_null_count, stats_min_value, stats_max_value, "
            f"min_is_exact AND max_is_exact FROM parquet_metadata({file_list(files)})"
        )
        return profiles.footer_facts(rows, schema)

    def _summarized(self, place: str, columns: Sequence[ColumnProfile]) -> list[ColumnProfile]:
        """Facts of all rows, at the price of a scan; distinct counts stay estimates."""
        rows = self._run(
            f"SELECT column_name, min, max, approx_unique FROM (SUMMARIZE FROM {place})"
        )
        nulls = self._run(
            f"SELECT {', '.join(f'count(*) - count({ident(c.name)})' for c in columns)} FROM {place}"
        )[0]
        facts = {row[0]: (*row[1:4], missing) for row, missing in zip(rows, nulls, strict=True)}
        return [
            replace(column, minimum=facts[column.name][0], maximum=facts[column.name][1],
                    distinct=facts[column.name][2], nulls=facts[column.name][3], exact=True)
            for column in columns
        ]  # fmt: skip

    def statements(self) -> Sequence[str]:
        return tuple(self._statements)

    # From other threads, and the end

    def progress(self) -> Progress | None:
        percent = self._cursor.query_progress()
        return None if percent < 0 else Progress(fraction=min(percent / 100, 1.0))

    def cancel(self) -> None:
        self._cancelled = True
        self._cursor.interrupt()

    def close(self) -> None:
        self._unlock()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._cursor.close()


class _TablesOf:
    """What a user's function may see: the node's frames by name."""

    def __init__(self, session: DuckSession, tables: Mapping[str, DuckFrame]) -> None:
        self.session = session
        self.tables = tables

    def convert(self, table: Any, wants: str) -> Any:
        if wants == "relation":
            return self.session.relation_of(table)
        arrow = self.session.to_arrow(table)
        return arrow if wants == "arrow" else user_functions.frame_to_pandas(arrow)

    def query(self, sql: str) -> Any:
        return user_functions.frame_to_pandas(
            self.session.to_arrow(self.session.sql(sql, self.tables))
        )


def _context(
    query: str, named: Mapping[str, DuckFrame], tables: Mapping[str, Frame]
) -> dict[str, Any]:
    """What an error message about the query needs to know."""
    columns = [column.name for frame in named.values() for column in frame.schema]
    return {"sql": query, "line_offset": 1, "columns": columns, "tables": list(tables)}


def _text_scan(file: Path) -> str:
    """A CSV or JSON file of ours, as what follows FROM."""
    function = (
        "read_json"
        if ".json" in file.suffixes or ".ndjson" in file.suffixes or ".jsonl" in file.suffixes
        else "read_csv"
    )
    return f"{function}({file_list([file])})"


def _in_utc(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)


def _fetchable(column: Column) -> str:
    """The column as a value that Python can show."""
    name = ident(column.name)
    return f"{name}::VARCHAR" if _MOMENT in column.type else name


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PAR1"
