"""The life of one node: a fixed order of stages, each a function from frame to frame, every fact an event.

read or inputs → contracts → transformer or pattern → transform steps → privacy → validation → write →
profile. The stages live in `odibi.stages`; this module holds their order and what they share.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

from odibi import events as ev
from odibi import sources
from odibi.durations import seconds_of
from odibi.engine import Engine, Frame, Session, Source, UserFunction, Written
from odibi.errors import NodeError
from odibi.graph import Node
from odibi.marks import Marks, Record

if TYPE_CHECKING:
    from odibi.config import Loaded, Position

__all__ = [
    "Counts",
    "Job",
    "Past",
    "Result",
    "RetryPolicy",
    "RunFacts",
    "Work",
    "execute",
    "settle_rows",
]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a node is tried, and how the wait between tries grows."""

    attempts: int
    backoff: str


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs of a node say: rows written, newest first, with the time of each run."""

    rows: tuple[tuple[datetime, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What all nodes of a run share.

    `origin_id` is the id of the run that a chain of resumes began with: write ids are made of it, so
    that a resumed write knows its earlier self. `sample` limits rows read per source. `scratch` is the
    folder that takes all writes in place of the YAML's targets, None in a run that counts. `dry`
    binds everything and computes nothing. `marks` is how far incremental reads have come.
    """

    run_id: str
    origin_id: str
    started_at: datetime
    loaded: Loaded
    engine: Engine
    nodes: Mapping[str, Node]
    functions: Mapping[str, UserFunction]
    marks: Marks
    scratch: Path | None
    sample: int | None = None
    dry: bool = False
    profile: Literal["off", "sample", "full"] = "sample"
    past: Callable[[str], Past] = lambda _key: Past()

    @property
    def moves_marks(self) -> bool:
        """Whether what the run reads counts as read: not in a trial."""
        return not self.dry and self.sample is None and self.scratch is None

    def retry_policy(self, node: Node) -> RetryPolicy:
        """The node's own retry settings, else the project's."""
        retry = node.config.retry or self.loaded.project.retry
        return RetryPolicy(retry.max_attempts if retry.enabled else 1, retry.backoff)

    def timeout(self, node: Node) -> float | None:
        """Seconds the node may take, or None."""
        limit = node.config.timeout
        return None if limit is None else seconds_of(limit)

    def position(self, node: Node) -> Position | None:
        """Where the node stands in the YAML."""
        return node.position

    def write_id(self, node: Node, part: str = "") -> str:
        """The name of this node's write, the same in every attempt and resume of the run."""
        return "-".join(filter(None, (self.origin_id, node.key, part)))


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one node. `frames` are results of this run under the names the node uses.

    `consumers` counts nodes of this run that will read the result; `stale` are upstream nodes that
    failed and are ignored, so that their earlier results are read; `entered` hears of each stage.
    """

    facts: RunFacts
    node: Node
    frames: Mapping[str, Frame]
    consumers: int
    attempt: int
    emit: Callable[[ev.Payload], object]
    stale: frozenset[str] = frozenset()
    entered: Callable[[str], None] = lambda _stage: None


@dataclass(frozen=True, slots=True)
class Result:
    """What a node leaves for its dependents: a frame, unless nobody wants it."""

    frame: Frame | None


@dataclass(slots=True)
class Counts:
    """The node's rows ledger while it is being filled; None is unknown."""

    rows_in: int | None = None
    rows_out: int | None = None
    quarantined: int = 0
    removed: str | None = None
    changes: bool = False

    def declare(self, cardinality: str) -> None:
        """Note what a step may do to the number of rows: same, fewer, deduplicates, changes."""
        if cardinality == "changes":
            self.changes = True
        elif cardinality != "same":
            self.removed = "fewer" if self.removed == "fewer" else cardinality


