"""The story of a run: everything worth knowing about it in one document, for people and programs.

A story is built from the run's state alone, so that any run whose log is there has one: also a failed
one, also one that still goes on. Secrets and masked columns never were in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from odibi import events as ev
from odibi.run_state import NodeState, RunState, Totals

if TYPE_CHECKING:
    from odibi.history import NodeSummary

__all__ = [
    "STORY_VERSION",
    "Bin",
    "Check",
    "Column",
    "ColumnProfile",
    "Drift",
    "Error",
    "NodeStory",
    "Profile",
    "Quarantine",
    "Retry",
    "Retyped",
    "RowsLedger",
    "RunStory",
    "SchemaChange",
    "Sql",
    "Stage",
    "Story",
    "Table",
    "TopValue",
    "Write",
    "build",
    "error_of",
    "part",
    "schema",
    "schema_change",
]

STORY_VERSION = 1


class _Part:
    """Part of the story; the published schema allows no fields but the named ones."""

    __slots__ = ()
    __pydantic_config__ = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Column(_Part):
    """A column by name and type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Retyped(_Part):
    """A column whose type changed."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SchemaChange(_Part):
    """What became of the columns; `reordered` when those on both sides changed places."""

    added: tuple[Column, ...] = ()
    removed: tuple[Column, ...] = ()
    retyped: tuple[Retyped, ...] = ()
    reordered: bool = False


@dataclass(frozen=True, slots=True)
class RowsLedger(_Part):
    """Where the node's rows went; null is unknown, never zero. `balance` is the sum in words.

    `balanced` is null when a count is unknown or the node may change the number of rows.
    """

    read: int | None
    unreadable: int
    rows_in: int | None
    rows_out: int | None
    quarantined: int
    filtered: int
    deduplicated: int
    changes_cardinality: bool
    balance: str
    balanced: bool | None


@dataclass(frozen=True, slots=True)
class Table(_Part):
    """A few rows. Cells of sensitive columns are masked."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class TopValue(_Part):
    """A frequent value and how many rows of the sample have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Bin(_Part):
    """A bar of a histogram: `count` rows of the sample from `low` to `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class ColumnProfile(_Part):
    """Facts about a column of the result.

    `exact` when nulls, minimum and maximum come from all rows; the rest is from the sample.
    """

    name: str
    type: str
    nulls: int | None = None
    distinct: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    top: tuple[TopValue, ...] = ()
    histogram: tuple[Bin, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Profile(_Part):
    """The result, column by column; `sampled` rows are behind what isn't exact."""

    columns: tuple[ColumnProfile, ...]
    sampled: int
    full: bool


@dataclass(frozen=True, slots=True)
class Sql(_Part):
    """SQL as it ran, and the step that it belongs to."""

    step: str
    sql: str


@dataclass(frozen=True, slots=True)
class Stage(_Part):
    """A stage of the node and how long it took in seconds; `rows` after it when known."""

    stage: str
    seconds: float
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Check(_Part):
    """A contract, test or gate, with a few of the rows that broke it."""

    check: str
    kind: str
    phase: str
    on_fail: str
    passed: bool
    message: str = ""
    failed_rows: int | None = None
    total_rows: int | None = None
    sample: Table | None = None


@dataclass(frozen=True, slots=True)
class Quarantine(_Part):
    """Rows set aside at `path`, how many for each reason."""

    kind: str
    rows: int
    path: str
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Write(_Part):
    """What was written where; counts are null when the write was begun and not published."""

    path: str
    format: str
    mode: str
    write_id: str
    committed: bool
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Error(_Part):
    """Why something failed, where in the YAML, and what to do."""

    kind: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    sql: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Retry(_Part):
    """An attempt that failed and after how many seconds the next one began."""

    attempt: int
    delay: float
    error: Error


@dataclass(frozen=True, slots=True)
class Drift(_Part):
    """The node against its latest success before this run.

    `rows_change` and `seconds_change` are relative: 0.1 is ten percent more.
    """

    previous_run: str
    rows_before: int | None = None
    rows_change: float | None = None
    seconds_before: float | None = None
    seconds_change: float | None = None
    schema_change: SchemaChange | None = None


@dataclass(frozen=True, slots=True)
class NodeStory(_Part):
    """One node. `reason` says why it ran or didn't; `because` names the node whose failure stopped it."""

    key: str
    pipeline: str
    name: str
    status: str
    reason: str
    layer: str | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    because: str | None = None
    upstream: tuple[str, ...] = ()
    fingerprint: str | None = None
    attempts: int = 0
    retries: tuple[Retry, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    expected_seconds: float | None = None
    rows: RowsLedger | None = None
    schema_in: tuple[Column, ...] | None = None
    schema_out: tuple[Column, ...] | None = None
    schema_change: SchemaChange | None = None
    profile: Profile | None = None
    sample: Table | None = None
    sql: tuple[Sql, ...] = ()
    stages: tuple[Stage, ...] = ()
    checks: tuple[Check, ...] = ()
    quarantines: tuple[Quarantine, ...] = ()
    writes: tuple[Write, ...] = ()
    warnings: tuple[str, ...] = ()
    ignored: bool = False
    error: Error | None = None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class RunStory(_Part):
    """The run itself. `nodes` counts nodes by status; `critical_path` is the longest chain of nodes.

    Seconds are wall time, except `cpu_seconds`. `peak_rss` is resident memory in bytes.
    """

    run_id: str
    project: str
    engine: str
    status: str
    exit_code: int | None
    planned_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    nodes: Mapping[str, int]
    rows_written: int
    bytes_written: int
    quarantined: int
    unreadable: int
    checks_passed: int
    checks_failed: int
    critical_path: tuple[str, ...]
    critical_seconds: float
    env: str | None = None
    jobs: int | None = None
    root: str = ""
    command: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    dry_run: bool = False
    sample: int | None = None
    scratch: bool = False
    resume_of: str | None = None
    cancelled_by: str | None = None
    config_hash: str | None = None
    git_sha: str | None = None
    environment: Mapping[str, str] | None = None
    cpu_seconds: float | None = None
    peak_rss: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story(_Part):
    """A run and its nodes in plan order."""

    run: RunStory
    nodes: tuple[NodeStory, ...]
    story_version: int = STORY_VERSION


def build(state: RunState, previous: Mapping[str, NodeSummary] | None = None) -> Story:
    """The story of a run; `previous` holds for each node its latest success before (see Ledger)."""
    earlier = previous or {}
    nodes = tuple(_node(node, earlier.get(key)) for key, node in state.nodes.items())
    return Story(_run(state), nodes)


def part(story: Story, pipeline: str) -> Story:
    """The story of one pipeline of a run; sums are over its nodes."""
    nodes = tuple(node for node in story.nodes if node.pipeline == pipeline)
    writes = [write for node in nodes for write in node.writes if write.committed]
    checks = [check.passed for node in nodes for check in node.checks]
    path, seconds = _critical((n.key, n.upstream, n.seconds) for n in nodes)
    run = replace(
        story.run,
        nodes=_counted(node.status for node in nodes),
        rows_written=sum(write.rows or 0 for write in writes),
        bytes_written=sum(write.bytes or 0 for write in writes),
        quarantined=sum(node.rows.quarantined for node in nodes if node.rows),
        unreadable=sum(node.rows.unreadable for node in nodes if node.rows),
        checks_passed=sum(checks),
        checks_failed=len(checks) - sum(checks),
        critical_path=path,
        critical_seconds=seconds,
    )
    return replace(story, run=run, nodes=nodes)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a story's file."""
    from pydantic import TypeAdapter  # 60 ms that a story costs nobody

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "odibi story",
        **TypeAdapter(Story).json_schema(mode="serialization"),
    }


# From state to story ------------------------------------------------------------------------------


def _run(state: RunState) -> RunStory:
    plan, totals = state.plan, state.totals
    path, seconds = _critical((n.key, n.plan.upstream, n.seconds) for n in state.nodes.values())
    story = RunStory(
        run_id=state.run_id,
        project=state.project,
        engine=state.engine,
        status=state.status,
        exit_code=state.exit_code,
        planned_at=state.planned,
        started_at=state.started,
        finished_at=state.finished,
        seconds=state.seconds,
        critical_path=path,
        critical_seconds=seconds,
        jobs=state.jobs,
        cancelled_by=state.cancelled_by,
        cpu_seconds=state.heartbeat.cpu_seconds if state.heartbeat else None,
        peak_rss=state.peak_rss or None,
        warnings=state.warnings,
        **_sums(totals),
    )
    return story if plan is None else replace(story, **_planned(plan))


def _sums(totals: Totals) -> dict[str, Any]:
    return {
        "nodes": dict(totals.nodes),
        "rows_written": totals.rows_written,
        "bytes_written": totals.bytes_written,
        "quarantined": totals.quarantined,
        "unreadable": totals.unreadable,
        "checks_passed": totals.checks_passed,
        "checks_failed": totals.checks_failed,
    }


def _planned(plan: ev.RunPlanned) -> dict[str, Any]:
    """What the plan says of the run, under the same names."""
    names = {f.name for f in fields(RunStory)} & {f.name for f in fields(plan)} - {"nodes"}
    return {name: getattr(plan, name) for name in names}


def _node(node: NodeState, previous: NodeSummary | None) -> NodeStory:
    plan, profile = node.plan, node.profile
    both = node.schema_in is not None and node.schema_out is not None
    return NodeStory(
        key=node.key,
        pipeline=node.pipeline,
        name=node.name,
        status=node.status,
        reason=node.reason,
        layer=plan.layer,
        tags=plan.tags,
        description=plan.description,
        because=node.because,
        upstream=plan.upstream,
        fingerprint=plan.fingerprint,
        attempts=node.attempt,
        retries=tuple(Retry(r.attempt, r.delay, error_of(r.error)) for r in node.retries),
        started_at=node.first_started,
        finished_at=node.finished,
        seconds=node.seconds,
        expected_seconds=plan.expected_seconds,
        rows=_rows(node.counts) if node.counts else None,
        schema_in=_columns(node.schema_in),
        schema_out=_columns(node.schema_out),
        schema_change=schema_change(node.schema_in, node.schema_out) if both else None,
        profile=_profile(profile) if profile else None,
        sample=Table(profile.sample_columns, profile.sample) if profile else None,
        sql=tuple(Sql(s.step, s.sql) for s in node.sql),
        stages=tuple(Stage(s.stage, s.seconds, s.rows) for s in node.stages),
        checks=tuple(map(_check, node.checks)),
        quarantines=tuple(Quarantine(q.kind, q.rows, q.path, q.reasons) for q in node.quarantines),
        writes=tuple(
            Write(**{f.name: getattr(w, f.name) for f in fields(Write)}) for w in node.writes
        ),
        warnings=node.warnings,
        ignored=node.ignored,
        error=error_of(node.error) if node.error else None,
        drift=_drift(node, previous) if previous else None,
    )


def error_of(info: ev.ErrorInfo | None) -> Error:
    """The error, or a word about one that nobody recorded."""
    if info is None:
        return Error("Unknown", "no error was recorded")
    return Error(**{f.name: getattr(info, f.name) for f in fields(Error)})


def _columns(columns: Sequence[tuple[str, str]] | None) -> tuple[Column, ...] | None:
    return None if columns is None else tuple(Column(name, kind) for name, kind in columns)


def schema_change(
    before: Sequence[tuple[str, str]] | None, after: Sequence[tuple[str, str]] | None
) -> SchemaChange:
    """Added, removed and retyped columns by name; an unknown schema has no columns."""
    old, new = dict(before or ()), dict(after or ())
    kept = [name for name in old if name in new]
    return SchemaChange(
        added=tuple(Column(name, kind) for name, kind in new.items() if name not in old),
        removed=tuple(Column(name, kind) for name, kind in old.items() if name not in new),
        retyped=tuple(Retyped(n, old[n], new[n]) for n in kept if old[n] != new[n]),
        reordered=kept != [name for name in new if name in old],
    )


def _rows(c: ev.RowsCounted) -> RowsLedger:
    read_ok = None if None in (c.read, c.rows_in) else c.read == (c.rows_in or 0) + c.unreadable
    out = c.quarantined + c.filtered + c.deduplicated
    flow_ok = None
    if c.rows_in is not None and c.rows_out is not None and not c.changes_cardinality:
        flow_ok = c.rows_in == c.rows_out + out
    known = [ok for ok in (read_ok, flow_ok) if ok is not None]
    return RowsLedger(
        read=c.read,
        unreadable=c.unreadable,
        rows_in=c.rows_in,
        rows_out=c.rows_out,
        quarantined=c.quarantined,
        filtered=c.filtered,
        deduplicated=c.deduplicated,
        changes_cardinality=c.changes_cardinality,
        balance=_balance(c),
        balanced=all(known) if known else None,
    )


def _balance(c: ev.RowsCounted) -> str:
    """The rows ledger as a sentence; what is zero goes without saying."""
    parts = []
    if c.read is not None:
        lost = f" + {c.unreadable:,} unreadable" if c.unreadable else ""
        parts.append(f"{c.read:,} read = {_amount(c.rows_in)} parsed{lost}")
    removed = {"quarantined": c.quarantined, "filtered": c.filtered, "deduplicated": c.deduplicated}
    rest = "".join(f" + {count:,} {what}" for what, count in removed.items() if count)
    if c.rows_in is None:
        parts.append(f"{_amount(c.rows_out)} out{rest}")
    elif c.changes_cardinality:
        parts.append(f"{c.rows_in:,} in → {_amount(c.rows_out)} out{rest} (joins or aggregates)")
    else:
        parts.append(f"{c.rows_in:,} in = {_amount(c.rows_out)} out{rest}")
    return "; ".join(parts)


def _amount(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def _profile(observed: ev.ProfileObserved) -> Profile:
    return Profile(tuple(map(_column_profile, observed.columns)), observed.sampled, observed.full)


def _column_profile(column: Mapping[str, Any]) -> ColumnProfile:
    """One column as the event tells it; facts of later versions are left out."""
    simple = {f.name: column[f.name] for f in fields(ColumnProfile) if f.name in column}
    top = tuple(TopValue(str(value), count) for value, count in column.get("top", ()))
    histogram = tuple(Bin(*bin_) for bin_ in column.get("histogram", ()))
    return ColumnProfile(**{"type": "", **simple, "top": top, "histogram": histogram})


def _check(c: ev.CheckEvaluated) -> Check:
    return Check(
        check=c.check,
        kind=c.kind,
        phase=c.phase,
        on_fail=c.on_fail,
        passed=c.passed,
        message=c.message,
        failed_rows=c.failed_rows,
        total_rows=c.total_rows,
        sample=Table(c.sample_columns, c.sample) if c.sample else None,
    )


def _drift(node: NodeState, before: NodeSummary) -> Drift | None:
    if node.status != "succeeded":
        return None
    rows = node.counts.rows_out if node.counts else None
    known = before.schema is not None and node.schema_out is not None
    change = schema_change(before.schema, node.schema_out) if known else None
    return Drift(
        previous_run=before.run_id,
        rows_before=before.rows_out,
        rows_change=_relative(before.rows_out, rows),
        seconds_before=before.seconds,
        seconds_change=_relative(before.seconds, node.seconds),
        schema_change=change if change != SchemaChange() else None,
    )


def _relative(before: float | None, after: float | None) -> float | None:
    if not before or after is None:
        return None
    return round((after - before) / before, 4)


def _critical(
    nodes: Iterable[tuple[str, Sequence[str], float | None]],
) -> tuple[tuple[str, ...], float]:
    """The chain of dependent nodes that took longest, and its seconds. Nodes come upstream first."""
    longest: dict[str, tuple[float, tuple[str, ...]]] = {}
    for key, upstream, seconds in nodes:
        known = [longest[parent] for parent in upstream if parent in longest]
        before = max(known, key=lambda chain: chain[0], default=(0.0, ()))
        if seconds is not None:
            longest[key] = (before[0] + seconds, (*before[1], key))
        elif before[1]:
            longest[key] = before
    seconds, path = max(longest.values(), key=lambda chain: chain[0], default=(0.0, ()))
    return path, round(seconds, 6)


def _counted(statuses: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for status in statuses:
        counts[status] = counts.get(status, 0) + 1
    return counts
