"""Runs side by side: which of them fit, and one cell for each node in each run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median, quantiles

from odibi.history import NodeCell, RunSummary, schema_hash
from odibi.run_state import NodeState
from odibi_tui.paint import Line, Span, amount, clip, duration, percent
from odibi_tui.theme import style_of_status

__all__ = [
    "MODES",
    "Fact",
    "Facts",
    "Grid",
    "bars",
    "drift",
    "fact_of_cell",
    "fact_of_node",
    "facts_of",
    "grid_of",
    "heat",
    "known_before",
    "merged",
    "note",
    "of_pipelines",
    "past_of_pipelines",
    "worst",
]

MODES = ("state", "rows", "time", "drift")
"""What a cell of the matrix tells."""

_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.,-=+*#"
_LIVE = ("planned", "running")
_ORDER = (
    "failed",
    "lost",
    "damaged",
    "cancelled",
    "running",
    "retrying",
    "warning",
    "queued",
    "planned",
    "succeeded",
    "reused",
    "skipped",
)
_RANK = {status: rank for rank, status in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Fact:
    """A node in a run: `status` as it is shown (`warning` too), seconds, rows, hash of its schema."""

    status: str
    seconds: float | None = None
    rows: int | None = None
    schema: str | None = None


def fact_of_cell(cell: NodeCell) -> Fact:
    """From the index of runs."""
    return Fact(_status_of_cell(cell), cell.seconds, cell.rows_out, cell.schema_hash)


def fact_of_node(node: NodeState) -> Fact:
    """From a run that is being followed."""
    rows = node.counts.rows_out if node.counts else None
    return Fact(_status_of_node(node), node.seconds, rows, schema_hash(node.schema_out))


def _status_of_cell(cell: NodeCell) -> str:
    look = cell.checks_failed or cell.warnings or cell.quarantined or cell.unreadable
    return "warning" if cell.status == "succeeded" and look else cell.status


def _status_of_node(node: NodeState) -> str:
    if node.status != "succeeded":
        return node.status
    failed = any(not check.passed for check in node.checks)
    return "warning" if failed or node.warnings or node.quarantines else node.status


# Which runs ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grid:
    """Runs as columns, the oldest first, `pitch` cells each, after a label of `label` cells.

    `start` says how many newer runs there are, out of sight at the right.
    """

    runs: tuple[RunSummary, ...]
    start: int
    pitch: int
    label: int

    def column(self, run_id: str | None) -> int | None:
        """The cell where a run's column begins."""
        places = (i for i, run in enumerate(self.runs) if run.run_id == run_id)
        place = next(places, None)
        return None if place is None else self.label + place * self.pitch

    def run_at(self, cell: int) -> RunSummary | None:
        """The run whose column a cell belongs to."""
        place = (cell - self.label) // self.pitch
        return self.runs[place] if 0 <= place < len(self.runs) else None


