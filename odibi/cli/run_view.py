"""What `odibi run` shows while it runs and when it is done: a fold of the run's events, nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from odibi import events as ev
from odibi.run_state import EMPTY, SYMBOLS, NodeState, RunState, apply
from odibi.safe_text import safe

if TYPE_CHECKING:
    from odibi.config import Loaded
    from odibi.runner import RunResult

__all__ = ["LiveView", "PlainView", "QuietView", "View"]

_STYLES = {
    "running": "cyan",
    "retrying": "yellow",
    "succeeded": "green",
    "failed": "bold red",
    "skipped": "dim",
    "reused": "blue",
    "cancelled": "yellow",
    "lost": "red",
}
_ENDS = (ev.NodeSucceeded, ev.NodeFailed, ev.NodeSkipped, ev.NodeCancelled, ev.NodeRetried)


class View(Protocol):
    """Somebody who watches a run from inside its process."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def watch(self, event: ev.Event) -> None:
        """Take note of one event; called from any thread, in the log's order per node."""
        ...

    def summary(self, result: RunResult, loaded: Loaded) -> None:
        """Say how the run went, and where to look next."""
        ...


class PlainView:
    """Lines for pipes and logs: one per node as it ends."""

    def __init__(self) -> None:
        self._state = EMPTY
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def watch(self, event: ev.Event) -> None:
        with self._lock:
            self._state = apply(self._state, event)
            self._say(event.payload)

    def _say(self, payload: ev.Payload) -> None:
        if isinstance(payload, ev.RunPlanned):
            print(_heading(self._state), flush=True)
        elif isinstance(payload, _ENDS):
            print(self._line(payload.node), flush=True)

    def _line(self, key: str) -> str:
        """One node as a line; names, rows and seconds stand below each other."""
        symbol, name, rows, remark, seconds = _cells(self._state.nodes[key])
        room = max(map(len, self._state.nodes))
        return f"{symbol}  {name:<{room}}  {rows:>14}  {seconds:>8}  {remark}".rstrip()

    def summary(self, result: RunResult, loaded: Loaded) -> None:
        print("\n".join(_closing(result.state, loaded)))


class QuietView(PlainView):
    """Nothing but failures."""

    def _say(self, payload: ev.Payload) -> None:
        return None

    def summary(self, result: RunResult, loaded: Loaded) -> None:
        for line in _failures(result.state):
            print(line, file=sys.stderr)


class LiveView(PlainView):
    """A table that changes in place: what runs now with its progress, then everything at the end."""

    _refresh_seconds = 0.2

    def __init__(self) -> None:
        super().__init__()
        self._live: Any = None
        self._stop = threading.Event()
        self._painter = threading.Thread(target=self._paint_often, name="view", daemon=True)

    def __enter__(self) -> Self:
        from rich.live import Live  # 60 ms of imports that a piped run doesn't need

        self._live = Live(auto_refresh=False, transient=False, vertical_overflow="crop")
        self._live.__enter__()
        self._painter.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._painter.join()
        self._paint(final=True)
        self._live.__exit__(*raised)

    def _say(self, payload: ev.Payload) -> None:
        return None

    def _paint_often(self) -> None:
        while not self._stop.wait(self._refresh_seconds):
            self._paint(final=False)

    def _paint(self, *, final: bool) -> None:
        if self._state.plan is not None:
            room = None if final else max(5, self._live.console.size.height - 6)
            self._live.update(_screen(self._state, room, self._live.console.width), refresh=True)

    def summary(self, result: RunResult, loaded: Loaded) -> None:
        from rich.console import Console
        from rich.text import Text

        console = Console()
        first, *rest = _closing(result.state, loaded)
        console.print(Text(first, style=_STYLES.get(result.state.status, "")))
        for line in rest:
            console.print(Text(line))


def _heading(state: RunState) -> str:
    plan = state.plan
    assert plan is not None
    runs = sum(step.action == "run" for step in plan.nodes)
    kinds = ["dry run"] * plan.dry_run + ["scratch"] * plan.scratch
    kinds += [f"sample of {plan.sample}"] if plan.sample else []
    counted = f"{runs} of {len(plan.nodes)} nodes"
    return " · ".join([safe(state.project), state.engine, counted, *kinds, state.run_id])


def _screen(state: RunState, room: int | None, width: int) -> Any:
    """The table of nodes; with little room, those that run and the latest that ended."""
    from rich.text import Text

    nodes = _fitting(list(state.nodes.values()), room)
    text = Text(_heading(state)[:width], style="bold", no_wrap=True)
    for node, line in zip(nodes, aligned([_cells(node) for node in nodes], width), strict=True):
        style = _STYLES.get(node.status, "dim")
        text.append("\n" + line[0], style=f"not bold {style}")
        text.append(
            line[1:], style="not bold default" if node.status != "queued" else "not bold dim"
        )
    if room is not None:  # the closing line says it better
        text.append("\n" + _counting(state), style="not bold dim")
    return text


