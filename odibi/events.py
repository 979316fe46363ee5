"""What can happen in a run: small frozen records, and their form as JSON lines.

A run is the list of these events. Values are redacted before they get here. Field values are plain
(numbers, text, tuples, maps), so that an event survives `decode(encode(event)) == event`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, ClassVar, Literal

__all__ = [
    "AS_EXECUTED",
    "EVENT_VERSION",
    "CheckEvaluated",
    "ErrorInfo",
    "Event",
    "Heartbeat",
    "LogLine",
    "NodeCancelRequested",
    "NodeCancelled",
    "NodeFailed",
    "NodeProgress",
    "NodeRetried",
    "NodeSkipped",
    "NodeStarted",
    "NodeSucceeded",
    "Payload",
    "PlannedNode",
    "ProfileObserved",
    "RowsCounted",
    "RowsQuarantined",
    "RunCancelRequested",
    "RunFinished",
    "RunPlanned",
    "RunStarted",
    "SchemaObserved",
    "SqlExecuted",
    "StageFinished",
    "Writer",
    "WriterOpened",
    "WriteCommitted",
    "WriteIntended",
    "decode",
    "encode",
]

EVENT_VERSION = 1
AS_EXECUTED = "as executed"
"""The step of a SqlExecuted that holds a whole statement as the engine ran it."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that writes a log file. `started` is its start time in clock ticks since boot."""

    host: str
    pid: int
    started: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """One node of the plan: `action` run, skip or reuse, and the reason in words.

    `key` is `pipeline.node`. `upstream` are keys of nodes in this plan or outside it.
    `expected_seconds` comes from history. `outputs` are display paths of what it writes.
    """

    key: str
    action: Literal["run", "skip", "reuse"]
    reason: str
    layer: str | None = None
    tags: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    fingerprint: str | None = None
    expected_seconds: float | None = None
    outputs: tuple[str, ...] = ()
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a node failed, for people: message, hint, place in the YAML, and the SQL that failed."""

    kind: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    sql: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """Base of what an event says; `TYPE` is its name in the log."""

    TYPE: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class WriterOpened(Payload):
    """First line of every log file: who writes it."""

    TYPE: ClassVar[str] = "writer_opened"
    writer: Writer
    version: str


@dataclass(frozen=True, slots=True)
class RunPlanned(Payload):
    """The whole plan, before anything runs.

    `scratch` when all rows are read and every write goes to the run's scratch folder; a `sample` (rows
    per source) goes there as well. `variables` are those of the command line, which a resume takes over.
    """

    TYPE: ClassVar[str] = "run_planned"
    run_id: str
    project: str
    engine: str
    nodes: tuple[PlannedNode, ...]
    root: str = ""
    command: tuple[str, ...] = ()
    env: str | None = None
    selection: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    dry_run: bool = False
    sample: int | None = None
    scratch: bool = False
    resume_of: str | None = None
    config_hash: str | None = None
    git_sha: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStarted(Payload):
    TYPE: ClassVar[str] = "run_started"
    jobs: int


@dataclass(frozen=True, slots=True)
class NodeStarted(Payload):
    TYPE: ClassVar[str] = "node_started"
    node: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class NodeProgress(Payload):
    """How far the node is: `fraction` 0–1 of the statement running in `stage`, or rows done."""

    TYPE: ClassVar[str] = "node_progress"
    node: str
    stage: str
    fraction: float | None = None
    rows_done: int | None = None


@dataclass(frozen=True, slots=True)
class StageFinished(Payload):
    """One stage of a node took `seconds`; `rows` when they are known after it."""

    TYPE: ClassVar[str] = "stage_finished"
    node: str
    stage: str
    seconds: float
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class SqlExecuted(Payload):
    """The SQL of one step as the project says it, or (step AS_EXECUTED) a statement as the engine ran it."""

    TYPE: ClassVar[str] = "sql_executed"
    node: str
    step: str
    sql: str


@dataclass(frozen=True, slots=True)
class SchemaObserved(Payload):
    """Columns as (name, type) pairs, on the way `in` or `out` of the node."""

    TYPE: ClassVar[str] = "schema_observed"
    node: str
    side: Literal["in", "out"]
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RowsCounted(Payload):
    """The node's rows ledger; None is unknown, never zero.

    read = rows_in + unreadable (text sources); rows_in = rows_out + quarantined + filtered +
    deduplicated unless `changes_cardinality`.
    """

    TYPE: ClassVar[str] = "rows_counted"
    node: str
    read: int | None = None
    unreadable: int = 0
    rows_in: int | None = None
    rows_out: int | None = None
    quarantined: int = 0
    filtered: int = 0
    deduplicated: int = 0
    changes_cardinality: bool = False


@dataclass(frozen=True, slots=True)
class RowsQuarantined(Payload):
    """Rows put aside at `path`, by reason; `kind`: unreadable (input lines) or validation."""

    TYPE: ClassVar[str] = "rows_quarantined"
    node: str
    kind: Literal["unreadable", "validation"]
    rows: int
    path: str
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckEvaluated(Payload):
    """A test, contract or gate was evaluated. `failed_rows` of `total_rows` rows broke it."""

    TYPE: ClassVar[str] = "check_evaluated"
    node: str
    check: str
    kind: str
    phase: Literal["contract", "test", "gate"]
    on_fail: str
    passed: bool
    message: str = ""
    failed_rows: int | None = None
    total_rows: int | None = None
    sample_columns: tuple[str, ...] = ()
    sample: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileObserved(Payload):
    """Profile of the node's result. `columns` are maps with the fields of engine.ColumnProfile."""

    TYPE: ClassVar[str] = "profile_observed"
    node: str
    columns: tuple[Mapping[str, Any], ...]
    sample_columns: tuple[str, ...]
    sample: tuple[tuple[Any, ...], ...]
    sampled: int
    full: bool = False


