"""The index of all runs: an SQLite projection of their logs, for questions across runs.

Nothing is known here that the logs don't say; it can be deleted and rebuilt at any time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from odibi.errors import StateError
from odibi.run_state import NodeState, RunState

__all__ = [
    "DamagedIndexError",
    "History",
    "NodeCell",
    "NodeSummary",
    "RunSummary",
    "schema_hash",
    "summarise",
]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a line. Times are UTC; `status` is that of RunState, or `damaged` with an `error`.

    `stamp` changes with the run's log files. `whole` is false for dry runs, samples and scratch runs,
    which say nothing about the project's tables.
    """

    run_id: str
    stamp: str
    status: str
    project: str = ""
    engine: str = ""
    env: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = None
    exit_code: int | None = None
    nodes: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    reused: int = 0
    rows_written: int = 0
    bytes_written: int = 0
    quarantined: int = 0
    unreadable: int = 0
    warnings: int = 0
    checks_failed: int = 0
    dry_run: bool = False
    sample: int | None = None
    scratch: bool = False
    whole: bool = True
    resume_of: str | None = None
    config_hash: str | None = None
    git_sha: str | None = None
    selection: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """One node of one run in a line. `action` is the plan's; `schema` are (name, type) pairs.

    `began` and `whole` are the run's, repeated here so that one table answers for a node.
    """

    run_id: str
    node: str
    position: int
    action: str
    status: str
    began: datetime | None = None
    whole: bool = True
    layer: str | None = None
    attempt: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = None
    rows_read: int | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    unreadable: int = 0
    quarantined: int = 0
    filtered: int = 0
    deduplicated: int = 0
    bytes: int | None = None
    schema: tuple[tuple[str, str], ...] | None = None
    schema_hash: str | None = None
    fingerprint: str | None = None
    checks_passed: int = 0
    checks_failed: int = 0
    warnings: int = 0
    outputs: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NodeCell:
    """One node in one run, as little as a table of nodes × runs needs. `began` is the run's."""

    run_id: str
    node: str
    action: str
    status: str
    whole: bool
    began: datetime | None
    seconds: float | None
    rows_out: int | None
    quarantined: int
    checks_failed: int
    warnings: int
    schema_hash: str | None
    error: str | None
    unreadable: int = 0


def summarise(run_id: str, stamp: str, state: RunState) -> tuple[RunSummary, list[NodeSummary]]:
    """What the index keeps of a run."""
    plan, totals = state.plan, state.totals
    count = totals.nodes.get
    run = RunSummary(
        run_id=run_id,
        stamp=stamp,
        status=state.status,
        project=state.project,
        engine=state.engine,
        env=plan.env if plan else None,
        started=state.started or state.planned or state.last_at,
        finished=state.finished,
        seconds=state.seconds,
        exit_code=state.exit_code,
        nodes=len(state.nodes),
        succeeded=count("succeeded", 0),
        failed=count("failed", 0) + count("lost", 0),
        skipped=count("skipped", 0),
        reused=count("reused", 0),
        rows_written=totals.rows_written,
        bytes_written=totals.bytes_written,
        quarantined=totals.quarantined,
        unreadable=totals.unreadable,
        warnings=totals.warnings,
        checks_failed=totals.checks_failed,
        dry_run=bool(plan and plan.dry_run),
        sample=plan.sample if plan else None,
        scratch=bool(plan and plan.scratch),
        whole=not (plan and (plan.dry_run or plan.sample or plan.scratch)),
        resume_of=plan.resume_of if plan else None,
        config_hash=plan.config_hash if plan else None,
        git_sha=plan.git_sha if plan else None,
        selection=plan.selection if plan else (),
        command=plan.command if plan else (),
    )
    nodes = [_summary(run, n, node) for n, node in enumerate(state.nodes.values())]
    return run, nodes


def _summary(run: RunSummary, position: int, node: NodeState) -> NodeSummary:
    counts, written = node.counts, [w for w in node.writes if w.committed]
    passed = sum(check.passed for check in node.checks)
    return NodeSummary(
        run_id=run.run_id,
        node=node.key,
        position=position,
        action=node.plan.action,
        status=node.status,
        began=run.started,
        whole=run.whole,
        layer=node.plan.layer,
        attempt=node.attempt,
        started=node.first_started,
        finished=node.finished,
        seconds=node.seconds,
        rows_read=counts.read if counts else None,
        rows_in=counts.rows_in if counts else None,
        rows_out=counts.rows_out if counts else None,
        unreadable=counts.unreadable if counts else 0,
        quarantined=counts.quarantined if counts else 0,
        filtered=counts.filtered if counts else 0,
        deduplicated=counts.deduplicated if counts else 0,
        bytes=sum(w.bytes or 0 for w in written) if written else None,
        schema=node.schema_out,
        schema_hash=schema_hash(node.schema_out),
        fingerprint=node.plan.fingerprint,
        checks_passed=passed,
        checks_failed=len(node.checks) - passed,
        warnings=len(node.warnings),
        outputs=node.plan.outputs or tuple(w.path for w in written),
        error=node.error.message if node.error and node.status == "failed" else None,
    )


