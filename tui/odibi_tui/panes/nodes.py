"""The table of nodes: state, progress, rows, time against usual, and the past of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from odibi.run_state import NodeState
from odibi.safe_text import safe_line
from odibi_tui import eta
from odibi_tui.filtering import matching, rows_before
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, amount, bar, columns, duration, fit, percent, rate, sparkline
from odibi_tui.pane import Pane
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change, World

__all__ = ["NodesPane"]

SORTS = ("live", "plan", "name", "layer", "time", "rows")
GROUPS = ("none", "layer", "pipeline")
_URGENT = {"running": 0, "retrying": 0, "failed": 1, "lost": 1, "warning": 2}


class NodesPane(Pane):
    """One row a node. Rows that change are repainted alone."""

    heading = "Nodes"
    footer = ("rerun.node", "rerun.downstream", "cancel.node", "open", "sort", "group", "mark")

    body: NodeTable

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = NodeTable()

    def on_mount(self) -> None:
        looks = self.top.preferences.looks
        self.body.sort = _one_of(SORTS, looks.get("nodes.sort"), "live")
        self.body.grouping = _one_of(GROUPS, looks.get("nodes.group"), "none")
        self.body.reverse = looks.get("nodes.reverse") is True

    def on_world(self, change: Change) -> None:
        self.body.on_world(change)

    def title(self) -> tuple[Line, Line]:
        world, table = self.world, self.body
        shown, known = table.node_count, len(world.nodes)
        note = f"{shown} of {known}   {world.filter}" if world.filter else f"{known}"
        order = "↑" if table.reverse else ""
        group = f" · by {table.grouping}" if table.grouping != "none" else ""
        return ((("Nodes", "title"),), ((f"{note} · sort {table.sort}{order}{group}", "dim"),))

    def node_at_cursor(self) -> str | None:
        """The node that keys act on while none is selected."""
        return None if self.body.cursor is None else self.body.key_at(self.body.cursor)

    def do_sort(self) -> None:
        table = self.body
        table.sort = SORTS[(SORTS.index(table.sort) + 1) % len(SORTS)]
        self._looks_changed()

    def do_sort_reverse(self) -> None:
        self.body.reverse = not self.body.reverse
        self._looks_changed()

    def do_group(self) -> None:
        table = self.body
        table.grouping = GROUPS[(GROUPS.index(table.grouping) + 1) % len(GROUPS)]
        self._looks_changed()

    def _looks_changed(self) -> None:
        table = self.body
        self.top.preferences.looks |= {
            "nodes.sort": table.sort,
            "nodes.group": table.grouping,
            "nodes.reverse": table.reverse,
        }
        table.rebuild()
        self.retitle()

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        self.top.changed(self.world.select(self.body.key_at(event.index)))

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        key = self.body.key_at(event.index)
        if key is not None:
            self.top.changed(self.world.select(key))
            await self.top.main.show_view("story")


class NodeTable(LinePane):
    """The rows. `order` are keys of nodes, or the titles of groups (with None as key)."""

    has_cursor: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.sort = "live"
        self.grouping = "none"
        self.reverse = False
        self.order: list[tuple[str, str | None]] = []
        self._places: dict[str, int] = {}
        self._statuses: dict[str, str] = {}
        self._marks: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._name_cells = 12

    @property
    def node_count(self) -> int:
        return len(self._places)

    @property
    def world(self) -> World:
        return self.top.world

    def key_at(self, index: int) -> str | None:
        """The node on a line; None on a heading."""
        place = index - 1
        return self.order[place][1] if 0 <= place < len(self.order) else None

    def on_world(self, change: Change) -> None:
        if change.run or change.history or change.filter or change.project or change.runs:
            self.rebuild()
            return
        if self._may_reorder(change) and self._sorted() != self.order:
            self.rebuild()
            return
        if change.selection:
            self.refresh_marks()
        touched = {self._places[key] for key in change.nodes if key in self._places}
        if change.time:
            running = ("running", "retrying")
            touched |= {
                place
                for key, place in self._places.items()
                if (node := self.world.node_state(key)) and node.status in running
            }
        if touched:
            self.lines_changed(touched)

    def _may_reorder(self, change: Change) -> bool:
        """Whether the rows may stand in another order now: states count at once, numbers once a second."""
        if self.sort in ("time", "rows") or any(sign in self.world.filter for sign in "<>"):
            return change.time
        if self.sort != "live" and "s:" not in self.world.filter:
            return False
        status = self.world.status
        return any(self._statuses.get(key) != status(key) for key in change.nodes)

    def rebuild(self) -> None:
        """Order the rows anew; the cursor stays on its node."""
        self.order = self._sorted()
        self._statuses = {key: self.world.status(key) for key in self.world.nodes}
        self._places = {key: i for i, (_, key) in enumerate(self.order, start=1) if key is not None}
        names = (len(self.world.name(key)) for key in self._places)
        self._name_cells = max(12, min(max(names, default=12), max(self.size.width // 3, 12)))
        self.all_changed()
        self.refresh_marks()

    def refresh_marks(self) -> None:
        """The selection or the marks are others: the cursor goes along."""
        place = self._places.get(self.world.node or "")
        if place is not None and place != self.cursor:
            self.move_to(place, by_hand=False)
        elif self.cursor == 0 and self.order:
            first = next(iter(self._places.values()), 1)
            self.move_to(first, by_hand=False)
        marks = (self.world.marked, self.world.planned)
        if marks != self._marks:
            self._marks = marks
            self.style_changed()

    def _sorted(self) -> list[tuple[str, str | None]]:
        keys = sorted(matching(self.world), key=self._rank(), reverse=self.reverse)
        if self.grouping == "none":
            return [("", key) for key in keys]
        group = self.world.layer if self.grouping == "layer" else _pipeline
        groups: dict[str, list[str]] = {}
        for key in keys:
            groups.setdefault(group(key) or "no layer", []).append(key)
        rows: list[tuple[str, str | None]] = []
        for name, members in groups.items():
            rows.append((name, None))
            rows += [(name, key) for key in members]
        return rows

    def _rank(self) -> Callable[[str], tuple[float | str, ...]]:
        world = self.world
        place = {key: i for i, key in enumerate(world.nodes)}
        match self.sort:
            case "name":
                return lambda key: (world.name(key).casefold(),)
            case "layer":
                return lambda key: (world.layer(key), place[key])
            case "time":
                return lambda key: (-(_seconds(world, key) or -1.0), place[key])
            case "rows":
                return lambda key: (-(_rows(world.node_state(key)) or -1), place[key])
            case "live":
                return lambda key: (_URGENT.get(world.status(key), 3), place[key])
        return lambda key: (place[key],)

    # Rows -----------------------------------------------------------------------------------------------

    def count(self) -> int:
        return len(self.order) + 1 if self.order else len(self._empty())

    def line(self, index: int) -> Line:
        if not self.order:
            return self._empty()[index]
        if index == 0:
            return columns(
                (((title, "heading"),), cells, right) for title, cells, right, _ in self._columns()
            )
        name, key = self.order[index - 1]
        if key is None:
            return self._group_line(name)
        return columns((draw(key), cells, right) for _, cells, right, draw in self._columns())

    def _group_line(self, name: str) -> Line:
        world = self.world
        keys = [key for group, key in self.order if group == name and key is not None]
        statuses = [world.status(key) for key in keys]
        signs = tuple(
            (f" {self.top.sign(status)}{statuses.count(status)}", style_of_status(status))
            for status in dict.fromkeys(statuses)
        )
        return ((f"▾ {safe_line(name)} ", "title"), (f"{len(keys)}", "dim"), *signs)

    def _empty(self) -> list[Line]:
        world = self.world
        if world.filter:
            known = len(world.nodes)
            return [
                (
                    (f" 0 of {known} match `{world.filter}`", "text"),
                    ("   esc clears the filter", "dim"),
                )
            ]
        if world.project.problems:
            return [((f" {text}", "failed"),) for text in world.project.problems[:20]]
        return [((" No nodes yet.", "dim"),)] if world.loaded else [((" reading …", "dim"),)]

    def _columns(self) -> list[tuple[str, int, bool, Callable[[str], Line]]]:
        """Title, cells, whether at the right, and how to draw each column that has room."""
        room = self.size.width - 4 - self._name_cells - 1
        chosen: list[tuple[str, int, bool, Callable[[str], Line]]] = [
            ("", 2, False, self.cell_state),
            ("NODE", self._name_cells, False, self.cell_name),
        ]
        optional = (
            (1, "LAYER", 7, False, self.cell_layer),
            (5, "PROGRESS", 12, False, self.cell_progress),
            (7, "IN", 9, True, self.cell_rows_in),
            (0, "ROWS", 9, True, self.cell_rows_out),
            (2, "Δ ROWS", 8, True, self.cell_delta),
            (6, "ASIDE", 6, True, self.cell_aside),
            (0, "TIME", 6, True, self.cell_time),
            (4, "USUAL", 6, True, self.cell_usual),
            (8, "ROWS/S", 8, True, self.cell_rate),
            (3, "LAST RUNS", 12, False, self.cell_last),
            (9, "DURATIONS", 16, False, self.cell_durations),
            (10, "ENGINE", 8, False, self.cell_engine),
        )
        taken: set[str] = set()
        for _, title, cells, _, _ in sorted(optional, key=lambda column: column[0]):
            if cells + 1 <= room:
                taken.add(title)
                room -= cells + 1
        chosen += [(t, c, r, draw) for _, t, c, r, draw in optional if t in taken]
        return chosen

    def cell_state(self, key: str) -> Line:
        status = self.world.status(key)
        mark = "»" if key in self.world.marked else " "
        if key in self.world.planned:
            return ((mark + self.top.sign("retrying"), "planned"),)
        return ((mark, "planned"), (self.top.sign(status), style_of_status(status)))

    def cell_name(self, key: str) -> Line:
        status = self.world.status(key)
        style = "failed" if status in ("failed", "lost") else "text"
        if status in ("none", "skipped"):
            style = "dim"
        return ((fit(self.world.name(key), self._name_cells), style),)

    def cell_layer(self, key: str) -> Line:
        return ((self.world.layer(key), "dim"),)

    def cell_progress(self, key: str) -> Line:
        node = self.world.node_state(key)
        if node is None or node.status not in ("running", "retrying"):
            said = node.reason if node and node.status in ("skipped", "reused") else ""
            return ((safe_line(said), "dim"),)
        if node.status == "retrying":
            return ((f"try {node.attempt + 1} soon", "warning"),)
        usual = eta.usual(self.world.past, key, node)
        if eta.is_overdue(node, usual, self.world.now()):
            return (("over usual", "warning"),)
        share = self._share(key, node)
        if share is None:
            return ((safe_line(node.stage or ""), "running"),)
        full, empty = bar(share, 7, self.top.ascii)
        return ((full, "running"), (empty, "dim"), (f"{share:4.0%}", "text"))

    def _share(self, key: str, node: NodeState) -> float | None:
        """How far a running node is: what its engine says, else its time against the usual."""
        if node.fraction is not None:
            return node.fraction
        usual = eta.usual(self.world.past, key, node)
        if not usual or node.started is None:
            return None
        return min((self.world.now() - node.started).total_seconds() / usual, 0.99)

    def cell_rows_in(self, key: str) -> Line:
        node = self.world.node_state(key)
        return ((amount(node.counts.rows_in) if node and node.counts else "", "text"),)

    def cell_rows_out(self, key: str) -> Line:
        node = self.world.node_state(key)
        if node is None:
            return (("", "text"),)
        known = _rows(node)
        return (
            (amount(known) if known is not None else "—", "text" if known is not None else "dim"),
        )

    def cell_delta(self, key: str) -> Line:
        before, after = rows_before(self.world, key), _rows(self.world.node_state(key))
        said = percent(before, after)
        large = bool(before and after is not None and abs(after - before) > before / 5)
        return ((said, "warning" if large else "dim"),)

    def cell_aside(self, key: str) -> Line:
        node = self.world.node_state(key)
        put = node.counts.quarantined + node.counts.unreadable if node and node.counts else 0
        return ((amount(put) if put else "", "warning"),)

    def cell_time(self, key: str) -> Line:
        seconds = _seconds(self.world, key)
        usual = eta.usual(self.world.past, key, self.world.node_state(key))
        slow = bool(seconds and usual and seconds > 2 * usual and seconds > 1)
        return ((duration(seconds) if seconds is not None else "", "warning" if slow else "text"),)

    def cell_usual(self, key: str) -> Line:
        usual = eta.usual(self.world.past, key, self.world.node_state(key))
        return ((duration(usual) if usual is not None else "", "dim"),)

    def cell_rate(self, key: str) -> Line:
        node = self.world.node_state(key)
        seconds = _seconds(self.world, key)
        return ((rate(_rows(node), seconds if seconds and seconds > 0.05 else None), "dim"),)

    def cell_last(self, key: str) -> Line:
        cells = list(self.world.cells.get(key, ()))[:12]
        return tuple(
            (self.top.sign(cell.status), style_of_status(_heat(cell.status, cell.checks_failed)))
            for cell in reversed(cells)
        )

    def cell_durations(self, key: str) -> Line:
        past = [cell.seconds for cell in reversed(self.world.cells.get(key, ()))]
        return ((sparkline(past, 16, self.top.ascii), "dim"),)

    def cell_engine(self, key: str) -> Line:
        return ((safe_line(self.world.state.engine if self.world.node_state(key) else ""), "dim"),)


def _one_of(known: tuple[str, ...], value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and value in known else otherwise


def _heat(status: str, checks_failed: int) -> str:
    return "warning" if status == "succeeded" and checks_failed else status


def _pipeline(key: str) -> str:
    return key.rpartition(".")[0]


def _rows(node: NodeState | None) -> int | None:
    """Rows that came out; while it runs, those done so far."""
    if node is None:
        return None
    if node.counts is not None and node.counts.rows_out is not None:
        return node.counts.rows_out
    return node.rows_done


def _seconds(world: World, key: str) -> float | None:
    """How long the node took, or has been running."""
    node = world.node_state(key)
    if node is None or node.status in ("skipped", "reused", "queued"):
        return None
    if node.seconds is not None:
        return node.seconds
    if node.started is None:
        return None
    end = node.finished or (world.state.last_at if world.state.done else world.now())
    return max(((end or node.started) - node.started).total_seconds(), 0.0)
