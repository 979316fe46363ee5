"""One node's conversation with Spark: reading, SQL, users' functions, writing, progress and cancel."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.engine import (
    Column,
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
from .frames import DuckFrame
from .parquet_read import parquet_scan
from .spark_errors import spark_error
from .spark_rewrites import OTHER_FORM, Untranslated
from .spark_sql import translate
from .spark_types import carried, carried_type, spark_type
from .sql_text import file_list, ident, literal, mentions, trimmed

if TYPE_CHECKING:
    from .spark_engine import SparkEngine

__all__ = ["SparkFrame", "SparkSession"]

_FEW = 5_000_000


class _OtherForm(Exception):  # noqa: N818  # no error: DuckDB computes it
    """Rows hold a text that Spark isn't known to read as DuckDB does."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class SparkFrame:
    """A DataFrame and its columns in DuckDB's types; `files` hold its rows when they are computed.

    `owned`: nobody else writes to those files. Until it is computed, `query` over `inputs` gives it.
    """

    data: Any
    schema: Schema
    rows: int | None = None
    files: tuple[Path, ...] = ()
    owned: bool = False
    query: str = ""
    inputs: Mapping[str, SparkFrame] = field(default_factory=dict)


def _ours(frame: Frame) -> SparkFrame:
    if not isinstance(frame, SparkFrame):
        raise EngineError(f"a frame of another engine came in: {type(frame).__name__}")
    return frame