def schema_hash(columns: Sequence[tuple[str, str]] | None) -> str | None:
    """Twelve hexadecimal digits that change when a column's name, type or place does."""
    if columns is None:
        return None
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:12]


class DamagedIndexError(StateError):
    """The index file isn't a readable database any more; it can be rebuilt."""


_LAYOUT = 5  # change it with the columns: an index of another layout is rebuilt
_JSON_FIELDS = frozenset({"schema", "selection", "command", "outputs"})
_TIME_FIELDS = frozenset({"started", "finished", "began"})
_FLAG_FIELDS = frozenset({"dry_run", "scratch", "whole"})
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_Record = TypeVar("_Record", RunSummary, NodeSummary, NodeCell)


def _columns(record: type[Any]) -> list[str]:
    return [f.name for f in fields(record)]


def _ddl(table: str, record: type[Any], key: str) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(_columns(record))}, PRIMARY KEY ({key}))"
    )


def _insert(table: str, record: type[Any]) -> str:
    names = _columns(record)
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' for _ in names)})"


_CELL = ", ".join(_columns(NodeCell))
_INSERT_RUN = _insert("runs", RunSummary)
_INSERT_NODE = _insert("nodes", NodeSummary)
# Runs in the order in which they began; ids that a scheduler chose needn't sort by time.
_NEWEST_FIRST = "ORDER BY started DESC, run_id DESC"
_NEWEST_NODE = "ORDER BY began DESC, run_id DESC"
_SUCCESSES = "WHERE node = ? AND whole AND status = 'succeeded'"


