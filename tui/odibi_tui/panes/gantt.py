"""The shown run as bars over time: who ran when, who waited, what is left, the critical path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from odibi.run_state import NodeState, RunState
from odibi_tui import eta
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, Span, clock, fit
from odibi_tui.pane import Pane
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change, World

__all__ = ["Bar", "GanttPane", "bars", "order", "row"]

Kind = Literal["wait", "work", "retry", "rest"]
_TICKS = 16  # cells between labels of the axis


@dataclass(frozen=True, slots=True)
class Bar:
    """Cells `start` ≤ x < `end` of a row, and what they stand for; `rest` is what is still expected."""

    start: int
    end: int
    kind: Kind


def order(state: RunState) -> list[str]:
    """Keys in the order in which the nodes began; those that never did come last, in plan order."""
    place = {key: i for i, key in enumerate(state.nodes)}
    return sorted(state.nodes, key=lambda key: _began(state.nodes[key], place[key]))


def _began(node: NodeState, place: int) -> tuple[bool, float, int]:
    began = node.first_started
    return began is None, began.timestamp() if began else 0.0, place


def span(
    state: RunState, past: Mapping[str, tuple[float, ...]], now: datetime
) -> tuple[datetime, datetime] | None:
    """The time that the axis covers: the run, and what it still needs by what is known; None before it began."""
    began = state.started or state.planned
    if began is None:
        return None
    end = state.finished or (state.last_at if state.done else now) or now
    left = eta.estimate(state, past, now)
    if left is not None and not state.done:
        end = now + timedelta(seconds=left.seconds)
    return began, max(end, began + timedelta(seconds=0.1))


def bars(
    node: NodeState,
    window: tuple[datetime, datetime],
    cells: int,
    now: datetime,
    usual: float | None,
) -> list[Bar]:
    """The node's bars in a row of so many cells, from left to right without overlap."""
    if node.first_started is None or node.started is None:
        return []
    place = _scale(window, cells)
    first, latest = place(node.first_started), place(node.started)
    end = place(node.finished or now)
    found = [Bar(0, first, "wait")] if first else []
    if latest > first:
        found.append(Bar(first, latest, "retry"))
    found.append(Bar(latest, max(end, latest + 1), "work"))
    if node.status == "running" and usual:
        rest = place(node.started + timedelta(seconds=usual))
        if rest > found[-1].end:
            found.append(Bar(found[-1].end, rest, "rest"))
    return found


def _scale(window: tuple[datetime, datetime], cells: int) -> Callable[[datetime], int]:
    start, end = window
    length = (end - start).total_seconds()

    def place(at: datetime) -> int:
        share = (at - start).total_seconds() / length
        return min(max(round(share * cells), 0), max(cells - 1, 0))

    return place


def row(node: NodeState, found: list[Bar], cells: int, ascii_only: bool = False) -> Line:
    """The bars as text."""
    style = style_of_status(node.status)
    looks = {
        "wait": ("." if ascii_only else "·", "dim"),
        "work": ("#" if ascii_only else "█", style),
        "retry": ("x" if ascii_only else "▒", "warning"),
        "rest": ("-" if ascii_only else "░", "dim"),
    }
    spans: list[Span] = []
    at = 0
    for bar in found:
        end = min(bar.end, cells)
        spans.append((" " * (bar.start - at), "text"))
        spans.append((looks[bar.kind][0] * (end - bar.start), looks[bar.kind][1]))
        at = end
    return tuple(spans)


class GanttPane(Pane):
    """One row a node, in the order in which they began."""

    heading = "Gantt"
    footer = ("rerun.node", "open", "zoom")
    body: GanttBody

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = GanttBody()

    def on_world(self, change: Change) -> None:
        self.body.on_world(change)

    def title(self) -> tuple[Line, Line]:
        mark = "critical path ◆" if not self.top.ascii else "critical path *"
        return (("Gantt", "title"),), ((mark if self.world.critical else "", "dim"),)

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        self.top.changed(self.world.select(self.body.key_at(event.index)))

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        if self.body.key_at(event.index) is not None:
            await self.top.main.show_view("story")


class GanttBody(LinePane):
    """An axis, then the rows. A live run's rows all move with its clock, a few times a minute at least."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self._window: tuple[datetime, datetime] | None = None

    @property
    def world(self) -> World:
        return self.top.world

    def on_world(self, change: Change) -> None:
        if not (change.run or change.state or change.time or change.history or change.selection):
            return
        world = self.world
        self.order = order(world.state)
        self._window = span(world.state, world.past, world.now())
        self.all_changed()
        if world.node in self.order:
            self.move_to(self.order.index(world.node or "") + 1, by_hand=False)

    def key_at(self, index: int) -> str | None:
        """The node on a line; None on the axis."""
        return self.order[index - 1] if 0 < index <= len(self.order) else None

    def count(self) -> int:
        return len(self.order) + 1 if self.order else 1

    @property
    def _names(self) -> int:
        longest = max((len(self.world.name(key)) for key in self.order), default=8)
        return min(longest + 2, self.size.width // 3)

    def line(self, index: int) -> Line:
        if not self.order or self._window is None:
            return ((" nothing has begun", "dim"),)
        room = max(self.size.width - self._names - 4, 4)
        if index == 0:
            return self._axis(self._window, room)
        key = self.order[index - 1]
        node = self.world.state.nodes[key]
        usual = eta.usual(self.world.past, key, node)
        found = bars(node, self._window, room, self._now(), usual)
        critical = key in self.world.critical
        sign = self.top.sign(self.world.status(key))
        name = fit(self.world.name(key), self._names - 1)
        return (
            (f"{sign} ", style_of_status(self.world.status(key))),
            (name, "text" if found else "dim"),
            ("*" if critical and self.top.ascii else "◆" if critical else " ", "critical"),
            (" ", "text"),
            *row(node, found, room, self.top.ascii),
        )

    def _now(self) -> datetime:
        """The moment up to which open bars go."""
        state = self.world.state
        now = self.world.now()
        return (state.finished or state.last_at or now) if state.done else now

    def _axis(self, window: tuple[datetime, datetime], room: int) -> Line:
        start, end = window
        seconds = (end - start).total_seconds()
        spans: list[Span] = [(" " * (self._names + 3), "text")]
        for cell in range(0, max(room - 8, 1), _TICKS):
            at = start + timedelta(seconds=seconds * cell / room)
            spans.append((fit(clock(at), _TICKS), "dim"))
        return tuple(spans)