class SparkSession:
    """Statements of one node. Its jobs are one group (a tag on a Spark Connect server)."""

    def __init__(self, engine: SparkEngine, name: str, duck: DuckSession) -> None:
        self.engine = engine
        self.name = name
        self._duck = duck
        self._group = engine.new_name()
        self._cancelled = False
        self._statements: list[str] = []
        self._staged: dict[str, Staged] = {}
        self._kept: list[SparkFrame] = []
        self._notes: list[str] = []
        self._told: Progress | None = None

    # Running Spark

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Jobs of this block belong to the session; their errors come in the user's terms."""
        from py4j.protocol import Py4JError  # only there with Spark
        from pyspark.errors import AnalysisException, PySparkException

        if self._cancelled:
            raise Cancelled
        self._claim()
        try:
            yield
        except (PySparkException, Py4JError) as error:
            if self._cancelled:
                raise Cancelled from None
            if OTHER_FORM in str(error) and not isinstance(error, AnalysisException):
                raise _OtherForm(OTHER_FORM.removeprefix("odibi: ")) from None
            raise spark_error(error) from error

    def _claim(self) -> None:
        self.engine.claimed.by = self
        if self.engine.remote:
            self.engine.spark.clearTags()  # those of the session that had this thread before
            self.engine.spark.addTag(self._group)
        else:
            context = self.engine.spark.sparkContext
            context.setJobGroup(self._group, self.name, interruptOnCancel=True)

    def _select(self, query: str, named: Mapping[str, SparkFrame], schema: Schema) -> SparkFrame:
        """The frame of a query whose columns DuckDB has found to be `schema`."""
        views = {name: (self.engine.new_name(), frame.schema) for name, frame in named.items()}
        text = translate(query, views)
        from pyspark.errors import AnalysisException  # only there with Spark

        with self._running():
            for name, (view, _) in views.items():
                named[name].data.createOrReplaceTempView(view)
            try:
                found = self.engine.spark.sql(text)
            except AnalysisException as error:  # its words are about the translation, not the query
                raise Untranslated(f"Spark says {error.getCondition()}") from error
            finally:
                self.engine.drop_views([view for view, _ in views.values()])
            return SparkFrame(_typed(found, schema), schema, query=query, inputs=named)

    def _bound(
        self, query: str, tables: Mapping[str, Frame]
    ) -> tuple[dict[str, SparkFrame], Schema]:
        """The frames that the query names and the columns it gives, as DuckDB sees them."""
        named = {name: _ours(frame) for name, frame in tables.items() if mentions(query, name)}
        empty: dict[str, Frame] = {name: _empty(table.schema) for name, table in tables.items()}
        return named, self._duck.sql(query, empty).schema

    # Between Spark and DuckDB, by Parquet

    def _read_files(self, files: Sequence[Path], schema: Schema, rows: int | None) -> SparkFrame:
        with self._running():
            reader = self.engine.spark.read.option("mergeSchema", str(len(files) > 1).lower())
            data = reader.parquet(*(_uri(file) for file in files))
            named = data.select(*(_quoted(column.name) for column in schema))
            return SparkFrame(_typed(named, schema), schema, rows, tuple(files))

    def _from_duck(self, frame: DuckFrame) -> SparkFrame:
        """DuckDB's rows as Spark's, by a Parquet file that goes with the frame."""
        place = self.engine.folder / f"{self.engine.new_name()}.parquet"
        body = carried(frame.relation, frame.schema)
        statement = f"COPY ({body}) TO {literal(str(place))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        rows = int(self._duck.texts.compute(statement, frame, frame.query)[0][0])
        made = self._read_files([place], frame.schema, rows)
        made.owned = True
        weakref.finalize(made, place.unlink, missing_ok=True).atexit = False
        return made

    def _computed(self, frame: Frame) -> SparkFrame:
        """The frame with its rows in Parquet files, computed by Spark unless they are."""
        known = _ours(frame)
        return known if known.files else self._compute(known)

    def _compute(self, known: SparkFrame) -> SparkFrame:
        place = self.engine.folder / self.engine.new_name()
        try:
            with self._running():
                known.data.write.parquet(_uri(place))
        except _OtherForm as why:
            found = self._by_duck(known.query, known.inputs, why)
            return self._become(known, self._from_duck(found))
        files = sorted(place.glob("*.parquet"))
        count = f"SELECT num_rows FROM parquet_file_metadata({file_list(files)})"
        made = self._read_files(
            files, known.schema, sum(r[0] for r in self._duck.cursor.run(count))
        )
        weakref.finalize(made, shutil.rmtree, place, ignore_errors=True).atexit = False
        return self._become(known, made)

    def _become(self, known: SparkFrame, made: SparkFrame) -> SparkFrame:
        """The frame, computed: its rows are those of `made`, which it keeps."""
        known.data, known.rows, known.files = made.data, made.rows, made.files
        known.owned, known.inputs = True, {"": made}  # its files go when it does
        return known

    def _to_duck(self, frame: SparkFrame) -> DuckFrame:
        """Computed rows as DuckDB sees them, in the types that they have."""
        self._kept.append(frame)  # its files go with it
        scan = (
            f"read_parquet({file_list(frame.files)}, hive_partitioning=false, union_by_name=true)"
        )
        found = {column.name: column.type for column in self._duck.cursor.schema_of(f"FROM {scan}")}
        columns = ", ".join(
            ident(column.name)
            if found[column.name] == column.type
            else f"{ident(column.name)}::{column.type} AS {ident(column.name)}"
            for column in frame.schema
        )
        place = f"(SELECT {columns} FROM {scan})"
        return DuckFrame(place, frame.schema, rows=frame.rows, query="FROM df")

    # The protocol

    def read(self, source: Source) -> Frame:
        if source.format == "parquet" and not source.columns:
            frame = self._read_parquet(source)
            if frame is not None:
                query = f"SELECT * FROM df WHERE ({source.filter})"
                return self.sql(query, {"df": frame}) if source.filter else frame
        found = self._duck.read(source)
        assert isinstance(found, DuckFrame)
        return self._from_duck(found)

    def _read_parquet(self, source: Source) -> SparkFrame | None:
        """The files as Spark reads them; None when their types or folders mean something to DuckDB only."""
        scan, files = parquet_scan(source)
        schema = self._duck.cursor.schema_of(f"FROM {scan}")
        if "hive_partitioning=true" in scan or any(
            carried_type(column.type) != column.type for column in schema
        ):
            return None
        count = f"SELECT num_rows FROM parquet_file_metadata({file_list(files)})"
        return self._read_files(files, schema, sum(r[0] for r in self._duck.cursor.run(count)))

    def source_state(self) -> Mapping[str, Any]:
        return self._duck.source_state()

    def read_reports(self) -> Sequence[ReadReport]:
        return [
            report
            if report.rejects is None
            else replace(report, rejects=self._from_duck(report.rejects))  # type: ignore[arg-type]
            for report in self._duck.read_reports()
        ]

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        query = trimmed(query)
        named, schema = self._bound(query, tables)
        self._statements.append(query)
        try:
            return self._select(query, named, schema)
        except Untranslated as why:
            return self._from_duck(self._by_duck(query, named, why))

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        query = trimmed(query)
        named, schema = self._bound(query, tables)
        if not _few(named):
            try:
                return self._fetched(self._select(query, named, schema))
            except (Untranslated, _OtherForm):
                pass
        relations = {name: self._to_duck(self._computed(table)) for name, table in named.items()}
        return self._duck.fetch(query, relations)  # of few rows, the same sooner

    def _fetched(self, frame: SparkFrame) -> Rows:
        with self._running():
            arrow = frame.data.toArrow()
        return _values(arrow, frame.schema)

    def _by_duck(self, query: str, named: Mapping[str, SparkFrame], why: Exception) -> DuckFrame:
        """What Spark isn't known to compute equally, computed by DuckDB from the same files."""
        self._notes.append(f"computed by DuckDB on this machine, not by Spark: {why}")
        relations = {name: self._to_duck(self._computed(table)) for name, table in named.items()}
        found = self._duck.sql(query, relations)
        assert isinstance(found, DuckFrame)
        return found

    def notes(self) -> Sequence[str]:
        return tuple(dict.fromkeys(self._notes))

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        visible = {**tables, **({} if frame is None else {"df": frame})}
        access = _TablesOf(self, visible)
        result = user_functions.call(function, frame, params, tables, access, self.engine.name)
        self._statements.append(f"-- Python function {function.name}")
        arrow = user_functions.as_arrow(function.name, result)
        return self._from_duck(self._duck.from_arrow(arrow))

    def execute(self, statement: str) -> None:
        """Statements for their effect are DuckDB's: Spark has no tables of the project."""
        self._statements.append(statement)
        self._duck.execute(statement)

    def hold(self, frame: Frame) -> Frame:
        known = _ours(frame)
        return known if known.owned else self._compute(known)

    def stage(self, frame: Frame, target: Target) -> Staged:
        computed = self._computed(frame)
        staged = self._duck.stage(self._to_duck(computed), target)
        self._staged[target.write_id] = staged
        return replace(staged, frame=computed if staged.frame is not None else None)

    def commit(self, staged: Staged) -> Written:
        return self._duck.commit(self._staged.pop(staged.target.write_id, staged))

    def discard(self, staged: Staged) -> None:
        self._duck.discard(self._staged.pop(staged.target.write_id, staged))

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        relation = self._to_duck(self._computed(frame))
        return self._duck.profile(relation, written, sample_rows=sample_rows, full=full)

    def statements(self) -> Sequence[str]:
        return tuple(self._statements)

    # From other threads, and the end

    def progress(self) -> Progress | None:
        """The share of the tasks that are done, of the jobs that run now."""
        if self.engine.remote:
            return self._told
        tracker = self.engine.spark.sparkContext.statusTracker()
        jobs = [tracker.getJobInfo(number) for number in tracker.getJobIdsForGroup(self._group)]
        stages = [
            tracker.getStageInfo(number)
            for job in jobs
            if job is not None and job.status == "RUNNING"
            for number in job.stageIds
        ]
        known = [stage for stage in stages if stage is not None]
        total = sum(stage.numTasks for stage in known)
        done = sum(stage.numCompletedTasks for stage in known)
        return Progress(fraction=done / total) if total else None

    def tell(self, stages: Iterable[Any]) -> None:
        """What a Connect server says, now and then, of the stages of the job that runs."""
        counts = [(stage.num_completed_tasks, stage.num_tasks) for stage in stages]
        done, total = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
        self._told = Progress(fraction=done / total) if total else None

    def cancel(self) -> None:
        self._cancelled = True
        self._duck.cancel()
        if self.engine.remote:
            self.engine.spark.interruptTag(self._group)
        else:
            self.engine.spark.sparkContext.cancelJobGroup(self._group)

    def close(self) -> None:
        self._kept.clear()
        self._duck.close()

    # For users' functions

    def convert(self, frame: Frame, wants: str) -> Any:
        """The frame as pandas, arrow, or (DuckDB's) relation."""
        relation = self._to_duck(self._computed(frame))
        if wants == "relation":
            return self._duck.relation_of(relation)
        arrow = self._duck.to_arrow(relation)
        return arrow if wants == "arrow" else user_functions.frame_to_pandas(arrow)


