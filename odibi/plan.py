"""What a run will do: which nodes run, in what order, and why the others don't."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Literal

from odibi import places, sources
from odibi.errors import UsageError
from odibi.events import PlannedNode
from odibi.fingerprint import fingerprints

if TYPE_CHECKING:
    from odibi.config import Loaded
    from odibi.graph import Edge, Graph, Node

__all__ = ["LastState", "Mode", "NodeLast", "Plan", "PlannedWrite", "make", "writes_of"]

Mode = Literal["run", "resume", "dry-run"]
Action = Literal["run", "skip", "reuse"]

_RECENT = 5  # successes behind an expected duration
_NAMED_PROBLEMS = 8


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
    so on; empty when there is nothing to resume. `planned` are the keys of the nodes that any of them
    was to run (empty: unknown).
    """

    nodes: Mapping[str, NodeLast] = field(default_factory=dict)
    resumes: tuple[str, ...] = ()
    planned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    `steps` are the nodes that it runs, skips or whose stored results it reads, in an order in which
    each comes after all that it needs. `waves` are the keys of those that run, grouped such that each
    wave needs only earlier ones. `left_out` counts the nodes that have no part in the run. Seconds are
    medians of recent runs: `total_seconds` of one node after the other, `critical_seconds` along
    `critical_path`, below which no number of workers gets; None while no node has a history.
    """

    steps: tuple[PlannedNode, ...]
    waves: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    critical_seconds: float | None
    total_seconds: float | None
    left_out: int = 0

    @property
    def order(self) -> tuple[str, ...]:
        """Keys of all steps in order."""
        return tuple(step.key for step in self.steps)

    @property
    def runs(self) -> tuple[str, ...]:
        """Keys of the nodes that run, in order."""
        return tuple(step.key for step in self.steps if step.action == "run")


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A table that a node will write. `path` is as the project shows it."""

    path: str
    format: str
    mode: str


def writes_of(graph: Graph, key: str) -> tuple[PlannedWrite, ...]:
    """What a run of the node writes to its connections; rejected rows, which may not come, left out."""
    node = graph.nodes[key]
    write, place = node.config.write, places.output_of(graph.loaded, node)
    if write is None or place is None:
        return ()
    return (PlannedWrite(places.display(graph.loaded, place), write.format, write.mode),)


def make(
    graph: Graph,
    selected: Collection[str],
    *,
    last: LastState | None = None,
    loaded: Loaded,
    engine: str,
    mode: Mode = "run",
) -> Plan:
    """The plan that carries out the selected nodes.

    Results that were never stored are computed again for those that need them. Raises UsageError when a
    node needs a stored result that isn't there and whose node isn't selected.
    """
    prints = fingerprints(graph, engine)
    decisions = _Planner(graph, loaded, last or LastState(), mode, prints).decide(set(selected))
    steps = tuple(
        _step(graph, key, decisions[key], prints, last) for key in graph.order() if key in decisions
    )
    left_out = len(graph.nodes) - len(steps)
    return _timed(steps, left_out)


