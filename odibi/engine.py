"""The engine protocol: the few verbs through which the core moves tables, and the plain data they exchange.

A *frame* is a handle on a table that only its engine understands: lazy or computed, in memory or in a
file. The core passes frames from stage to stage and never looks inside. All SQL that crosses this
border is one SELECT in the canonical dialect (DuckDB's), whose tables are named by a mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "Column",
    "ColumnProfile",
    "Engine",
    "Frame",
    "Progress",
    "ReadReport",
    "Rows",
    "Schema",
    "Session",
    "Source",
    "Staged",
    "TableProfile",
    "Target",
    "Upkeep",
    "UserFunction",
    "Written",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name and its type in DuckDB's spelling (`BIGINT`, `DECIMAL(10,2)`, `STRUCT(...)`)."""

    name: str
    type: str


Schema = tuple[Column, ...]


@runtime_checkable
class Frame(Protocol):
    """An engine's handle on a table."""

    @property
    def schema(self) -> Schema:
        """Columns in order; known without computing the rows."""
        ...

    @property
    def rows(self) -> int | None:
        """The number of rows when it is known for free, else None."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """What to read, resolved to absolute places. `format`: csv, json, parquet, delta, sql, api,
    simulation.

    `files` are the matching files in sorted order (csv, json, parquet); `path` is the folder or
    database file (delta, sql). `columns` maps names to types when declared. `options` are the
    node's remaining read options. Exactly one of `table` and `query` is set for `sql`.
    With `connection` the files are on another machine, below its `base_path`.
    For `api` the `table` is the endpoint, `connection` the settings of the service and `options` are
    complete; for `simulation` the `options` describe it. `enough` is a number of rows that will do (a trial, a dry run), None for all.
    `goes_on` says that the next run reads what comes after; `state` is what `Session.source_state`
    said after the last one.
    """

    format: str
    path: Path
    files: tuple[Path, ...] = ()
    columns: Mapping[str, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str | None = None
    query: str | None = None
    filter: str | None = None
    version: int | None = None
    as_of: str | None = None
    connection: Mapping[str, Any] | None = field(default=None, repr=False)
    enough: int | None = None
    goes_on: bool = False
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What came of reading text files: `read = parsed + unreadable`.

    `unreadable` counts input lines that couldn't be parsed or hold a value of the wrong type.
    `rejects` is a frame with one row a line (file VARCHAR, line BIGINT, reason VARCHAR, raw
    VARCHAR), None when there are none.
    """

    read: int
    unreadable: int
    rejects: Frame | None


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What keeps a Delta table in shape.

    `properties` are set on the table where it has other ones. After a write the table's files are
    clustered by the columns `zorder_by`, else small ones are joined (`compact`); then files that no
    version of the last `vacuum_hours` hours needs are removed.
    """

    properties: Mapping[str, str] = field(default_factory=dict)
    zorder_by: tuple[str, ...] = ()
    compact: bool = False
    vacuum_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to write. `format`: parquet, csv, json, delta, sql; `mode` as in the YAML.

    `path` is absolute. For `sql` the `connection` holds the settings of the database (of SQLite its
    file as `path`), `table` is the table, and `path` only names it. `write_id` names this write for ever: it is stored in the target (Parquet
    key-value metadata, Delta application transaction, or a sidecar) so that recovery can ask.
    `keys` are the merge keys of upsert and append_once. With `forget` an append leaves out the stored
    rows whose TIMESTAMP in that column is before the moment (UTC, without a zone). `upkeep` is for delta.
    """

    format: str
    path: Path
    mode: str
    write_id: str
    keys: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    merge_schema: bool = False
    overwrite_schema: bool = False
    table: str | None = None
    connection: Mapping[str, Any] | None = field(default=None, repr=False)
    forget: tuple[str, datetime] | None = None
    upkeep: Upkeep | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """A write that is complete beside its target and not yet visible.

    `frame` reads the staged rows of this batch back (None when the format can't); `rows` counts
    the batch; `staging` is the hidden path that a crash may leave behind.
    """

    target: Target
    staging: Path | None
    rows: int
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Written:
    """A published write. `rows` of this batch, `bytes` on disk of the files written, `files` as paths."""

    rows: int
    bytes: int
    files: tuple[Path, ...]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A small result: column names and rows of plain Python values."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Facts about one column. `exact` tells which come from all rows; the rest from a sample.

    `nulls` and `distinct` count rows; `minimum` and `maximum` are display text; `top` holds
    (value, count) pairs of the sample; `histogram` holds (low, high, count) bins of the sample.
    """

    name: str
    type: str
    nulls: int | None = None
    distinct: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    top: tuple[tuple[str, int], ...] = ()
    histogram: tuple[tuple[float, float, int], ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class TableProfile:
    """Profile of a table. `sampled` is the number of rows behind distinct, top and histogram."""

    columns: tuple[ColumnProfile, ...]
    sample: Rows
    sampled: int
    full: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the running statement is: `fraction` 0–1 when the engine knows it, else rows done."""

    fraction: float | None = None
    rows_done: int | None = None


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A registered Python function. `wants`: context, pandas, arrow or relation, from its annotations."""

    name: str
    function: Callable[..., Any]
    wants: str


@runtime_checkable
class Session(Protocol):
    """One node's conversation with an engine; used by one thread, except `progress` and `cancel`."""

    def read(self, source: Source) -> Frame:
        """A frame over the source's readable rows. Raises EngineError when nothing can be read."""
        ...

    def source_state(self) -> Mapping[str, Any]:
        """Where a simulated source has come to, as plain JSON, after it was read: what
        `Source.state` is to be next time."""
        ...

    def read_reports(self) -> Sequence[ReadReport]:
        """Counts for the text sources read so far; valid once their frames were written or held."""
        ...

    def sql(self, query: str, tables: Mapping[str, Frame]) -> Frame:
        """The result of one SELECT over the named frames; checked now, computed when needed."""
        ...

    def call(
        self,
        function: UserFunction,
        frame: Frame | None,
        params: Mapping[str, Any],
        tables: Mapping[str, Frame],
    ) -> Frame:
        """The result of a user's function on `frame`; `tables` are the node's other inputs."""
        ...

    def fetch(self, query: str, tables: Mapping[str, Frame]) -> Rows:
        """Run one SELECT and bring its (few) rows here."""
        ...

    def execute(self, statement: str) -> None:
        """Run a statement for its effect (pre_sql, post_sql)."""
        ...

    def hold(self, frame: Frame) -> Frame:
        """The same rows, computed once and kept until the run ends (may spill); `rows` is known."""
        ...

    def stage(self, frame: Frame, target: Target) -> Staged:
        """Write the frame beside its target, durable but invisible."""
        ...

    def commit(self, staged: Staged) -> Written:
        """Publish a staged write atomically."""
        ...

    def discard(self, staged: Staged) -> None:
        """Remove a staged write that must not be published."""
        ...

    def profile(
        self, frame: Frame, written: Written | None, *, sample_rows: int, full: bool
    ) -> TableProfile:
        """Profile a result at next to no cost: from the files just written where there are any."""
        ...

    def notes(self) -> Sequence[str]:
        """What a user should know of how it was computed, a line each."""
        ...

    def statements(self) -> Sequence[str]:
        """The SQL that was executed so far, in order, as the engine ran it."""
        ...

    def progress(self) -> Progress | None:
        """How far the statement now running is; called from another thread."""
        ...

    def cancel(self) -> None:
        """Interrupt whatever runs; the interrupted call raises Cancelled. From another thread."""
        ...

    def close(self) -> None:
        """Give back what only this session holds."""
        ...


@runtime_checkable
class Engine(Protocol):
    """A place where tables are computed. One per run; registered under entry point `odibi.engines`."""

    name: str

    def session(self, name: str) -> Session:
        """Open a session; `name` is the node's key and appears in diagnostics."""
        ...

    def is_there(self, source: Source) -> bool:
        """Whether a database's server has the table of the source."""
        ...

    def was_written(self, target: Target) -> bool:
        """Whether `target.write_id` is already published at the target (crash recovery)."""
        ...

    def sweep(self, target: Target) -> None:
        """Remove what an unpublished write of `target.write_id` left beside the target."""
        ...

    def release(self, frame: Frame) -> None:
        """Drop a held frame that no node needs any more."""
        ...

    def need(self, frames: Sequence[Frame]) -> float:
        """The share of the engine's memory that a node over these frames may want, roughly; 0 when
        it hardly counts. Nodes that together want more than all of it don't run at the same time."""
        ...

    def close(self) -> None:
        """End the engine; frames die with it."""
        ...