class _TablesOf:
    """What a user's function may see: the node's frames by name."""

    def __init__(self, session: SparkSession, tables: Mapping[str, Frame]) -> None:
        self.session = session
        self.tables = tables

    def convert(self, table: Any, wants: str) -> Any:
        return self.session.convert(table, wants)

    def query(self, sql: str) -> Any:
        return self.session.convert(self.session.sql(sql, self.tables), "pandas")


def _few(tables: Mapping[str, SparkFrame]) -> bool:
    """Whether the rows are computed, and so few that starting jobs over them takes longer than reading."""
    return all(table.files and (table.rows or 0) <= _FEW for table in tables.values())


def _empty(schema: Schema) -> DuckFrame:
    """No rows of these columns, so that DuckDB can say what a query over them gives."""
    columns = ", ".join(f"NULL::{column.type} AS {ident(column.name)}" for column in schema)
    return DuckFrame(f"(SELECT {columns} LIMIT 0)", schema)


def _typed(data: Any, schema: Schema) -> Any:
    """The DataFrame with the names and types of the schema, by position."""
    from pyspark.sql import functions

    if len(data.columns) != len(schema):
        raise EngineError(f"Spark finds {len(data.columns)} columns where there are {len(schema)}")
    named = data.toDF(*(f"c{number}" for number in range(len(schema))))
    return named.select(
        *(
            functions.col(f"c{number}").cast(spark_type(column.type)).alias(column.name)
            for number, column in enumerate(schema)
        )
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _uri(path: Path) -> str:
    """The path as Spark takes it: glob characters in a bare path would be patterns."""
    return "".join(f"\\{c}" if c in "*?[]{}\\" else c for c in f"file:{path}")


def _values(arrow: Any, schema: Schema) -> Rows:
    """An Arrow table as rows of the Python values that DuckDB gives for its types."""
    columns = [
        list(map(_reader(column), values.to_pylist()))
        for column, values in zip(schema, arrow.columns, strict=True)
    ]
    rows = list(zip(*columns, strict=True)) if columns else []
    return Rows(tuple(column.name for column in schema), rows)


def _reader(column: Column) -> Callable[[Any], Any]:
    from datetime import UTC
    from uuid import UUID

    if column.type == "UUID":
        return lambda value: None if value is None else UUID(value)
    if column.type.startswith("MAP("):
        return lambda value: None if value is None else dict(value)
    if column.type == "TIMESTAMP WITH TIME ZONE":
        return lambda value: None if value is None else value.astimezone(UTC)
    return lambda value: value