@dataclass(slots=True)
class _Planner:
    """Decides what becomes of each node, and says why."""

    graph: Graph
    loaded: Loaded
    last: LastState
    mode: Mode
    prints: Mapping[str, str]
    decisions: dict[str, tuple[Action, str]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def decide(self, selected: set[str]) -> dict[str, tuple[Action, str]]:
        """Action and reason of every node that has a part in the run. Raises UsageError."""
        resuming = self.mode == "resume"
        if resuming and self.last.planned:
            selected = selected & self.last.planned
        blocked = self._blocked()
        for key in selected:
            if key in blocked:
                self.decisions[key] = "skip", blocked[key]
            else:
                self.decisions[key] = self._resumed(key) if resuming else ("run", "selected")
        for key in reversed(self.graph.order()):  # those who need before those who are needed
            if self.decisions.get(key, ("",))[0] == "run":
                self._provide_for(key, selected)
        if self.problems:
            raise _unmet(self.graph, self.problems)
        return self.decisions

    def _blocked(self) -> dict[str, str]:
        """Nodes that are disabled or need one that is; what another node wrote earlier can be read."""
        blocked: dict[str, str] = {}
        for key in self.graph.order():
            if not self.graph.nodes[key].enabled:
                blocked[key] = "disabled"
                continue
            for edge in self.graph.edges_into(key):
                if edge.source in blocked and edge.kind != "path":
                    blocked[key] = f"needs {edge.source}, which is disabled"
                    if blocked[edge.source] != "disabled":
                        blocked[key] = blocked[edge.source]
                    break
        return blocked

    def _resumed(self, key: str) -> tuple[Action, str]:
        """What a resumed run does with a node: whatever is done and unchanged is not done again."""
        past, run = self.last.nodes.get(key), self.last.resumes[0] if self.last.resumes else ""
        if past is None or past.success_run not in self.last.resumes:
            return (
                "run",
                f"{past.outcome if past and past.run_id == run else 'not finished'} in run {run}",
            )
        if past.fingerprint != self.prints[key]:
            return "run", f"changed since run {past.success_run}"
        node = self.graph.nodes[key]
        if node.stores and not self._is_stored(node):
            return "run", f"what run {past.success_run} stored is gone"
        return "reuse", f"unchanged since run {past.success_run} (resume)"

    def _provide_for(self, key: str, selected: set[str]) -> None:
        """See that all that a node needs runs before it or is stored."""
        for edge in self.graph.edges_into(key):
            node = self.graph.nodes[edge.source]
            action = self.decisions.get(edge.source, (None,))[0]
            if action == "run" or (edge.kind == "path" and not node.stores):
                continue
            if not node.stores:
                self.decisions[edge.source] = "run", f"needed by {key}: has no stored output"
            elif edge.source in selected:
                self._check_stands_for(node, edge)
            elif self._is_stored(node):
                self.decisions[edge.source] = "reuse", "not selected: its stored output is read"
            else:
                self.problems.setdefault(key, []).append(edge.source)

    def _check_stands_for(self, node: Node, edge: Edge) -> None:
        """Run a finished node again where reading what it stored isn't the same as its result.

        Its rows aren't written twice: the write has the id that it had in the resumed run.
        """
        write = node.config.write
        if write is None or edge.kind in ("input", "path") or sources.is_whole_result(write):
            return
        why = f"its stored output ({write.format}, {write.mode}) is not just its result"
        self.decisions[node.key] = "run", f"needed by {edge.target}: {why}"

    def _is_stored(self, node: Node) -> bool:
        return sources.stored_source(self.loaded, node) is not None


def _unmet(graph: Graph, problems: Mapping[str, list[str]]) -> UsageError:
    """The error for stored results that aren't there, a line for every node that needs some."""
    keys = [key for key in graph.order() if key in problems]
    lines = [
        f"{key} needs {', '.join(problems[key])}: not selected, and nothing stored yet"
        for key in keys
    ]
    if len(lines) > _NAMED_PROBLEMS:
        lines[_NAMED_PROBLEMS:] = [f"and {len(lines) - _NAMED_PROBLEMS} more nodes"]
    example = " ".join(f"+{key}" for key in keys[:2])
    more = " …" if len(keys) > 2 else ""
    return UsageError(
        "\n".join(lines),
        hint=f"a + before a name selects all that it needs as well: --select '{example}{more}'",
    )


def _step(
    graph: Graph,
    key: str,
    decision: tuple[Action, str],
    prints: Mapping[str, str],
    last: LastState | None,
) -> PlannedNode:
    node, (action, reason) = graph.nodes[key], decision
    output = places.output_of(graph.loaded, node)
    return PlannedNode(
        key=key,
        action=action,
        reason=reason,
        layer=node.layer,
        tags=node.tags,
        upstream=graph.upstream(key),
        fingerprint=prints[key],
        expected_seconds=_expected(key, last) if action == "run" else None,
        outputs=(places.display(graph.loaded, output),) if output else (),
        description=node.config.description,
    )


def _expected(key: str, last: LastState | None) -> float | None:
    past = last.nodes.get(key) if last else None
    return median(past.seconds[:_RECENT]) if past and past.seconds else None


def _timed(steps: tuple[PlannedNode, ...], left_out: int) -> Plan:
    """The plan with its waves and its longest path."""
    runs = {step.key: step for step in steps if step.action == "run"}
    waves: list[list[str]] = []
    level: dict[str, int] = {}
    ends: dict[str, float] = {}
    before: dict[str, str] = {}
    for key, step in runs.items():
        needs = [up for up in step.upstream if up in runs]
        level[key] = max((level[up] + 1 for up in needs), default=0)
        if level[key] == len(waves):
            waves.append([])
        waves[level[key]].append(key)
        if needs:
            before[key] = max(needs, key=ends.__getitem__)
        ends[key] = ends.get(before.get(key, ""), 0.0) + (step.expected_seconds or 0.0)
    known = [step.expected_seconds for step in runs.values() if step.expected_seconds is not None]
    path = _path_to(max(ends, key=ends.__getitem__), before) if known else ()
    return Plan(
        steps=steps,
        waves=tuple(tuple(wave) for wave in waves),
        critical_path=path,
        critical_seconds=max(ends.values()) if known else None,
        total_seconds=sum(known) if known else None,
        left_out=left_out,
    )


def _path_to(end: str, before: Mapping[str, str]) -> tuple[str, ...]:
    path = [end]
    while path[-1] in before:
        path.append(before[path[-1]])
    return tuple(reversed(path))
