"""One node's conversation with DuckDB."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
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
from .text_read import TextRead, scan_of

if TYPE_CHECKING:
    from .duckdb_engine import DuckDBEngine

__all__ = ["DuckSession"]

_SAMPLE = re.compile(r"SELECT \* FROM df LIMIT \d+")
"""How the core asks for a few rows: a text source then is read no further than that."""

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
        if self._cancelled:
            raise Cancelled
        try:
            rows: list[tuple[Any, ...]] = self._cursor.execute(statement).fetchall()
        except duckdb.Error as error:
            raise translated(error, **context) from None
        return rows

    def _create(self, kind: str, body: str, *, query: str | None = None, **context: Any) -> DuckFrame:
        """A new view or table with the given body."""
        relation = self.engine.new_relation()
        rows = self._run(f"CREATE {kind} {relation} AS {body}", **context)
        table = kind == "TABLE"
        return DuckFrame(
            relation, self._schema(relation), rows=int(rows[0][0]) if table else None, query=query, held=table
        )

    def _schema(self, relation: str) -> Schema:
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
            raise EngineError(f"format {source.format!r} can't be read", hint=f"formats: {', '.join(sorted(readers))}")
        frame = readers[source.format](source)
        if source.columns and source.format not in ("csv", "json"):
            frame = self._as_declared(frame, source.columns)
        if source.filter:
            return self.sql(f"SELECT * FROM df WHERE ({source.filter})", {"df": frame})
        return frame

    def _as_declared(self, frame: DuckFrame, columns: Mapping[str, str]) -> DuckFrame:
        casts = ", ".join(f"CAST({ident(name)} AS {type_}) AS {ident(name)}" for name, type_ in columns.items())
        return duck(self.sql(f"SELECT * REPLACE ({casts}) FROM df", {"df": frame}))

    def _read_text(self, source: Source) -> DuckFrame:
        if not source.files:
            raise EngineError(f"no file at {source.path.name}", hint=f"looked for {source.path}")
        try:
            plan = plan_csv(self._cursor, source) if source.format == "csv" else plan_json(self._cursor, source, self._scratch)
        except OSError as error:
            raise EngineError(f"{source.files[0].name} can't be read: {error.strerror or error}") from None
        except duckdb.Error as error:
            raise translated(error) from None
        frame = self._create("VIEW", plan.query, query=plan.query)
        frame.text = TextRead(source, plan, frame.relation)
        self._texts.append(frame.text)
        return frame

    def _read_parquet(self, source: Source) -> DuckFrame:
        body, files = parquet_scan(source)
        frame = self._create("VIEW", body, query=body)
        frame.rows = self._parquet_rows(files)
        return frame

    def _parquet_rows(self, files: Sequence[Path]) -> int:
        return int(self._run(f"SELECT sum(num_rows) FROM parquet_file_metadata({file_list(files)})")[0][0])

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
        reports = []
        for text in self._texts:
            if text.counted:
                rejects = None if text.rejects is None else self._table_frame(text.rejects, text.unreadable)
                reports.append(ReadReport(text.read, text.unreadable, rejects))
        return reports

    def _table_frame(self, relation: str, rows: int) -> DuckFrame:
        return DuckFrame(relation, self._schema(relation), rows=rows, held=True)

    # Text sources: one pass, whose counts are read off its profile

    def _compute(self, statement: str, frame: DuckFrame, sql: str | None) -> list[tuple[Any, ...]]:
        """Run a statement that computes the frame; a text source below it is counted on the way."""
        text = frame.text
        if text is not None and text.counted and not text.kept_as_table:
            self._keep_text(text)
        if text is None or text.kept_as_table:
            return self._run(statement, sql=sql)
        rows, counted = self._counting(statement, text, sql)
        if counted:
            return rows
        self._keep_text(text)
        return self._run(_again(statement), sql=sql)

    def _counting(self, statement: str, text: TextRead, sql: str | None) -> tuple[list[tuple[Any, ...]], bool]:
        text.plan.clear()
        self._run("PRAGMA enable_profiling = 'no_output'")
        try:
            rows = self._run(statement, sql=sql)
            scan = scan_of(self._cursor.get_profiling_information())
        finally:
            self._cursor.execute("PRAGMA disable_profiling")
        if scan is not None:
            self._settle(text, scan.scanned, scan.kept)
        elif type(text.plan).__name__ == "NoRows":
            self._settle(text, 0, 0)
        return rows, text.counted

    def _settle(self, text: TextRead, scanned: int, kept: int) -> None:
        """Fill in the report; the bad lines are looked up only when there are any."""
        refused, missing = text.plan.refused(), scanned - kept
        text.read, text.unreadable, text.counted = scanned + refused, refused + missing, True
        if text.unreadable:
            relation = self.engine.new_relation()
            self._run(f"CREATE TABLE {relation} (file VARCHAR, line BIGINT, reason VARCHAR, raw VARCHAR)")
            try:
                found = text.plan.collect(relation, missing)
            except duckdb.Error as error:
                raise translated(error) from None
            text.unreadable = found
            text.rejects = relation
        text.plan.clear()

    def _keep_text(self, text: TextRead) -> None:
        """Put the source's rows into a table and let everything built on the view read that instead."""
        relation = self.engine.new_relation()
        statement = f"CREATE TABLE {relation} AS FROM {text.relation}"
        text.kept_as_table = True
        if text.counted:
            text.plan.clear()
            self._run(statement)
            text.plan.clear()
        elif not self._counting(statement, text, None)[1]:
            raise EngineError(f"the rows of {text.source.path.name} couldn't be counted")
        self._run(f"CREATE OR REPLACE VIEW {text.relation} AS FROM {relation}")

    def _prepare_use(self, query: str, named: Mapping[str, DuckFrame]) -> TextRead | None:
        """Decide, before a query is built, whether its text source can still stream through it."""
        texts = [frame for frame in named.values() if frame.text is not None and not frame.text.kept_as_table]
        if not texts:
            return None
        text = texts[0].text
        assert text is not None
        text.consumers += 1
        uses = sum(mentions(query, name) for name, frame in named.items() if frame.text is text)
        if len(named) == 1 and uses == 1 and text.consumers == 1 and not text.counted and not _STOPS_EARLY.search(query):
            return text
        for frame in texts:
            if frame.text is not None and not frame.text.kept_as_table:
                self._keep_text(frame.text)
        return None

    # SQL

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        query = trimmed(query)
        named = {name: duck(frame) for name, frame in tables.items() if mentions(query, name)}
        if _SAMPLE.fullmatch(query) and named["df"].text is not None:
            return self._first_rows(query, named["df"])
        text = self._prepare_use(query, named)
        context = _context(query, named, tables)
        body = wrapped(query, {name: frame.relation for name, frame in named.items()})
        frame = self._create("VIEW", body, query=query, **context)
        if any(column.type == "HUGEINT" for column in frame.schema):
            frame = self._create("VIEW", write_plan.storable(frame.relation, frame.schema), query=query, **context)
        frame.inputs, frame.text = named, text
        return frame

    def _first_rows(self, query: str, frame: DuckFrame) -> DuckFrame:
        """A few rows of a text source: what was read of it is what came out."""
        text = frame.text
        assert text is not None
        if not text.kept_as_table and not text.counted:
            text.plan.clear()
        sample = self._create("TABLE", query.replace("FROM df", f"FROM {frame.relation}"), query=query)
        if not text.counted:
            text.read, text.counted = sample.rows or 0, True
            text.plan.clear()
        sample.inputs = {"df": frame}
        return sample

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        query = trimmed(query)
        named = {name: duck(frame) for name, frame in tables.items() if mentions(query, name)}
        for frame in named.values():
            if frame.text is not None and not frame.text.kept_as_table:
                self._keep_text(frame.text)
        body = wrapped(query, {name: frame.relation for name, frame in named.items()})
        rows = self._run(body, **_context(query, named, tables))
        return Rows(tuple(column[0] for column in self._cursor.description), rows)

    def execute(self, statement: str) -> None:
        self._statements.append(statement)
        self._run(statement, sql=statement)

    def hold(self, frame: Frame) -> Frame:
        lazy = duck(frame)
        if lazy.held:
            return lazy
        relation = self.engine.new_relation()
        rows = self._compute(f"CREATE OR REPLACE TABLE {relation} AS FROM {lazy.relation}", lazy, lazy.query)
        self._statements.append(f"CREATE TABLE {relation.partition('.')[2]} AS\n{expanded(lazy)}")
        return DuckFrame(relation, lazy.schema, rows=int(rows[0][0]), query=lazy.query, inputs=lazy.inputs, held=True)

    # Users' functions

    def call(
        self, function: UserFunction, frame: Frame | None, params: Mapping[str, Any], tables: Mapping[str, Frame]
    ) -> Frame:
        first = None if frame is None else duck(self._once(frame))
        inputs = {name: duck(self._once(table)) for name, table in tables.items()}
        access = _TablesOf(self, {**inputs, **({} if first is None else {"df": first})})
        result = user_functions.call(function, first, params, inputs, access, self.engine.name)
        self._statements.append(f"-- Python function {function.name}")
        return self.from_arrow(user_functions.as_arrow(function.name, result))

    def _once(self, frame: Frame) -> Frame:
        """A frame that may be looked at several times: text is held first."""
        return self.hold(frame) if duck(frame).text is not None else frame

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

    def relation_of(self, frame: DuckFrame) -> Any:
        """The frame as a DuckDB relation on this session's cursor."""
        return self._cursor.table(frame.relation)

    # Writing

    def stage(self, frame: Frame, target: Target) -> Staged:
        if target.format not in ("parquet", "csv", "json", "delta"):
            raise EngineError(f"format {target.format!r} can't be written", hint="formats: csv, delta, json, parquet")
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
            first = self._create("TABLE", write_plan.first_per_key(batch.relation, target.keys), query=batch.query)
            return first if first.rows != batch.rows else batch
        if target.mode in ("upsert", "merge"):
            found = self._run(write_plan.duplicate_key(batch.relation, target.keys))
            if found:
                key = ", ".join(f"{name} = {profiles.displayed(value)}" for name, value in zip(target.keys, found[0], strict=False))
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

    def _copy(self, body: str, batch: DuckFrame, target: Target, staging: Path, ids: Sequence[str]) -> int:
        """COPY the body to the staging place; the number of rows."""
        options = write_plan.copy_options(target, ids)
        if target.partition_by:
            names = ", ".join(map(ident, target.partition_by))
            unique = re.sub(r"[^\w\-]", "_", target.write_id)[-60:]
            options += f", PARTITION_BY ({names}), OVERWRITE_OR_IGNORE, FILENAME_PATTERN {literal('part-' + unique + '-{i}')}"
            staging.mkdir(exist_ok=True)
        rows = self._compute(f"COPY ({body}) TO {literal(str(staging))} ({options})", batch, batch.query)
        shown = expanded(batch) if body.endswith(batch.relation) else body
        self._statements.append(f"COPY (\n{shown}\n) TO {literal(str(target.path))} ({options})")
        count = int(rows[0][0])
        if target.partition_by and not publish.data_files(staging):
            empty = write_plan.copy_options(target, ids)
            self._run(f"COPY (SELECT * FROM {batch.relation} LIMIT 0) TO {literal(str(staging / ('empty.' + target.format)))} ({empty})")
        return count

    def _describe(self, staging: Path, target: Target, ids: list[str], schema: Schema) -> None:
        """Leave the write ids where the format has no room for them."""
        if staging.is_dir():
            types = {column.name: column.type for column in schema if column.name in target.partition_by}
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
        write_plan.combined(target, "old", old_schema, "new", batch.schema)  # raises when columns differ
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
            source = Source(format="parquet", path=target.path, files=tuple(publish.data_files(target.path)))
            frame = duck(self.read(source))
        else:
            frame = self._text_in_place(target, batch)
        return frame.relation, frame.schema

    def _text_in_place(self, target: Target, batch: DuckFrame) -> DuckFrame:
        """A CSV or JSON table of ours, read with the batch's types where it has the column. It has no bad lines."""
        types = {column.name: column.type for column in batch.schema}
        files = file_list(publish.data_files(target.path))
        if target.format == "json":
            found = self._run(f"DESCRIBE FROM read_json({files}, format='newline_delimited', sample_size=-1)")
            columns = columns_map({row[0]: types.get(row[0], row[1]) for row in found})
            return self._create("VIEW", f"FROM read_json({files}, format='newline_delimited', records=true, columns={columns})")
        said = [f"delim={literal(str(target.options.get('delimiter') or target.options.get('sep') or ','))}", "header=true"]
        names = [row[0] for row in self._run(f"DESCRIBE FROM read_csv({files}, all_varchar=true, {', '.join(said)})")]
        columns = columns_map({name: types.get(name, "VARCHAR") for name in names})
        return self._create("VIEW", f"FROM read_csv({files}, columns={columns}, auto_detect=false, quote='\"', escape='\"', {', '.join(said)})")

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
        names = [file.relative_to(staging) for file in publish.data_files(staging)] if staging.is_dir() else None
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

    def profile(self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool) -> TableProfile:
        described = duck(frame)
        files = [f for f in written.files if f.suffix == ".parquet" or _is_parquet(f)] if written else []
        readable = described.rows is not None or bool(files)
        rows = self._sample(described, files) if readable else []
        footer = self._footer(files, described.schema) if files else {}
        columns = [
            profiles.column_profile(column, [row[i] for row in rows], footer.get(column.name))
            if readable
            else ColumnProfile(column.name, column.type)
            for i, column in enumerate(described.schema)
        ]
        if full and readable:
            columns = self._summarized(described, columns)
        sample = Rows(tuple(c.name for c in described.schema), [profiles.plain_row(row) for row in rows[:sample_rows]])
        return TableProfile(tuple(columns), sample, sampled=len(rows), full=full and readable)

    def _sample(self, frame: DuckFrame, files: Sequence[Path]) -> list[tuple[Any, ...]]:
        names = ", ".join(
            f"{ident(c.name)}::VARCHAR" if c.type.startswith("TIMESTAMP WITH") else ident(c.name) for c in frame.schema
        )
        return self._run(f"SELECT {names} FROM {frame.relation} LIMIT {profiles.SAMPLED}")

    def _footer(self, files: Sequence[Path], schema: Schema) -> profiles.Footer:
        rows = self._run(
            "SELECT path_in_schema, num_values, stats_null_count, stats_min_value, stats_max_value, "
            f"min_is_exact AND max_is_exact FROM parquet_metadata({file_list(files)})"
        )
        return profiles.footer_facts(rows, schema)

    def _summarized(self, frame: DuckFrame, columns: Iterable[ColumnProfile]) -> list[ColumnProfile]:
        """Facts of all rows, at the price of a scan; distinct counts stay estimates."""
        rows = self._run(
            f"SELECT column_name, min, max, approx_unique, count, null_percentage FROM (SUMMARIZE {frame.relation})"
        )
        nulls = self._run(f"SELECT {', '.join(f'count(*) - count({ident(c.name)})' for c in frame.schema)} FROM {frame.relation}")[0]
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
        return user_functions.frame_to_pandas(self.session.to_arrow(self.session.sql(sql, self.tables)))


def _context(query: str, named: Mapping[str, DuckFrame], tables: Mapping[str, Frame]) -> dict[str, Any]:
    """What an error message about the query needs to know."""
    columns = [column.name for frame in named.values() for column in frame.schema]
    return {"sql": query, "line_offset": 1, "columns": columns, "tables": list(tables)}


def _again(statement: str) -> str:
    """The statement, run a second time: a file staged by the first run is replaced."""
    return statement


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PAR1"


