"""What a story of one node is told from: the shown run, and what is on disk about the runs before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from odibi.errors import OdibiError
from odibi.events import AS_EXECUTED, PlannedNode
from odibi.run_state import NodeState, RunState
from odibi.story import NodeStory, build

if TYPE_CHECKING:
    from odibi.history import NodeSummary
    from odibi.ledger import Ledger

__all__ = ["Background", "ConfigText", "Facts", "background", "config_text", "steps", "tell"]

_PAST = 20


@dataclass(frozen=True, slots=True)
class ConfigText:
    """The node's lines in the project's YAML, as they are now; `first` is the number of the first."""

    file: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """What is on disk about a node beside the shown run: its successes before that, newest first, the
    run of the latest of them, and its YAML."""

    history: tuple[NodeSummary, ...] = ()
    good: RunState | None = None
    config: ConfigText | None = None
    loaded: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """One node in the shown run at the moment `now`. `part` is false when the run doesn't know it.

    `names` are nodes' names as they are shown; `usual` is the usual time in seconds.
    """

    run: RunState
    node: NodeState
    story: NodeStory
    now: datetime
    part: bool = True
    usual: float | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    behind: Background = Background()

    @property
    def good(self) -> NodeState | None:
        """The node in the latest run before in which it succeeded."""
        good = self.behind.good
        return good.nodes.get(self.node.key) if good is not None else None

    @property
    def seconds(self) -> float | None:
        """How long the node took, or has been running."""
        node = self.node
        if node.seconds is not None or node.started is None:
            return node.seconds
        end = node.finished or (self.run.last_at if self.run.done else self.now)
        return max(((end or node.started) - node.started).total_seconds(), 0.0)

    @property
    def failed(self) -> bool:
        return self.node.status in ("failed", "lost")

    @property
    def run_root(self) -> str:
        """The project's folder as the run knew it."""
        return self.run.plan.root if self.run.plan else ""

    def name(self, key: str) -> str:
        """A node's name as it is shown."""
        return self.names.get(key, key)


def tell(
    run: RunState,
    key: str,
    now: datetime,
    behind: Background,
    names: Mapping[str, str],
    usual: float | None = None,
) -> Facts:
    """What is known of a node in a run; builds the story of that node alone."""
    node = run.nodes.get(key)
    part = node is not None
    node = node or NodeState(key, PlannedNode(key, "run", ""), reason="not part of this run")
    before = {key: behind.history[0]} if behind.history else {}
    story = build(replace(run, nodes={key: node}), before).nodes[0]
    return Facts(run, node, story, now, part, usual, names, behind)


def background(
    ledger: Ledger,
    run: RunState,
    key: str,
    place: tuple[Path, int] | None,
    root: Path,
    known: Mapping[str, RunState] | None = None,
) -> Background:
    """Read what is on disk about a node. Blocks; what can't be read is left out.

    `known` are finished runs by id that were read before: their logs aren't read again.
    """
    began = run.started or run.planned
    try:
        found = ledger.node_history(key, 3 * _PAST)
    except OdibiError:
        found = []
    before = [
        one
        for one in found
        if one.run_id != run.run_id and (began is None or one.began is None or one.began < began)
    ][:_PAST]
    good = (known or {}).get(before[0].run_id) if before else None
    if before and good is None:
        try:
            good = ledger.state(before[0].run_id)
        except OdibiError:  # pruned, or damaged: the index still knows its counts
            good = None
    return Background(tuple(before), good, config_text(place, root), True)


def config_text(place: tuple[Path, int] | None, root: Path) -> ConfigText | None:
    """The node's lines in the YAML: from its first to the next line that is indented no deeper."""
    if place is None:
        return None
    path, first = place
    try:
        lines = (root / path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    if not 0 < first <= len(lines):
        return None
    try:
        shown = str((root / path).relative_to(root))
    except ValueError:
        shown = str(path)
    return ConfigText(shown, first, tuple(_block(lines[first - 1 :])))


def _block(lines: list[str]) -> list[str]:
    """The first line and all below it that belong to it."""
    depth = _indent(lines[0])
    taken = [lines[0]]
    for line in lines[1:]:
        if line.strip() and _indent(line) <= depth:
            break
        taken.append(line)
    while not taken[-1].strip():
        taken.pop()
    return taken


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def steps(node: NodeState | None) -> dict[str, str]:
    """The SQL of each step as the project says it."""
    if node is None:
        return {}
    return {step.step: step.sql for step in node.sql if step.step != AS_EXECUTED}
