"""What the screens show: the project, its runs, the run and node that a person looks at. No widget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from odibi.ledger import Ledger, RunSummary
from odibi.run_state import EMPTY, NodeState, RunState
from odibi.safe_text import safe_line
from odibi_tui import eta
from odibi_tui.follow import LIVE, News
from odibi_tui.project import NO_PROJECT, ProjectView

if TYPE_CHECKING:
    from odibi.history import NodeCell

__all__ = ["ALL", "NOTHING", "Cancelling", "Change", "World"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a pane may have to repaint.

    `run`: another run is shown, or another set of nodes. `nodes`: keys of nodes whose state changed.
    `state`: something of the shown run changed. `runs`: the list of runs. `history`: past runs of
    nodes. `project`: the YAML. `selection`: the selected node or the marks. `filter`: the filter text.
    `time`: only the clock went on, in a live run. `turned`: some of `nodes` has another status.
    """

    run: bool = False
    nodes: frozenset[str] = frozenset()
    state: bool = False
    runs: bool = False
    history: bool = False
    project: bool = False
    selection: bool = False
    filter: bool = False
    time: bool = False
    turned: bool = False

    @property
    def only_numbers(self) -> bool:
        """Whether nothing but counters of nodes went on."""
        return self == Change(nodes=self.nodes, state=True)

    def __bool__(self) -> bool:
        return self != NOTHING

    def __or__(self, other: Change) -> Change:
        return Change(
            self.run or other.run,
            self.nodes | other.nodes,
            self.state or other.state,
            self.runs or other.runs,
            self.history or other.history,
            self.project or other.project,
            self.selection or other.selection,
            self.filter or other.filter,
            self.time or other.time,
            self.turned or other.turned,
        )


NOTHING = Change()
"""No change."""

ALL = Change(True, frozenset(), True, True, True, True, True, True)
"""Everything may be different: for a pane that is shown for the first time."""


@dataclass(frozen=True, slots=True)
class Cancelling:
    """A request to stop a run, or its node `node`, that the run may not have heard yet."""

    run_id: str
    node: str | None
    asked: datetime

    def heard(self, state: RunState) -> bool:
        """Whether the run has acknowledged, or there is nothing left to stop."""
        node = state.nodes.get(self.node or "")
        if state.done or (node is not None and node.done):
            return True
        return (state.cancelled_by if node is None else node.cancelled_by) is not None


_Shape = tuple[tuple[object, ...], tuple[str, ...], tuple[tuple[str, str], ...]]
"""What the nodes and edges follow from, and they themselves."""


