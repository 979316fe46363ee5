"""Past runs: how long each took and how it ended, and what every node did in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from odibi.history import RunSummary
from odibi.run_state import RunState
from odibi.safe_text import safe_line
from odibi_tui import heat
from odibi_tui.chrome import elapsed
from odibi_tui.filtering import matching
from odibi_tui.heat import MODES, Fact, Facts, Grid
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, Span, amount, clip, duration, fit, join, rule, width
from odibi_tui.pane import Chrome, Pane
from odibi_tui.theme import style_of_status
from odibi_tui.world import Change, World

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

__all__ = ["RunsPane", "Shape", "details", "facts_line", "marker", "shape_of", "when"]

_CELLS = 20_000  # of the matrix, that are loaded at most
_BEFORE = 20  # runs before those in sight, to compare these with
_NOTES = {"rows": 17}


@dataclass(frozen=True, slots=True)
class Shape:
    """How the rows of the pane are used: `bars` rows of durations, then one each for what is true.

    `foot` rows at the end tell about the run that the cursor stands on.
    """

    bars: int
    pipelines: int
    marker: bool
    facts: bool
    matrix: bool
    foot: int


def shape_of(height: int, pipelines: int) -> Shape:
    """The use of so many rows (below the title) in a project of so many pipelines."""
    if height < 9:
        several = pipelines if 1 < pipelines <= height - 4 else 0
        rest = height - 1 - several  # beside the states
        return Shape(min(max(rest - 2, 1), 3) if rest else 0, several, rest > 2, rest > 1, False, 0)
    bars = 1 if height < 24 else 2 if height < 40 else 3
    several = pipelines if 1 < pipelines <= 6 and height >= 28 else 0
    return Shape(bars, several, True, True, True, 3 if height >= 16 else 0)


def when(at: datetime | None, now: datetime) -> str:
    """The time of day, with the date unless it was today; `—` when unknown."""
    if at is None:
        return "—"
    local, today = at.astimezone(), now.astimezone()
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d}"


def facts_line(facts: Facts, signs: Mapping[str, str], now: datetime, cells: int) -> Line:
    """How the project has been doing, as much of it as there is room for."""
    more = "+" if facts.runs >= 1000 else ""
    parts: list[Line] = [((f" {facts.runs:,}{more} run{'s' if facts.runs != 1 else ''}", "bold"),)]
    if facts.green is not None:
        style = "ok" if facts.green == 1 else "warning" if facts.green >= 0.8 else "failed"
        parts.append(((f"  {int(facts.green * 100)}% green", style),))
    if facts.p50 is not None:
        parts.append(((f"  usual {duration(facts.p50)}", "text"),))
    if facts.p95 is not None:
        parts.append(((f"  slow {duration(facts.p95)}", "text"),))
    if facts.good is not None:
        parts.append(((f"  last {signs['succeeded']} {when(facts.good, now)}", "dim"),))
    if facts.bad is not None:
        parts.append(((f"  last {signs['failed']} {when(facts.bad, now)}", "failed"),))
    line: Line = ()
    for part in parts:
        if width(line) + width(part) > cells:
            break
        line = (*line, *part)
    return line


def marker(column: int, label: str, cells: int, ascii_only: bool = False) -> Line:
    """A sign below a column with a label on the side that has room for it."""
    sign, after = "^" if ascii_only else "▲", cells - column - 2
    if len(label) <= after or after >= column:
        return ((" " * column, "text"), (sign, "key"), (f" {label}"[: after + 1], "text"))
    left = fit(label, max(column - 1, 0), right=True)
    return ((f"{left} ", "text"), (sign, "key"))


def details(run: RunSummary, now: datetime, signs: Mapping[str, str], cells: int) -> list[Line]:
    """A run in two lines: when, how long and by which command; of what, from what, and what came of it."""
    style = style_of_status(run.status)
    command = safe_line(" ".join(run.command), 200)
    first: Line = (
        (f" {signs.get(run.status, '?')} {safe_line(run.run_id)}", "bold"),
        (f"  {run.status}", style),
        (f" {duration(run.seconds)}" if run.seconds is not None else "", "text"),
        (f"  started {when(run.started, now)}", "dim"),
        (f"  by {command}" if command else "", "text"),
    )
    counts = ((run.succeeded, "succeeded"), (run.failed, "failed"), (run.skipped, "skipped"))
    signed = " ".join(f"{signs[name]}{count}" for count, name in counts if count)
    said = [f"{run.nodes} nodes {signed}".rstrip(), f"{amount(run.rows_written)} rows"]
    said += [f"selection {' '.join(run.selection)}"] if run.selection else []
    said += [f"git {run.git_sha[:7]}"] if run.git_sha else []
    said += [f"env {run.env}"] if run.env else []
    aside = run.quarantined + run.unreadable
    said += [f"{amount(aside)} set aside"] if aside else []
    second: Line = ((f" {' · '.join(map(safe_line, said))}", "dim"), *_special(run))
    if run.status == "damaged":  # nothing else is known; the run's folder is the place of its log
        second = ()
    if run.error:
        said_why = run.error.rpartition(f"/{run.run_id}/")[2]
        second = (*second, (f"  {safe_line(said_why)}", "failed"))
    return [clip(first, cells), clip(second, cells)]


def _special(run: RunSummary) -> Line:
    """What makes a run another than whole."""
    said = ["dry run"] if run.dry_run else []
    said += [f"sample of {amount(run.sample)} rows"] if run.sample is not None else []
    said += ["scratch"] if run.scratch and run.sample is None else []
    spans: Line = ((f"  {'  '.join(said)}", "warning"),) if said else ()
    return (*spans, (f"  resume of {safe_line(run.resume_of)}", "text")) if run.resume_of else spans


class Head(Chrome):
    """The timeline; a click chooses a run."""

    def on_click(self, event: events.Click) -> None:
        if isinstance(self.parent, RunsPane):
            self.parent.choose_cell(event.x)


class RunsPane(Pane):
    """Runs from left to right, the newest at the right; below them nodes × runs where there is room."""

    heading = "Runs"
    footer = ("open", "replay", "mode", "compare", "rerun.failed", "zoom")

    body: Matrix

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = Matrix(self)
        self.mode = MODES[0]
        self.run_cursor: str | None = None
        self.start = 0
        self._shown: str | None = None
        self._facts: tuple[Sequence[RunSummary], Facts] | None = None
        self._past: tuple[object, Mapping[str, Mapping[str, str]]] | None = None
        self._now: dict[str, tuple[RunState, Mapping[str, str]]] = {}

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        self.head = Head()
        self.foot = Chrome()
        yield self.rule
        yield self.head
        yield self.body
        yield self.foot

    def on_mount(self) -> None:
        mode = self.top.preferences.looks.get("runs.mode")
        self.mode = mode if mode in MODES else MODES[0]

    def on_resize(self) -> None:
        self.draw()

    # What is shown --------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        return shape_of(self.size.height - 1, len(self.pipelines()))

    def pipelines(self) -> list[str]:
        """The pipelines of the nodes, in their order."""
        return list(dict.fromkeys(key.rpartition(".")[0] for key in self.world.nodes))

    def grid(self) -> Grid:
        """The columns. Remembers how far they are scrolled."""
        cells, names = self.size.width - self.note_cells, ["duration"]
        if self.shape.matrix:
            names += map(self.world.name, self.body.nodes)
        if self.shape.pipelines:
            names += self.pipelines()
        label = min(max(map(len, names)), max(cells // 4, 8)) + 3
        grid = heat.grid_of(self.world.runs, self.run_cursor, cells, label, self.start)
        self.start = grid.start
        return grid

    @property
    def note_cells(self) -> int:
        """Cells at the right of the matrix, for a fact about each node."""
        if not self.shape.matrix or self.size.width < 60:
            return 1
        return _NOTES.get(self.mode, 11)

    def state_of(self, run: RunSummary) -> RunState | None:
        """The run's state where it is at hand: the shown run (as a replay has it), or one that goes on."""
        world = self.world
        return world.state if run.run_id == world.state.run_id else world.live.get(run.run_id)

    def status_of(self, run: RunSummary) -> str:
        """The run's status, `warning` for a success with something to look at."""
        if run.run_id in self.world.damaged:
            return "damaged"
        state = self.state_of(run)
        status = state.status if state is not None else run.status
        look = status == "succeeded" and (run.warnings or run.checks_failed)
        return "warning" if look else status

    def facts_of(self, key: str, runs: Sequence[RunSummary]) -> list[Fact | None]:
        """What a node did in each of some runs."""
        cells = {cell.run_id: cell for cell in self.world.cells.get(key, ())}
        found: list[Fact | None] = []
        for run in runs:
            state, cell = self.state_of(run), cells.get(run.run_id)
            node = state.nodes.get(key) if state is not None else None
            if node is not None:
                found.append(heat.fact_of_node(node))
            else:
                found.append(heat.fact_of_cell(cell) if cell is not None else None)
        return found

    def older(self, grid: Grid) -> Sequence[RunSummary]:
        """Some runs before those of the grid, the oldest first."""
        first = grid.start + len(grid.runs)
        return self.world.runs[first : first + _BEFORE][::-1]

    # Drawing --------------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        world = self.world
        if world.run_id != self._shown or self.run_cursor is None:
            self._shown = self.run_cursor = world.run_id
        if not any(run.run_id == self.run_cursor for run in world.runs):
            self.run_cursor = world.run_id
        whole = change.run or change.runs or change.history or change.project or change.filter
        if whole or change.selection:
            self.draw()
        elif change.state:
            self.draw_head()
            self.body.nodes_changed(change.nodes)

    def draw(self) -> None:
        """Everything anew."""
        if not self.size.height:
            return
        self.body.take_nodes(matching(self.world) if self.shape.matrix else ())
        self.draw_head()
        self.body.rebuild()
        self.retitle()
        grid = self.body.grid
        if self.shape.matrix and grid is not None:
            most = max(_CELLS // max(len(self.world.nodes), 1), 50)
            self.top.want_history(min(grid.start + len(grid.runs) + _BEFORE, most))

    def draw_head(self) -> None:
        """The timeline and the lines about the run of the cursor."""
        self.body.grid = grid = self.grid()
        shape, cells = self.shape, self.size.width
        rows = self._timeline(grid, shape, cells) if self.world.runs else []
        self.head.display = shape.matrix and bool(rows)
        self.foot.display = shape.foot > 0 and bool(rows)
        if shape.matrix:
            title: Line = (("Nodes × runs", "heading"),)
            about: Line = ((f"{self.mode}  ", "bold"), ("v next", "dim"))
            self._fill(self.head, [*rows, rule(title, about, cells)] if rows else [])
            self.body.small = ()
        else:
            self.body.small = tuple(rows)
            self.body.all_changed()
        self._fill(self.foot, self._about(cells))

    def _fill(self, chrome: Chrome, lines: Sequence[Line]) -> None:
        if chrome.styles.height is None or chrome.styles.height.value != len(lines):
            chrome.styles.height = len(lines)
        chrome.show(*lines)

    def _about(self, cells: int) -> list[Line]:
        run = self.cursor_run
        if run is None:
            return []
        return [rule((), (), cells), *details(run, self.world.clock(), self.top.signs, cells)]

    @property
    def cursor_run(self) -> RunSummary | None:
        """The run that the cursor stands on."""
        return next((run for run in self.world.runs if run.run_id == self.run_cursor), None)

    def _timeline(self, grid: Grid, shape: Shape, cells: int) -> list[Line]:
        signs, statuses = self.top.signs, [self.status_of(run) for run in grid.runs]
        styles = [style_of_status(status) for status in statuses]
        lines: list[Line] = []
        for number, row in enumerate(heat.bars(self._seconds(grid), shape.bars, self.top.ascii)):
            label = "duration" if number == shape.bars - 1 else ""
            lines.append(self._row(grid, label, list(zip(row, styles, strict=True))))
        states = [(signs.get(status, "?"), style_of_status(status)) for status in statuses]
        lines.append(self._row(grid, "state", states))
        if shape.pipelines:
            told = [self._pipelines_in(run) for run in grid.runs]
            for name in self.pipelines():
                lines.append(self._row(grid, name, self._of_pipeline(told, name)))
        if shape.marker:
            lines.append(self._marker(grid, cells))
        if shape.facts:
            lines.append(facts_line(self._all_facts(), signs, self.world.clock(), cells))
        return lines

    def _seconds(self, grid: Grid) -> list[float | None]:
        found = []
        for run in grid.runs:
            state = self.state_of(run)
            took = elapsed(state, self.world.now()) if state is not None else None
            found.append(took if took is not None else run.seconds)
        return found

    def _all_facts(self) -> Facts:
        runs = self.world.runs
        if self._facts is None or self._facts[0] is not runs:
            self._facts = runs, heat.facts_of(runs)
        return self._facts[1]

    def _row(self, grid: Grid, label: str, spans: Sequence[Span]) -> Line:
        head: Span = (f" {fit(safe_line(label), grid.label - 2)} ", "dim")
        return (head, *self.cells(grid, spans))

    def cells(self, grid: Grid, spans: Sequence[Span]) -> Line:
        """One sign for each column, the cursor's own marked."""
        place = next((i for i, run in enumerate(grid.runs) if run.run_id == self.run_cursor), -1)
        marked = [
            (text, f"{style}.at" if number == place else style)
            for number, (text, style) in enumerate(spans)
        ]
        return heat.merged(marked, grid.pitch, grid.pitch * len(grid.runs))

    def _of_pipeline(self, told: Sequence[Mapping[str, str]], name: str) -> list[Span]:
        """The worst state of a pipeline's nodes in each run."""
        found, signs = [told_of.get(name) for told_of in told], self.top.signs
        return [(signs.get(s, "?"), style_of_status(s)) if s else (" ", "text") for s in found]

    def _pipelines_in(self, run: RunSummary) -> Mapping[str, str]:
        """Each pipeline's worst state in a run. What is known of a run at rest is kept."""
        cells, state = self.world.cells, self.state_of(run)
        if self._past is None or self._past[0] is not cells:
            past = heat.past_of_pipelines(cell for row in cells.values() for cell in row)
            self._past = cells, past
        if state is None:
            return self._past[1].get(run.run_id, {})
        known = self._now.get(run.run_id)
        if known is None or known[0] is not state:
            known = self._now[run.run_id] = state, heat.of_pipelines(state.nodes.values())
        return known[1]

    def _marker(self, grid: Grid, cells: int) -> Line:
        run, column = self.cursor_run, grid.column(self.run_cursor)
        if run is None or column is None:
            return ()
        shown = "" if run.run_id == self.world.run_id else "   ⏎ opens it"
        state = self.state_of(run)
        status = state.status if state is not None else run.status
        took = f" {duration(run.seconds)}" if run.seconds is not None else ""
        label = f"{when(run.started, self.world.clock())} {status}{took}{shown}"
        return marker(column, label, cells, self.top.ascii)

    def title(self) -> tuple[Line, Line]:
        grid, runs = self.body.grid, len(self.world.runs)
        if grid is None or not runs:
            return (("Runs", "title"),), ()
        older = runs - grid.start - len(grid.runs)
        said = [f"{older:,} older"] if older else []
        said += [f"{grid.start:,} newer"] if grid.start else []
        said += ["newest right"] if not grid.start else []
        return (("Runs", "title"),), ((" · ".join(said), "dim"),)

    # Acting ---------------------------------------------------------------------------------------------

    def choose_cell(self, cell: int) -> None:
        """Put the cursor on the run whose column a cell belongs to."""
        run = self.body.grid.run_at(cell) if self.body.grid is not None else None
        if run is not None:
            self._go(run.run_id)

    def _go(self, run_id: str) -> None:
        if run_id != self.run_cursor:
            self.run_cursor = run_id
            self.draw()

    def _step(self, step: int) -> None:
        ids = [run.run_id for run in self.world.runs]
        if self.run_cursor in ids:
            self._go(ids[min(max(ids.index(self.run_cursor) + step, 0), len(ids) - 1)])

    def do_move_left(self) -> None:
        self._step(1)

    def do_move_right(self) -> None:
        self._step(-1)

    def do_open(self) -> None:
        """Show the run of the cursor everywhere."""
        if self.run_cursor is not None:
            self.top.changed(self.world.show_run(self.run_cursor))
            self.top.ring()

    async def do_mark(self) -> None:
        """Space: replay the run of the cursor."""
        await self.do_replay()

    def can_replay(self) -> str | None:
        return None if self.run_cursor else "there is no run to replay"

    async def do_replay(self) -> None:
        if self.run_cursor != self.world.run_id:
            self.do_open()
        await self.top.main.do_replay()

    def do_mode(self) -> None:
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]
        self.top.preferences.looks["runs.mode"] = self.mode
        self.draw()

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        if event.index < len(self.body.nodes):
            self.top.changed(self.world.select(self.body.nodes[event.index]))


