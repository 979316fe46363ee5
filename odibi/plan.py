"""What a run will do: which nodes run, in what order, and why the others don't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["LastState", "NodeLast"]


@dataclass(frozen=True, slots=True)
class NodeLast:
    """What earlier whole runs say about a node; dry runs and samples don't count.

    `outcome` is the status of the latest run in which it was to run (RunState's words), `run_id` that
    run. `success_run`, `finished_at` (UTC) and `fingerprint` belong to its latest success, None
    without one. `seconds` are the durations of its latest successes, newest first.
    """

    outcome: str
    run_id: str
    success_run: str | None = None
    finished_at: datetime | None = None
    fingerprint: str | None = None
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LastState:
    """What the ledger says about all nodes, by key, and about the run that a resume goes on with.

    `resumes` holds the id of the run that can be resumed, then of the run which that one resumed, and
    so on; empty when there is nothing to resume. `planned` are the keys of the nodes that the first of
    them was to run (empty: unknown).
    """

    nodes: Mapping[str, NodeLast] = field(default_factory=dict)
    resumes: tuple[str, ...] = ()
    planned: frozenset[str] = frozenset()