@dataclass(slots=True)
class World:
    """The model behind every pane; changed only by the methods below, on the app's own thread.

    `run_id` is the run shown and `state` what its events so far say (or said, in a replay). `follow`:
    a run that starts is shown by itself. `frozen` holds the state that stays on screen while `p` has
    stopped the display. `cells` are the latest runs of each node, newest first. `moment` is the time of
    day that a replay has come to.
    `planned` are nodes that a rerun being considered would run. `trials` are runs that a dialog watches
    by itself: they are not followed. `cancelling` is the latest request to stop something. `starting`
    is a run whose process was started here and that has no records yet. `compare` are the ids of the runs A
    and B that are compared, `compare_from` is A while B isn't chosen yet.
    """

    path: Path
    ledger: Ledger
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    project: ProjectView = NO_PROJECT
    runs: tuple[RunSummary, ...] = ()
    loaded: bool = False
    run_id: str | None = None
    live: dict[str, RunState] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    follow: bool = True
    frozen: bool = False
    replay: RunState | None = None
    moment: datetime | None = None
    node: str | None = None
    marked: frozenset[str] = frozenset()
    planned: frozenset[str] = frozenset()
    trials: frozenset[str] = frozenset()
    cancelling: Cancelling | None = None
    starting: str | None = None
    compare: tuple[str, str] | None = None
    compare_from: str | None = None
    filter: str = ""
    cells: Mapping[str, Sequence[NodeCell]] = field(default_factory=dict)
    past: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    _still: RunState | None = None
    _shaped: _Shape = ((None, None, 0, None), (), ())
    _seen: tuple[RunState | None, tuple[str, ...], float] = (None, (), 0.0)
    _going: tuple[Sequence[RunSummary], Mapping[str, str], list[str]] = ((), {}, [])
    _named: tuple[str, ...] | None = None
    _names: dict[str, str] = field(default_factory=dict)

    # What is shown -------------------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.path.parent

    @property
    def state(self) -> RunState:
        """The shown run; EMPTY when there is none."""
        if self.replay is not None:
            return self.replay
        if self.frozen and self._still is not None:
            return self._still
        return self.live.get(self.run_id or "", EMPTY)

    def now(self) -> datetime:
        """The time to measure what is shown by: of the replay, else the clock's."""
        return self.moment if self.replay is not None and self.moment is not None else self.clock()

    @property
    def mode(self) -> str:
        """One word for the status line: what the screen follows."""
        if self.replay is not None:
            return "REPLAY"
        if self.frozen:
            return "FROZEN"
        state = self.state
        if state.status == "lost":
            return "LOST"
        if state.done:
            return "FINISHED"
        if not state.run_id:
            return "WAITING"
        return "FOLLOW" if self.follow else "LIVE"

    @property
    def summary(self) -> RunSummary | None:
        """The line of the shown run in the list of runs."""
        return next((run for run in self.runs if run.run_id == self.run_id), None)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Keys to show in plan order: the project's, unless the run knows others. The same object while
        they are the same."""
        return self._shape()[1]

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(source, target) among `nodes`; the same object while they are the same."""
        return self._shape()[2]

    def _shape(self) -> _Shape:
        state, project = self.state, self.project
        mark = (state.run_id, state.plan, len(state.nodes), project)
        if not all(a is b or a == b for a, b in zip(mark, self._shaped[0], strict=True)):
            self._shaped = (mark, *_shape(state, project))
        return self._shaped

    @property
    def critical(self) -> tuple[str, ...]:
        """Keys along the critical path of the shown run; computed once per state."""
        return self._outlook()[1]

    @property
    def share(self) -> float:
        """How far the shown run is, 0–1; computed once per state."""
        return self._outlook()[2]

    def _outlook(self) -> tuple[RunState | None, tuple[str, ...], float]:
        state = self.state
        if self._seen[0] is not state:
            path, _ = eta.critical_path(state, self.past)
            self._seen = (state, path, eta.fraction(state, self.past))
        return self._seen

    def node_state(self, key: str) -> NodeState | None:
        """The node in the shown run, None when it has no part in it."""
        return self.state.nodes.get(key)

    def layer(self, key: str) -> str:
        """The node's layer, safe to show; empty without one."""
        node = self.node_state(key)
        return safe_line((node.plan.layer if node else None) or self.project.layers.get(key, ""))

    def tags(self, key: str) -> tuple[str, ...]:
        node = self.node_state(key)
        return (node.plan.tags if node else ()) or self.project.tags.get(key, ())

    def name(self, key: str) -> str:
        """The node's name, safe to show; with its pipeline where the name alone says two things."""
        nodes = self.nodes
        if self._named is not nodes:
            self._named, self._names = nodes, _names(nodes)
        return self._names.get(key) or safe_line(key)

    def status(self, key: str) -> str:
        """The node's status in the shown run; `warning` for a success with something to look at."""
        node = self.node_state(key)
        if node is None:
            return "none"
        if node.status == "succeeded" and (
            node.warnings or node.quarantines or _soft_failures(node)
        ):
            return "warning"
        return node.status

    def live_runs(self) -> list[str]:
        """Ids of runs that go on, newest first."""
        statuses = {run_id: state.status for run_id, state in self.live.items()}
        if self._going[0] is not self.runs or self._going[1] != statuses:
            ids = [r.run_id for r in self.runs if statuses.get(r.run_id, r.status) in LIVE]
            self._going = (self.runs, statuses, ids)
        return self._going[2]

    def followed(self) -> list[str]:
        """Ids of the runs whose logs are to be read: the shown one and all that go on."""
        shown = [self.run_id] if self.run_id else []
        return list(dict.fromkeys([*shown, *self.live_runs()]))

    # What happens ----------------------------------------------------------------------------------------

    def accept(self, news: News) -> Change:
        """Take in what the follower found."""
        before, shown = self.state, self.run_id
        turned = any(
            run_id != shown and self.live.get(run_id, EMPTY).status != state.status
            for run_id, state in news.states.items()
        )
        self.live.update(news.states)
        self.damaged.update(news.damaged)
        runs = turned or (news.runs is not None and news.runs != self.runs)
        if news.runs is not None:
            self.runs, self.loaded = news.runs, True
            for gone in self.live.keys() - {run.run_id for run in news.runs}:
                del self.live[gone]
        self._choose_run()
        change = replace(_difference(before, self.state), runs=runs or bool(news.damaged))
        return replace(change, run=True, state=True) if shown != self.run_id else change

    def _choose_run(self) -> None:
        """Show the newest run that goes on, unless a person chose another; else the newest."""
        if self.replay is not None and any(run.run_id == self.run_id for run in self.runs):
            return  # whoever watches a replay is left in peace
        live = [run_id for run_id in self.live_runs() if run_id not in self.trials]
        runs = [run.run_id for run in self.runs if run.run_id in live or not self._is_trial(run)]
        if self.run_id in runs and (not self.follow or self.run_id in live or not live):
            if self.follow and not live:
                self.run_id = runs[0]
            return
        newest = live or runs
        self.run_id = newest[0] if newest else None
        self.replay = None

    def _is_trial(self, run: RunSummary) -> bool:
        """Whether somebody only tried SQL out: no run to come back to once it has ended."""
        return run.run_id in self.trials or any(word.startswith("--sql") for word in run.command)

    def show_run(self, run_id: str, follow: bool | None = None) -> Change:
        """Show a run that a person chose; the newest one goes on being followed."""
        newest = bool(self.runs) and run_id == self.runs[0].run_id
        self.run_id, self.replay, self.frozen = run_id, None, False
        self.trials -= {run_id}  # now somebody wants to see it
        self.follow = newest if follow is None else follow
        return Change(run=True, state=True, runs=True)

    def set_follow(self, follow: bool) -> Change:
        """Follow the newest run, or stay with the one shown."""
        self.follow = follow
        before = self.run_id
        self._choose_run()
        return Change(run=before != self.run_id, state=True)

    def freeze(self, frozen: bool) -> Change:
        """Stop the display, or let it go on; reading goes on either way."""
        self._still = self.state if frozen else None
        self.frozen = frozen
        return Change(run=True, state=True)

    def show_replay(self, state: RunState | None, moment: datetime | None = None) -> Change:
        """Show the run as it was at some moment; None ends the replay."""
        before = self.state
        self.replay, self.moment = state, moment
        return replace(_difference(before, self.state), state=True)

    def select(self, key: str | None) -> Change:
        """Select a node."""
        if key == self.node:
            return NOTHING
        self.node = key
        return Change(selection=True)

    @property
    def chosen(self) -> str | None:
        """The selected node that keys act on: none while the filter hides it."""
        from odibi_tui import filtering  # which reads this model

        if self.node is None or not self.filter:
            return self.node
        return self.node if filtering.test_of(self, self.filter)(self.node) else None

    def mark(self, keys: Collection[str]) -> Change:
        """Mark nodes in place of those marked before."""
        self.marked = frozenset(keys)
        return Change(selection=True)

    def set_planned(self, keys: Collection[str]) -> Change:
        """Light the nodes that a rerun would run."""
        if self.planned == frozenset(keys):
            return NOTHING
        self.planned = frozenset(keys)
        return Change(selection=True)

    def set_compare(self, runs: tuple[str, str] | None) -> Change:
        """Compare two runs; None ends it."""
        self.compare, self.compare_from = runs, None
        return Change(runs=True)

    def set_compare_from(self, run_id: str | None) -> Change:
        """Keep a run until another is chosen to compare it with."""
        self.compare_from = run_id
        return Change(runs=True)

    def last_good(self, run_id: str) -> str | None:
        """The latest whole run before this one that succeeded."""
        ids = [run.run_id for run in self.runs]
        before = self.runs[ids.index(run_id) + 1 :] if run_id in ids else ()
        return next((run.run_id for run in before if run.whole and run.status == "succeeded"), None)

    def set_filter(self, text: str) -> Change:
        """Filter nodes everywhere."""
        if text == self.filter:
            return NOTHING
        self.filter = text
        return Change(filter=True)

    def set_project(self, project: ProjectView) -> Change:
        """Take the project as the YAML now says it; while it has problems the nodes stay as they were."""
        if project.problems:
            project = replace(self.project, problems=project.problems)
        self.project = project
        return Change(project=True, run=True)

    def set_cells(self, cells: Sequence[NodeCell]) -> Change:
        """Take the latest runs of all nodes, newest first."""
        by_node: dict[str, list[NodeCell]] = {}
        for cell in cells:
            by_node.setdefault(cell.node, []).append(cell)
        self.cells = by_node
        self._seen = (None, (), 0.0)
        self.past = {
            node: tuple(
                cell.seconds
                for cell in found
                if cell.status == "succeeded"
                and cell.seconds is not None
                and cell.run_id != self.run_id
            )[:20]
            for node, found in by_node.items()
        }
        return Change(history=True)


def _shape(
    state: RunState, project: ProjectView
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    known = state.nodes
    if known.keys() <= set(project.nodes):
        return project.nodes, project.edges
    pairs = ((source, node.key) for node in known.values() for source in node.plan.upstream)
    return tuple(known), tuple((source, target) for source, target in pairs if source in known)


def _names(keys: tuple[str, ...]) -> dict[str, str]:
    short = {key: key.rpartition(".")[2] for key in keys}
    uses = Counter(short.values())
    return {key: safe_line(key if uses[name] > 1 else name) for key, name in short.items()}


def _soft_failures(node: NodeState) -> bool:
    return any(not check.passed for check in node.checks)


def _difference(before: RunState, after: RunState) -> Change:
    """Which nodes changed; states that nothing touched are the same objects."""
    if before is after:
        return NOTHING
    if before.run_id != after.run_id or before.nodes.keys() != after.nodes.keys():
        return Change(run=True, state=True)
    old = before.nodes
    new = after.nodes
    changed = frozenset(key for key, node in new.items() if old[key] is not node)
    turned = any(old[key].status != new[key].status for key in changed)
    return Change(nodes=changed, state=True, turned=turned)