class Matrix(LinePane):
    """A row for each node; in a small region the timeline (`small`) instead."""

    has_cursor: ClassVar[bool] = True

    def __init__(self, pane: RunsPane) -> None:
        super().__init__()
        self.pane = pane
        self.nodes: tuple[str, ...] = ()
        self.grid: Grid | None = None
        self.small: tuple[Line, ...] = ()
        self._places: dict[str, int] = {}

    @property
    def world(self) -> World:
        return self.top.world

    def take_nodes(self, nodes: tuple[str, ...]) -> None:
        """The nodes to show."""
        if nodes is not self.nodes:
            self.nodes = nodes
            self._places = {key: place for place, key in enumerate(nodes)}

    def rebuild(self) -> None:
        """Every row anew; the cursor goes to the selected node."""
        self.all_changed()
        place = self._places.get(self.world.node or "")
        if not self.nodes or not self.world.runs:
            self.cursor = None
        elif place is not None and place != self.cursor:
            self.move_to(place, by_hand=False)

    def nodes_changed(self, keys: frozenset[str]) -> None:
        """Rows of nodes whose state changed."""
        self.lines_changed(self._places[key] for key in keys if key in self._places)

    def on_click(self, event: events.Click) -> None:
        self.pane.choose_cell(event.x)

    def count(self) -> int:
        if not self.world.runs:
            return len(self._empty())
        return len(self.small) or len(self.nodes)

    def line(self, index: int) -> Line:
        if not self.world.runs:
            return self._empty()[index]
        if self.small:
            return self.small[index]
        grid, key = self.grid, self.nodes[index]
        if grid is None:
            return ()
        runs = (*self.pane.older(grid), *grid.runs)  # the first column has something before it too
        facts = self.pane.facts_of(key, runs)
        signs = heat.heat(self.pane.mode, facts, self.top.signs)[-len(grid.runs) :]
        name: Span = (f" {fit(self.world.name(key), grid.label - 2)} ", "text")
        row: Line = (name, *self.pane.cells(grid, signs))
        if self.pane.note_cells < 2:
            return row
        note = heat.note(self.pane.mode, facts)
        return join(row, ((f"{note} ", "dim"),), self.size.width - 1) if note else row

    def _empty(self) -> list[Line]:
        world = self.world
        if not world.loaded:
            return [((" reading …", "dim"),)]
        short: Line = ((" No runs yet. ", "text"), ("A", "key"), (" runs the project", "dim"))
        if self.size.height < 9:
            return [short, ((" or in any terminal:  odibi run", "dim"),)][
                : max(self.size.height, 1)
            ]
        place = safe_line(world.root)
        return [
            (),
            (("   No runs yet in ", "text"), (f"{place}/.odibi/runs", "bold")),
            (),
            (("   odibi top watches this folder. Start a run in any terminal:", "dim"),),
            (),
            (("       odibi run", "accent"),),
            (),
            (("   and it appears here by itself.", "dim"),),
            (),
            (
                ("       A", "key"),
                ("   run the project now       ", "dim"),
                ("P", "key"),
                ("   see first what it would do", "dim"),
            ),
        ]