@dataclass(slots=True)
class Work:
    """The state of one attempt, handed from stage to stage.

    `since` is the record that an incremental read went on from, `reached` the one that its write makes
    the next: a source sets it while it is read, and the write stage stores it with the write's own id.
    `content` tells what the write holds, where the YAML asks for it. `continues` when the rows are made
    of the very table that they replace, so that a write that was published mustn't be made again.
    """

    job: Job
    session: Session
    tables: dict[str, Frame] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    reads_text: bool = False
    sources: list[Path] = field(default_factory=list)
    written: Written | None = None
    staged_checks: list[Callable[[Frame], None]] = field(default_factory=list)
    since: Record | None = None
    reached: Record | None = None
    content: Record | None = None
    continues: bool = False

    @property
    def node(self) -> Node:
        return self.job.node

    @property
    def facts(self) -> RunFacts:
        return self.job.facts

    @property
    def key(self) -> str:
        return self.job.node.key

    @property
    def is_repeated(self) -> bool:
        """Whether an earlier attempt, in this run or one that it resumes, may have written already."""
        return self.facts.origin_id != self.facts.run_id or self.job.attempt > 1

    def write_id(self, part: str = "") -> str:
        """The name of a write of this attempt; another one when the read went on from another mark.

        So a resumed run that finds its first batch published adds what came since under a new name.
        """
        start = f"after-{self.since.write_id}" if self.since is not None else ""
        return self.facts.write_id(self.node, "-".join(filter(None, (part, _short(start)))))

    def emit(self, payload: ev.Payload) -> None:
        self.job.emit(payload)

    def warn(self, message: str) -> None:
        """A warning that the story shows with the node."""
        self.emit(ev.LogLine(level="WARNING", message=message, node=self.key))

    def sql(self, step: str, query: str, frame: Frame | None) -> Frame:
        """One SELECT over `df` (the current frame) and the node's tables; its text goes to the story."""
        self.emit(ev.SqlExecuted(node=self.key, step=step, sql=query))
        return self.session.sql(query, self.visible(frame))

    def visible(self, frame: Frame | None) -> dict[str, Frame]:
        """The tables a query of this node may name."""
        return self.tables if frame is None else {**self.tables, "df": frame}

    def stored(self, node: Node) -> Source | None:
        """What the node stored, of this pipeline or another; None while there is nothing."""
        return self.existing(sources.stored_source(self.facts.loaded, node))

    def existing(self, source: Source | None) -> Source | None:
        """The source, if its database or store has the table: it says so only when it is asked."""
        if source is None or source.connection is None or source.query is not None:
            return source
        return source if self.facts.engine.is_there(source) else None

    def hold(self, frame: Frame) -> Frame:
        """Compute the frame once; a dry run computes nothing."""
        return frame if self.facts.dry else self.session.hold(frame)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def execute(job: Job, session: Session) -> Result:
    """Carry out one attempt. Raises OdibiError, or whatever a user's function raised."""
    work = Work(job, session)
    try:
        return _carry_out(work)
    finally:
        for note in session.notes():
            work.emit(ev.LogLine(level="INFO", message=note, node=work.key))
        for statement in session.statements():
            work.emit(ev.SqlExecuted(node=work.key, step=ev.AS_EXECUTED, sql=statement))


def _carry_out(work: Work) -> Result:
    """All stages, in order."""
    from odibi.stages import inputs, transform, validate, write  # they import this module

    job = work.job
    _run_statements(work, "pre_sql", job.node.config.pre_sql)
    start = _stage(work, "read", inputs.start)
    if start is not None:
        _observe_schema(work, "in", start)
        start = _stage(work, "contracts", validate.contracts, start)
    frame = _stage(work, "transform", transform.transform, start)
    frame = _stage(work, "privacy", transform.privacy, frame)
    frame = _stage(work, "validation", validate.validate, frame)
    _observe_schema(work, "out", frame)
    if job.facts.dry:
        return Result(frame)
    frame = _stage(work, "write", write.write, frame)
    _run_statements(work, "post_sql", job.node.config.post_sql)
    if job.facts.profile != "off":
        _stage(work, "profile", write.profile, frame)
    return Result(frame if job.consumers else None)


def _stage(
    work: Work, name: str, run: Callable[Concatenate[Work, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run one stage and say how long it took."""
    work.job.entered(name)
    began = time.perf_counter()
    value = run(work, *args, **kwargs)
    seconds = round(time.perf_counter() - began, 6)
    rows = getattr(value, "rows", None)  # isinstance with a protocol costs 25 µs a time
    work.emit(ev.StageFinished(node=work.key, stage=name, seconds=seconds, rows=rows))
    return value


def _run_statements(work: Work, name: str, statements: list[str]) -> None:
    for statement in statements:
        work.emit(ev.SqlExecuted(node=work.key, step=name, sql=statement))
        if not work.facts.dry:
            work.session.execute(statement)


def _observe_schema(work: Work, side: Literal["in", "out"], frame: Frame) -> None:
    columns = tuple((column.name, column.type) for column in frame.schema)
    work.emit(ev.SchemaObserved(node=work.key, side=side, columns=columns))


def settle_rows(work: Work, rows_out: int | None) -> None:
    """Close the rows ledger of the attempt and check that it balances, before anything is published.

    read = rows_in + unreadable, and rows_in = rows_out + quarantined + filtered + deduplicated unless
    a step declared that it changes the number of rows. Raises NodeError when rows went missing.
    """
    counts = work.counts
    reports = work.session.read_reports() if work.reads_text else ()
    read = sum(report.read for report in reports) if reports else None
    unreadable = sum(report.unreadable for report in reports)
    rows_in = counts.rows_in if read is None else read - unreadable
    missing = 0
    if not counts.changes and rows_in is not None and rows_out is not None:
        missing = rows_in - rows_out - counts.quarantined
        if missing < 0 or (missing > 0 and counts.removed is None):
            raise NodeError(
                f"rows don't add up: {rows_in} in, {rows_out} out, {counts.quarantined} quarantined",
                hint="this is a bug in odibi or in an engine: nothing was written; please report it",
            )
    work.emit(
        ev.RowsCounted(
            node=work.key,
            read=read,
            unreadable=unreadable,
            rows_in=rows_in,
            rows_out=rows_out,
            quarantined=counts.quarantined,
            filtered=missing if counts.removed != "deduplicates" else 0,
            deduplicated=missing if counts.removed == "deduplicates" else 0,
            changes_cardinality=counts.changes,
        )
    )