def aligned(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of (symbol, name, rows, remark, seconds) as lines of at most `width` characters.

    Everything keeps its place but the remark, which is cut when there is too little room.
    """
    names, counts, times = (max((len(row[i]) for row in rows), default=0) for i in (1, 2, 4))
    names = min(names, max(10, width - counts - times - 8))
    room = max(0, width - names - counts - times - 8)
    remarks = min(room, max((len(row[3]) for row in rows), default=0))
    return [
        f"{symbol} {_cut(name, names):{names}}  {count:>{counts}}  {_cut(remark, remarks):{remarks}}  {seconds:>{times}}"
        for symbol, name, count, remark, seconds in rows
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"[: max(0, width)]


def _fitting(nodes: list[NodeState], room: int | None) -> list[NodeState]:
    if room is None or len(nodes) <= room:
        return nodes
    busy = [node for node in nodes if node.status in ("running", "retrying", "failed")]
    ended = [node for node in nodes if node.done and node.status != "failed"]
    keep = {node.key for node in busy[:room]}
    keep |= {node.key for node in ended[-(room - len(keep)) :]} if len(keep) < room else set()
    return [node for node in nodes if node.key in keep]


def _counting(state: RunState) -> str:
    counts = state.totals.nodes
    return " · ".join(f"{n} {status}" for status, n in counts.items() if n)


def _cells(node: NodeState) -> tuple[str, str, str, str, str]:
    """Symbol, name, rows, a remark, seconds."""
    seconds = f"{node.seconds:.2f} s" if node.seconds is not None else ""
    return SYMBOLS[node.status], safe(node.key), _rows(node), _remark(node), seconds


def _rows(node: NodeState) -> str:
    rows = node.counts.rows_out if node.counts else None
    return f"{rows:,} rows" if rows is not None else ""


def _remark(node: NodeState) -> str:
    if node.status == "running":
        return _bar(node.fraction) if node.fraction is not None else node.stage or ""
    if node.error is not None and node.status == "failed":
        return safe(node.error.message.splitlines()[0])[:60]
    if node.status in ("skipped", "reused") or (node.status == "cancelled" and node.cancelled_by):
        return safe(node.reason)[:60]
    return ", ".join(_facts(node))


def _facts(node: NodeState) -> list[str]:
    """What is worth a word about a node that went well."""
    facts = []
    if node.counts and node.counts.unreadable:
        facts.append(f"{node.counts.unreadable:,} unreadable")
    if node.counts and node.counts.quarantined:
        facts.append(f"{node.counts.quarantined:,} quarantined")
    broken = (check for check in node.checks if not check.passed and check.on_fail != "quarantine")
    if failed := sum(1 for _ in broken):
        facts.append(f"{failed} of {len(node.checks)} checks failed")
    if node.retries:
        facts.append(f"{len(node.retries) + 1} attempts")
    return facts


def _bar(fraction: float, width: int = 20) -> str:
    full = round(fraction * width)
    return "━" * full + "╌" * (width - full) + f" {fraction:4.0%}"


def _closing(state: RunState, loaded: Loaded) -> Sequence[str]:
    """The last lines: the outcome, what failed and why, what to type next."""
    totals = state.totals
    parts = [f"{n} {status}" for status, n in totals.nodes.items() if n]
    if totals.rows_written:
        parts.append(f"{totals.rows_written:,} rows written")
    if aside := totals.quarantined + totals.unreadable:
        parts.append(f"{aside:,} set aside")
    if state.seconds is not None:
        parts.append(f"{state.seconds:.1f} s")
    lines = [f"{SYMBOLS.get(state.status, '')} {state.status}: " + " · ".join(parts)]
    lines += _failures(state)
    lines.append("")
    lines += _next(state, loaded)
    return lines


def _failures(state: RunState) -> list[str]:
    lines: list[str] = []
    for node in state.nodes.values():
        if node.error is None or node.status != "failed":
            continue
        error = node.error
        place = f"{error.file}:{error.line}: " if error.file else ""
        lines.append(f"✗ {safe(node.key)}: {safe(place)}{safe(error.message)}")
        if error.hint:
            lines.append(f"  → {safe(error.hint)}")
    return lines


def _next(state: RunState, loaded: Loaded) -> list[str]:
    """What a user would type now; only commands that exist."""
    story = "odibi story last          what happened, node by node"
    if state.status in ("failed", "cancelled"):
        plan = state.plan
        real = plan is not None and not (plan.dry_run or plan.sample or plan.scratch)
        return [story, *(["odibi run --resume        go on from here"] if real else [])]
    lines = ["odibi story last          rows, schemas, checks and profiles of every node"]
    nodes = [node for pipeline in loaded.project.pipelines for node in pipeline.nodes]
    tables = [node.name for node in nodes if node.write is not None]
    if tables:
        lines.append(f'odibi query "FROM {tables[-1]} LIMIT 10"')
    lines.append("odibi history             all runs")
    return lines
