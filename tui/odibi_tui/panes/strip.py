"""Below the graph of a small screen: what runs, and what happened last."""

from __future__ import annotations

from datetime import datetime

from odibi.run_state import NodeState
from odibi.safe_text import safe_line
from odibi_tui import eta
from odibi_tui.lines import TextPane
from odibi_tui.paint import Line, amount, bar, clock, duration, fit, rule
from odibi_tui.pane import Pane
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change

__all__ = ["StripPane", "event_line"]


class StripPane(Pane):
    """Running nodes, then the latest turns."""

    heading = "Running"

    body: TextPane

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = TextPane()
        self.body.can_focus = False

    def on_world(self, change: Change) -> None:
        if change.state or change.run or change.time or change.history:
            self.body.show(self._lines())

    def title(self) -> tuple[Line, Line]:
        state = self.world.state
        running = [n for n in state.nodes.values() if n.status in ("running", "retrying")]
        if not running:
            return (("Latest", "title"),), (("e next error", "dim"),)
        workers = f"{len(running)} of {state.jobs or '?'} workers"
        return (("Running", "title"),), ((workers, "dim"),)

    def _lines(self) -> list[Line]:
        nodes = self.world.state.nodes.values()
        running = [node for node in nodes if node.status in ("running", "retrying")]
        room = max(self.size.height - 1, 1)
        lines = [self._running_line(node) for node in running[: max(room // 2, 1)]]
        ended = sorted(
            (node for node in nodes if node.done and node.finished is not None),
            key=_ended,
            reverse=True,
        )
        if lines:
            lines.append(rule((("Latest", "title"),), (("e next error", "dim"),), self.size.width))
        lines += [event_line(self, node) for node in ended[: max(room - len(lines), 0)]]
        return lines

    def _running_line(self, node: NodeState) -> Line:
        world = self.world
        usual = eta.usual(world.past, node.key, node)
        began = (world.now() - node.started).total_seconds() if node.started else 0.0
        share = node.fraction if node.fraction is not None else (began / usual if usual else None)
        full, empty = bar(min(share or 0, 0.99), 12, self.top.ascii)
        about = f"{min(share, 0.99):4.0%}" if share is not None else "    "
        rows = f"{amount(node.rows_done)} rows" if node.rows_done else ""
        return (
            (f" {self.top.sign(node.status)} ", style_of_status(node.status)),
            (fit(world.name(node.key), 20), "text"),
            (f" {fit(node.stage or '', 10)} ", "dim"),
            (full, "running"),
            (empty, "dim"),
            (
                f" {about} {fit(rows, 16, right=True)}  {fit(duration(began), 6, right=True)}",
                "text",
            ),
        )


def _ended(node: NodeState) -> datetime:
    assert node.finished is not None
    return node.finished


def event_line(pane: Pane, node: NodeState) -> Line:
    """How a node ended, in a line."""
    style = style_of_status(node.status)
    if node.error is not None and node.status in ("failed", "lost"):
        said = safe_line(node.error.message)
    elif node.status in ("skipped", "reused", "lost"):
        said = safe_line(node.reason)
    else:
        rows = node.counts.rows_out if node.counts else None
        said = f"{amount(rows)} rows  {duration(node.seconds)}"
    return (
        (f" {clock(node.finished)} ", "dim"),
        (f"{pane.top.sign(node.status)} ", style),
        (fit(pane.world.name(node.key), 20), "text"),
        (f" {said}", style if node.status == "failed" else "dim"),
    )