class History:
    """The index in a file (or in memory: `None`). Safe to use from any thread.

    Raises DamagedIndexError when the file must be rebuilt, StateError when it can't be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        with self._speaking():
            self._db = sqlite3.connect(
                path or ":memory:", timeout=10.0, isolation_level=None, check_same_thread=False
            )
            self.fresh = self._prepare()

    def _prepare(self) -> bool:
        """Make the tables; returns whether the index is empty and must be filled."""
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        layout = self._db.execute("PRAGMA user_version").fetchone()[0]
        if layout == _LAYOUT:
            return False
        with self._transaction():
            self._db.execute("DROP TABLE IF EXISTS runs")
            self._db.execute("DROP TABLE IF EXISTS nodes")
            self._db.execute(_ddl("runs", RunSummary, "run_id"))
            self._db.execute(_ddl("nodes", NodeSummary, "run_id, node"))
            self._db.execute("CREATE INDEX nodes_by_name ON nodes (node, began, run_id)")
            self._db.execute("CREATE INDEX runs_by_time ON runs (started, run_id)")
            self._db.execute(f"PRAGMA user_version={_LAYOUT}")
        return True

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def stamps(self) -> dict[str, tuple[str, str]]:
        """Of every run its stamp and status."""
        rows = self._ask("SELECT run_id, stamp, status FROM runs")
        return {run_id: (stamp, status) for run_id, stamp, status in rows}

    def replace(
        self, runs: Iterable[tuple[RunSummary, Sequence[NodeSummary]]], gone: Iterable[str] = ()
    ) -> None:
        """Put runs in place of what was known of them, and forget the runs `gone`; all or nothing."""
        runs = list(runs)
        forget = [(run.run_id,) for run, _ in runs] + [(run_id,) for run_id in gone]
        if not forget:
            return
        with self._lock, self._speaking(), self._transaction():
            self._db.executemany("DELETE FROM nodes WHERE run_id = ?", forget)
            self._db.executemany("DELETE FROM runs WHERE run_id = ?", forget)
            self._db.executemany(_INSERT_RUN, [_row(run) for run, _ in runs])
            rows = [_row(node) for _, nodes in runs for node in nodes]
            self._db.executemany(_INSERT_NODE, rows)

    def runs(self, limit: int | None = None) -> list[RunSummary]:
        """Runs, newest first."""
        sql = f"SELECT * FROM runs {_NEWEST_FIRST} LIMIT ?"
        return [_record(RunSummary, row) for row in self._ask(sql, -1 if limit is None else limit)]

    def run(self, run_id: str) -> RunSummary | None:
        """One run, or None."""
        rows = self._ask("SELECT * FROM runs WHERE run_id = ?", run_id)
        return _record(RunSummary, rows[0]) if rows else None

    def nodes(self, run_id: str) -> list[NodeSummary]:
        """A run's nodes in plan order."""
        sql = "SELECT * FROM nodes WHERE run_id = ? ORDER BY position"
        return [_record(NodeSummary, row) for row in self._ask(sql, run_id)]

    def names(self) -> list[str]:
        """Every node that any run knew, sorted."""
        sql = """WITH RECURSIVE known (node) AS (
            SELECT min(node) FROM nodes UNION ALL
            SELECT (SELECT min(node) FROM nodes WHERE nodes.node > known.node) FROM known
            WHERE node IS NOT NULL)
            SELECT node FROM known WHERE node IS NOT NULL"""  # hops over the index, not all rows
        return [name for (name,) in self._ask(sql)]

    def of_node(
        self, node: str, *, before: datetime | None = None, limit: int = 50
    ) -> list[NodeSummary]:
        """A node's successes in whole runs, newest first; of runs that began before a time when given."""
        until = "9999" if before is None else _time_text(before)
        sql = f"SELECT * FROM nodes {_SUCCESSES} AND began < ? {_NEWEST_NODE} LIMIT ?"
        return [_record(NodeSummary, row) for row in self._ask(sql, node, until, limit)]

    def latest(self, *, succeeded: bool = False) -> list[NodeSummary]:
        """Of every node its latest appearance in a whole run that was to run it, or its latest success."""
        wanted = _SUCCESSES if succeeded else "WHERE node = ? AND whole AND action = 'run'"
        sql = f"SELECT * FROM nodes {wanted} {_NEWEST_NODE} LIMIT 1"
        rows = (row for name in self.names() for row in self._ask(sql, name))
        return [_record(NodeSummary, row) for row in rows]

    def cells(self, runs: int) -> list[NodeCell]:
        """All nodes of the latest `runs` runs, newest run first, each run's in plan order."""
        sql = f"""SELECT {_CELL} FROM nodes WHERE run_id IN
            (SELECT run_id FROM runs {_NEWEST_FIRST} LIMIT ?) {_NEWEST_NODE}, position"""
        return [_record(NodeCell, row) for row in self._ask(sql, runs)]

    def durations(self, node: str, limit: int = 5) -> tuple[float, ...]:
        """Seconds of a node's latest successes, newest first."""
        sql = f"SELECT seconds FROM nodes {_SUCCESSES} {_NEWEST_NODE} LIMIT ?"
        return tuple(seconds for (seconds,) in self._ask(sql, node, limit) if seconds is not None)

    def row_counts(self, node: str, limit: int) -> list[tuple[datetime, int]]:
        """When a node's latest successes ended and with how many rows, newest first."""
        sql = f"""SELECT finished, rows_out FROM nodes {_SUCCESSES}
            AND rows_out IS NOT NULL AND finished IS NOT NULL {_NEWEST_NODE} LIMIT ?"""
        rows = self._ask(sql, node, limit)
        return [(datetime.fromisoformat(finished), count) for finished, count in rows]

    def dump(self) -> list[tuple[Any, ...]]:
        """Everything in the index, in a fixed order."""
        runs = self._ask("SELECT * FROM runs ORDER BY run_id")
        return runs + self._ask("SELECT * FROM nodes ORDER BY run_id, position")

    def _ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, self._speaking():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)
            damaged = code is not None and code & 0xFF in _DAMAGED
            kind = DamagedIndexError if damaged else StateError
            raise kind(f"the history index {self._path} can't be used: {error}") from error


def _row(record: RunSummary | NodeSummary) -> tuple[Any, ...]:
    return tuple(_to_sql(name, getattr(record, name)) for name in _columns(type(record)))


def _to_sql(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON_FIELDS:
        return json.dumps(value, ensure_ascii=True)
    return _time_text(value) if name in _TIME_FIELDS else value


def _record(kind: type[_Record], row: Sequence[Any]) -> _Record:
    return kind(*map(_from_sql, _columns(kind), row))


def _from_sql(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIME_FIELDS:
        return datetime.fromisoformat(value)
    if name in _FLAG_FIELDS:
        return bool(value)
    return _tuples(json.loads(value)) if name in _JSON_FIELDS else value


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _time_text(at: datetime) -> str:
    """Text that sorts as the times do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