def grid_of(
    runs: Sequence[RunSummary], cursor: str | None, cells: int, label: int, start: int = 0
) -> Grid:
    """As many of the runs (newest first) as fit: from `start` on, moved just so far that `cursor` shows."""
    room = max(cells - label, 1)
    pitch = 2 if len(runs) * 2 <= room else 1
    fit = max(room // pitch, 1)
    at = next((i for i, run in enumerate(runs) if run.run_id == cursor), 0)
    start = min(max(start, at - fit + 1, 0), at, max(len(runs) - 1, 0))
    start = min(start, max(len(runs) - fit, 0))
    return Grid(tuple(reversed(runs[start : start + fit])), start, pitch, label)


# All runs in a line ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the runs that ended: how many, the share that succeeded, seconds of those, the latest of both.

    Samples, dry runs and scratch runs count for nothing but `runs`.
    """

    runs: int
    green: float | None
    p50: float | None
    p95: float | None
    good: datetime | None
    bad: datetime | None


def facts_of(runs: Sequence[RunSummary]) -> Facts:
    """Facts about runs, newest first."""
    ended = [run for run in runs if run.whole and run.status not in _LIVE]
    good = [run for run in ended if run.status == "succeeded"]
    took = [run.seconds for run in good if run.seconds is not None]
    return Facts(
        len(runs),
        len(good) / len(ended) if ended else None,
        median(took) if took else None,
        quantiles(took, n=20, method="inclusive")[-1] if len(took) > 1 else None,
        next((run.started for run in good), None),
        next((run.started for run in ended if run.status in ("failed", "lost", "damaged")), None),
    )


def bars(seconds: Sequence[float | None], height: int, ascii_only: bool = False) -> list[str]:
    """Columns of up to `height` cells, the topmost row first; four medians or more are full.

    Every known duration shows, as the lowest step at least; unknown ones are empty.
    """
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    known = [value for value in seconds if value is not None]
    top = min(max(known, default=0.0), 4 * median(known) if known else 0.0) or 1.0
    steps = [
        0 if value is None else max(math.ceil(min(value / top, 1.0) * height * 8 - 1e-9), 1)
        for value in seconds
    ]
    rows = []
    for row in range(height - 1, -1, -1):
        parts = (min(max(step - row * 8, 0), 8) for step in steps)
        rows.append("".join(levels[part - 1] if part else " " for part in parts))
    return rows


def worst(statuses: Iterable[str]) -> str | None:
    """The status that says most about several nodes; None without any."""
    return min(statuses, key=lambda status: _RANK.get(status, len(_RANK)), default=None)


def of_pipelines(nodes: Iterable[NodeState]) -> dict[str, str]:
    """For each pipeline of a run that is followed the worst status among its nodes."""
    return _worst_by((node.pipeline, _status_of_node(node)) for node in nodes)


def past_of_pipelines(cells: Iterable[NodeCell]) -> dict[str, dict[str, str]]:
    """The same for each run of the index, by its id."""
    runs: dict[str, list[tuple[str, str]]] = {}
    for cell in cells:
        told = cell.node.rpartition(".")[0], _status_of_cell(cell)
        runs.setdefault(cell.run_id, []).append(told)
    return {run_id: _worst_by(told) for run_id, told in runs.items()}


def _worst_by(told: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for pipeline, status in told:
        found.setdefault(pipeline, set()).add(status)
    return {pipeline: worst(statuses) or "" for pipeline, statuses in found.items()}


# Cells -----------------------------------------------------------------------------------------------


def known_before(facts: Sequence[Fact | None]) -> list[Fact | None]:
    """For each run (oldest first) the node's latest success before it."""
    before: list[Fact | None] = []
    latest: Fact | None = None
    for fact in facts:
        before.append(latest)
        if fact is not None and fact.status in ("succeeded", "warning"):
            latest = fact
    return before


def heat(
    mode: str,
    facts: Sequence[Fact | None],
    signs: Mapping[str, str],
) -> list[Span]:
    """One cell for each run (oldest first) of a node, with its style."""
    if mode == "state":
        return [_state(fact, signs) for fact in facts]
    usual = _usual(facts)
    ascii_only = signs["succeeded"] == "+"
    spans = []
    for fact, before in zip(facts, known_before(facts), strict=True):
        if fact is None or fact.status not in ("succeeded", "warning"):
            spans.append(_state(fact, signs))
        elif mode == "rows":
            spans.append(_rows(fact, before, ascii_only))
        elif mode == "time":
            spans.append(_time(fact, usual, ascii_only))
        else:
            spans.append(drift(fact, before, ascii_only))
    return spans


def _state(fact: Fact | None, signs: Mapping[str, str]) -> Span:
    if fact is None:
        return " ", "text"
    return signs.get(fact.status, "?"), style_of_status(fact.status)


def _rows(fact: Fact, before: Fact | None, ascii_only: bool) -> Span:
    """`=` the same, `+` first seen, arrows for more and fewer; strong from a fifth on."""
    if fact.rows is None:
        return "·" if not ascii_only else ".", "dim"
    if before is None or before.rows is None:
        return "+", "dim"
    if fact.rows == before.rows:
        return "=", "dim"
    change = abs(fact.rows - before.rows) / before.rows if before.rows else 1.0
    style = "failed" if not fact.rows else "warning" if change >= 0.2 else "text"
    up = fact.rows > before.rows
    if ascii_only:
        return (">" if up else "<"), style
    small = change < 0.2
    return ("▴" if small else "▲") if up else ("▾" if small else "▼"), style


def _usual(facts: Sequence[Fact | None]) -> float | None:
    took = [f.seconds for f in facts if f and f.seconds is not None and f.status != "failed"]
    return median(took) if took else None


def _time(fact: Fact, usual: float | None, ascii_only: bool) -> Span:
    """`▄` as usual, two steps higher for twice as long; a warning from there on."""
    if fact.seconds is None or not usual:
        return "·" if not ascii_only else ".", "dim"
    ratio = fact.seconds / usual
    step = min(max(round(3 + 2 * math.log2(ratio)), 0), 7) if ratio > 0 else 0
    style = "warning" if ratio >= 2 else "ok" if ratio <= 0.5 else "dim"
    return (_ASCII_LEVELS if ascii_only else _LEVELS)[step], style


def drift(fact: Fact, before: Fact | None, ascii_only: bool = False) -> Span:
    """`Δ` another schema than before, `+` the first one known."""
    if fact.schema is None:
        return ("." if ascii_only else "·"), "dim"
    if before is None or before.schema is None:
        return "+", "dim"
    if fact.schema != before.schema:
        return ("^" if ascii_only else "Δ"), "warning"
    return "=", "dim"


def note(mode: str, facts: Sequence[Fact | None]) -> str:
    """What a node's row ends with: its usual time, its rows, or how often its schema changed."""
    good = [fact for fact in facts if fact and fact.status in ("succeeded", "warning")]
    if mode == "drift":
        changes = sum(
            old.schema != new.schema for old, new in pairwise(good) if old.schema and new.schema
        )
        return f"{changes}x" if changes else ""
    if mode == "rows":
        rows = [fact.rows for fact in good if fact.rows is not None]
        change = percent(rows[-2], rows[-1]) if len(rows) > 1 else ""
        return f"{amount(rows[-1])} {change}" if rows else ""
    usual = _usual(facts)
    return f"usual {duration(usual)}" if usual is not None else ""


def merged(spans: Iterable[Span], pitch: int, cells: int) -> Line:
    """Cells of one sign each as a line: `pitch` apart, equal styles together."""
    found: list[Span] = []
    for text, style in spans:
        piece = text + " " * (pitch - 1)
        if found and found[-1][1] == style:
            found[-1] = (found[-1][0] + piece, style)
        else:
            found.append((piece, style))
    return clip(tuple(found), cells)