@dataclass(frozen=True, slots=True)
class WriteIntended(Payload):
    """A write is about to become visible at `path`; recovery asks the target for `write_id`."""

    TYPE: ClassVar[str] = "write_intended"
    node: str
    write_id: str
    path: str
    format: str
    mode: str


@dataclass(frozen=True, slots=True)
class WriteCommitted(Payload):
    TYPE: ClassVar[str] = "write_committed"
    node: str
    write_id: str
    path: str
    rows: int
    bytes: int
    files: int = 1
    version: int | None = None


@dataclass(frozen=True, slots=True)
class NodeRetried(Payload):
    """Attempt `attempt` failed; the next starts after `delay` seconds."""

    TYPE: ClassVar[str] = "node_retried"
    node: str
    attempt: int
    delay: float
    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class NodeSucceeded(Payload):
    TYPE: ClassVar[str] = "node_succeeded"
    node: str
    seconds: float
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class NodeFailed(Payload):
    """`ignored` when on_error says that dependents go on all the same."""

    TYPE: ClassVar[str] = "node_failed"
    node: str
    seconds: float
    error: ErrorInfo
    attempt: int = 1
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class NodeSkipped(Payload):
    """Not run although planned; `because` is the key of the node that failed, where one did."""

    TYPE: ClassVar[str] = "node_skipped"
    node: str
    reason: str
    because: str | None = None


@dataclass(frozen=True, slots=True)
class NodeCancelRequested(Payload):
    """Somebody asked that this node be stopped and the rest of the run go on."""

    TYPE: ClassVar[str] = "node_cancel_requested"
    node: str
    by: str


@dataclass(frozen=True, slots=True)
class NodeCancelled(Payload):
    TYPE: ClassVar[str] = "node_cancelled"
    node: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LogLine(Payload):
    """A line for people; `level` DEBUG, INFO, WARNING or ERROR; `node` None for the run itself."""

    TYPE: ClassVar[str] = "log_line"
    level: str
    message: str
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat(Payload):
    """The run lives: resident memory in bytes, CPU seconds of the process so far."""

    TYPE: ClassVar[str] = "heartbeat"
    rss: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class RunCancelRequested(Payload):
    TYPE: ClassVar[str] = "run_cancel_requested"
    by: str


@dataclass(frozen=True, slots=True)
class RunFinished(Payload):
    """Exactly one per run and the last word on it."""

    TYPE: ClassVar[str] = "run_finished"
    outcome: Literal["succeeded", "failed", "cancelled"]
    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log: the payload, its number within its writer's file, and when.

    `at` is UTC as ISO 8601 with microseconds and Z; `mono` is monotonic seconds of the writer,
    good for durations only.
    """

    seq: int
    at: str
    mono: float
    payload: Payload


def _payload_types(base: type[Payload]) -> dict[str, type[Payload]]:
    return {sub.TYPE: sub for sub in base.__subclasses__()}


_TYPES = _payload_types(Payload)
_FIELDS = {kind: fields(cls) for kind, cls in _TYPES.items()}
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SCALARS = (str, int, float, NoneType)  # bool is an int


def _plain(value: Any) -> Any:
    """JSON form of a field: nested records become maps, tuples lists."""
    if isinstance(value, _SCALARS):  # nearly all fields; this is the hot path of the log
        return value
    if isinstance(value, PlannedNode | ErrorInfo | Writer):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return value


def encode(event: Event) -> str:
    """The event as one line of JSON, without the newline."""
    payload = event.payload
    data = {f.name: _plain(getattr(payload, f.name)) for f in _FIELDS[payload.TYPE]}
    head = {
        "v": EVENT_VERSION,
        "seq": event.seq,
        "at": event.at,
        "mono": round(event.mono, 6),
        "type": payload.TYPE,
        "data": data,
    }
    return _JSON(head)


def _tuples(value: Any) -> Any:
    """JSON lists back to tuples, recursively, so that decoded events equal the encoded ones."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return value


def _record(cls: type[Any], data: Mapping[str, Any]) -> Any:
    known = {f.name for f in fields(cls)}
    return cls(**{k: v for k, v in data.items() if k in known})


def decode(line: str) -> Event | None:
    """The event on a line; None for an event type that this version doesn't know.

    Fields added by later versions are ignored. Raises ValueError when the line isn't an event.
    """
    raw = json.loads(line)
    if not isinstance(raw, dict) or "type" not in raw or "seq" not in raw:
        raise ValueError("not an event")
    cls = _TYPES.get(raw["type"])
    if cls is None:
        return None
    data = _tuples(raw["data"])
    if cls is RunPlanned:
        data["nodes"] = tuple(_record(PlannedNode, node) for node in data["nodes"])
    if "error" in data:
        data["error"] = _record(ErrorInfo, data["error"])
    if cls is WriterOpened:
        data["writer"] = _record(Writer, data["writer"])
    return Event(raw["seq"], raw["at"], raw["mono"], _record(cls, data))
