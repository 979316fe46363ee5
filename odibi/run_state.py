"""What a run looks like after its events so far: the only place that interprets the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from odibi import events as ev
from odibi.symbols import SYMBOLS

__all__ = [
    "EMPTY",
    "SYMBOLS",
    "Beat",
    "LogEntry",
    "NodeState",
    "NodeStatus",
    "RunState",
    "RunStatus",
    "Totals",
    "Write",
    "apply",
    "apply_all",
    "as_lost",
    "fold",
]

NodeStatus = Literal[
    "queued",
    "running",
    "retrying",
    "succeeded",
    "failed",
    "skipped",
    "reused",
    "cancelled",
    "lost",
]
RunStatus = Literal["planned", "running", "succeeded", "failed", "cancelled", "lost"]


_LOG_LINES = 200
_DONE = frozenset({"succeeded", "failed", "skipped", "reused", "cancelled", "lost"})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line that the run or a node said."""

    at: datetime
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Write:
    """A write of a node; the counts are None until it is `committed`. `bytes` are those on disk."""

    write_id: str
    path: str
    format: str
    mode: str
    committed: bool = False
    rows: int | None = None
    bytes: int | None = None
    files: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """The latest heartbeat: resident memory in bytes, CPU seconds so far."""

    at: datetime
    rss: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node of the run. What an attempt observed is forgotten when the next begins.

    `started` is the start of the latest attempt, `first_started` that of the first. `seconds` is how
    long the latest attempt took, once it has ended. `fraction` (0–1) and `rows_done` tell how far
    `stage` is. `retry_delay` (seconds) is set while the node waits for its next attempt.
    `cancelled_by` names who asked that this node be stopped; it may have ended before.
    """

    key: str
    plan: ev.PlannedNode
    status: NodeStatus = "queued"
    reason: str = ""
    because: str | None = None
    attempt: int = 0
    first_started: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = None
    stage: str | None = None
    fraction: float | None = None
    rows_done: int | None = None
    retry_delay: float | None = None
    ignored: bool = False
    cancelled_by: str | None = None
    error: ev.ErrorInfo | None = None
    counts: ev.RowsCounted | None = None
    schema_in: tuple[tuple[str, str], ...] | None = None
    schema_out: tuple[tuple[str, str], ...] | None = None
    profile: ev.ProfileObserved | None = None
    stages: tuple[ev.StageFinished, ...] = ()
    sql: tuple[ev.SqlExecuted, ...] = ()
    checks: tuple[ev.CheckEvaluated, ...] = ()
    quarantines: tuple[ev.RowsQuarantined, ...] = ()
    writes: tuple[Write, ...] = ()
    retries: tuple[ev.NodeRetried, ...] = ()
    warnings: tuple[str, ...] = ()
    logs: tuple[LogEntry, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the node has reached its end."""
        return self.status in _DONE

    @property
    def pipeline(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a run's nodes. `rows_written` and `bytes_written` count committed writes."""

    nodes: Mapping[str, int]
    rows_written: int
    bytes_written: int
    quarantined: int
    unreadable: int
    warnings: int
    checks_passed: int
    checks_failed: int


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as its events tell it. `nodes` are in plan order. Times are UTC.

    `last_at` is the time of the latest event; `seconds` is set when the run has finished. `working` is
    how many of its processes are at work: a scheduler may run each node in one of its own, and the
    run goes on while any does.
    """

    run_id: str = ""
    project: str = ""
    engine: str = ""
    status: RunStatus = "planned"
    plan: ev.RunPlanned | None = None
    jobs: int | None = None
    planned: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    last_at: datetime | None = None
    seconds: float | None = None
    exit_code: int | None = None
    cancelled_by: str | None = None
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    heartbeat: Beat | None = None
    peak_rss: int = 0
    writers: tuple[ev.Writer, ...] = ()
    working: int = 0
    warnings: tuple[str, ...] = ()
    logs: tuple[LogEntry, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.status in _DONE

    @property
    def totals(self) -> Totals:
        """Sums over the nodes; computed anew each time."""
        return _totals(self)


EMPTY = RunState()
"""A run of which nothing is known yet."""


def fold(events: Iterable[ev.Event]) -> RunState:
    """The state of a run after all `events`, from nothing."""
    return apply_all(EMPTY, events)


def apply(state: RunState, event: ev.Event) -> RunState:
    """The state after one more event; `state` stays as it is."""
    return apply_all(state, (event,))


def apply_all(state: RunState, events: Iterable[ev.Event]) -> RunState:
    """The state after more events; costs one copy of the node map for the whole batch."""
    nodes = dict(state.nodes)
    at = state.last_at
    for event in events:
        at = datetime.fromisoformat(event.at)
        key: str | None = getattr(event.payload, "node", None)
        if key is not None:
            node = nodes.get(key) or NodeState(key, ev.PlannedNode(key, "run", ""))
            nodes[key] = _on_node(node, event.payload, at)
        elif isinstance(event.payload, ev.RunPlanned):
            state = _planned(replace(state, nodes=nodes), event.payload, at)
            nodes = dict(state.nodes)
        elif isinstance(event.payload, ev.RunFinished):
            state = _finished(replace(state, nodes=nodes), event.payload, at)
        else:
            state = _on_run(state, event.payload, at)
    return replace(state, nodes=nodes, last_at=at)


def as_lost(state: RunState) -> RunState:
    """The run as its process left it when it died: what ran then is lost, what waited never ran.

    Of several processes one may have died and another have done its nodes: then nothing is lost.
    """
    if state.done:
        return state
    if len(state.writers) > 1 and all(node.status in _DONE for node in state.nodes.values()):
        return _ended_together(state, state.last_at)
    nodes = {
        key: replace(node, status="lost", reason="the process ended while this node ran")
        if node.status in ("running", "retrying")
        else node
        for key, node in state.nodes.items()
    }
    return replace(state, status="lost", nodes=nodes)


def _on_run(state: RunState, event: ev.Payload, at: datetime) -> RunState:
    """What an event means for the run itself."""
    match event:
        case ev.WriterOpened():
            return replace(state, writers=(*state.writers, event.writer))
        case ev.RunStarted():
            return replace(
                state,
                status="running",
                jobs=event.jobs,
                started=state.started or at,
                working=state.working + 1,
                finished=None,
                seconds=None,
                exit_code=None,
            )
        case ev.RunCancelRequested():
            return replace(state, cancelled_by=event.by)
        case ev.Heartbeat():
            beat = Beat(at, event.rss, event.cpu_seconds)
            return replace(state, heartbeat=beat, peak_rss=max(state.peak_rss, event.rss))
        case ev.LogLine():
            return replace(state, **_with_log(state, event, at))
    return state


def _finished(state: RunState, event: ev.RunFinished, at: datetime) -> RunState:
    """The run after one of its processes ended: over when no other is at work."""
    state = replace(state, working=max(state.working - 1, 0))
    if state.working:
        return state
    if len(state.writers) > 1:
        return _ended_together(state, at)
    return replace(
        state,
        status=event.outcome,
        exit_code=event.exit_code,
        seconds=event.seconds,
        finished=at,
    )


def _ended_together(state: RunState, at: datetime | None) -> RunState:
    """The run when all of its processes have ended, as its nodes ended last: a failed one may have been
    tried again by another process."""
    nodes = state.nodes.values()
    failed = any(node.status in ("failed", "lost") and not node.ignored for node in nodes)
    cancelled = any(node.status == "cancelled" for node in nodes)
    status: RunStatus = "failed" if failed else "cancelled" if cancelled else "succeeded"
    seconds = (at - state.started).total_seconds() if at and state.started else None
    code = {"succeeded": 0, "failed": 1}.get(status, 130)
    return replace(state, status=status, exit_code=code, seconds=seconds, finished=at)


def _planned(state: RunState, event: ev.RunPlanned, at: datetime) -> RunState:
    """The plan's nodes in order; what other writers told of them before is kept."""
    known = dict(state.nodes)
    planned = {p.key: _as_planned(p, known.pop(p.key, None)) for p in event.nodes}
    if state.plan is not None:  # of another process: the run is all that any of them selected
        chosen = dict.fromkeys((*state.plan.selection, *event.selection))
        event = replace(event, selection=tuple(chosen))
    return replace(
        state,
        run_id=event.run_id,
        project=event.project,
        engine=event.engine,
        plan=event,
        planned=at,
        nodes={**planned, **known},
    )


def _as_planned(planned: ev.PlannedNode, known: NodeState | None) -> NodeState:
    if known is not None and known.plan.action == "run" != planned.action:
        return known  # another process's to run
    if known is not None and known.status not in ("queued", "skipped", "reused"):
        return replace(known, plan=planned)
    statuses: dict[str, NodeStatus] = {"skip": "skipped", "reuse": "reused"}
    status = statuses.get(planned.action, "queued")
    return NodeState(planned.key, planned, status, reason=planned.reason)


def _on_node(node: NodeState, event: ev.Payload, at: datetime) -> NodeState:
    """What an event means for its node: a turn in its life, else a fact about it."""
    match event:
        case ev.NodeStarted():
            return _begun(node, event, at)
        case ev.NodeRetried():
            retries = (*node.retries, event)
            waiting = _ended(node, "retrying", at, error=event.error, retries=retries)
            return replace(waiting, retry_delay=event.delay)
        case ev.NodeSucceeded(seconds=seconds, attempt=attempt):
            return _ended(node, "succeeded", at, seconds=seconds, attempt=attempt, error=None)
        case ev.NodeFailed(seconds=seconds, attempt=attempt):
            failed = _ended(node, "failed", at, seconds=seconds, attempt=attempt, error=event.error)
            return replace(failed, ignored=event.ignored)
        case ev.NodeSkipped():
            return _ended(node, "skipped", at, reason=event.reason, because=event.because)
        case ev.NodeCancelRequested():
            return replace(node, cancelled_by=event.by)
        case ev.NodeCancelled():
            by = node.cancelled_by
            reason = node.reason if by is None else f"cancelled by {by}"
            return _ended(node, "cancelled", at, seconds=event.seconds, reason=reason)
        case ev.LogLine():
            return replace(node, **_with_log(node, event, at))
    return _observed(node, event)


def _observed(node: NodeState, event: ev.Payload) -> NodeState:
    """The node with one more fact about its current attempt."""
    match event:
        case ev.NodeProgress(stage=stage, fraction=fraction, rows_done=rows):
            return replace(node, stage=stage, fraction=fraction, rows_done=rows)
        case ev.StageFinished():
            stages = (*node.stages, event)
            return replace(node, stages=stages, stage=None, fraction=None, rows_done=None)
        case ev.SqlExecuted():
            return replace(node, sql=(*node.sql, event))
        case ev.SchemaObserved(side="in"):
            return replace(node, schema_in=event.columns)
        case ev.SchemaObserved():
            return replace(node, schema_out=event.columns)
        case ev.RowsCounted():
            return replace(node, counts=event)
        case ev.RowsQuarantined():
            return replace(node, quarantines=(*node.quarantines, event))
        case ev.CheckEvaluated():
            return replace(node, checks=(*node.checks, event))
        case ev.ProfileObserved():
            return replace(node, profile=event)
        case ev.WriteIntended() | ev.WriteCommitted():
            return replace(node, writes=_with_write(node.writes, event))
    return node


def _begun(node: NodeState, event: ev.NodeStarted, at: datetime) -> NodeState:
    """A fresh attempt: of the ones before, only what they wrote, said and died of is kept."""
    return NodeState(
        node.key,
        node.plan,
        "running",
        reason=node.plan.reason,
        attempt=event.attempt,
        first_started=node.first_started or at,
        started=at,
        writes=node.writes,
        retries=node.retries,
        warnings=node.warnings,
        logs=node.logs,
    )


def _ended(node: NodeState, status: NodeStatus, at: datetime, **facts: Any) -> NodeState:
    at_rest = {"stage": None, "fraction": None, "rows_done": None, "retry_delay": None}
    return replace(node, **{**at_rest, "status": status, "finished": at, **facts})


def _with_write(
    writes: tuple[Write, ...], event: ev.WriteIntended | ev.WriteCommitted
) -> tuple[Write, ...]:
    """The writes with this one intended or committed; a write id stands for one write for ever."""
    others = tuple(w for w in writes if w.write_id != event.write_id)
    if isinstance(event, ev.WriteIntended):
        return (*others, Write(event.write_id, event.path, event.format, event.mode))
    known = [w for w in writes if w.write_id == event.write_id]
    intended = known[0] if known else Write(event.write_id, event.path, "", "")
    committed = replace(
        intended,
        committed=True,
        rows=event.rows,
        bytes=event.bytes,
        files=event.files,
        version=event.version,
    )
    return (*others, committed)


def _with_log(state: RunState | NodeState, line: ev.LogLine, at: datetime) -> dict[str, Any]:
    """The latest lines, and the first warnings: a flood must not push out what began it."""
    entry = LogEntry(at, line.level, line.message)
    changed: dict[str, Any] = {"logs": (*state.logs[1 - _LOG_LINES :], entry)}
    if line.level == "WARNING" and len(state.warnings) < _LOG_LINES:
        changed["warnings"] = (*state.warnings, line.message)
    return changed


def _totals(state: RunState) -> Totals:
    nodes = state.nodes.values()
    statuses: dict[str, int] = {}
    for node in nodes:
        statuses[node.status] = statuses.get(node.status, 0) + 1
    writes = [write for node in nodes for write in node.writes if write.committed]
    checks = [check.passed for node in nodes for check in node.checks]
    counts = [node.counts for node in nodes if node.counts is not None]
    return Totals(
        nodes=statuses,
        rows_written=sum(write.rows or 0 for write in writes),
        bytes_written=sum(write.bytes or 0 for write in writes),
        quarantined=sum(c.quarantined for c in counts),
        unreadable=sum(c.unreadable for c in counts),
        warnings=len(state.warnings) + sum(len(node.warnings) for node in nodes),
        checks_passed=sum(checks),
        checks_failed=len(checks) - sum(checks),
    )
