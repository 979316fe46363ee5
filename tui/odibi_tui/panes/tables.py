"""The project's tables: which there are, who wrote them, and below their columns and first rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.safe_text import safe_line
from odibi_tui.asking import Answer, Asker, QuestionError
from odibi_tui.background import in_background
from odibi_tui.grid import NO_TABLE, GridBody, record
from odibi_tui.lines import LinePane, TextPane
from odibi_tui.paint import Line, amount, clock, columns, duration, fit, folded, rule, size, wrap
from odibi_tui.pane import Chrome, Pane
from odibi_tui.story_page import counted
from odibi_tui.world import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from odibi_tui.world import World

__all__ = ["Stored", "TableList", "TablesPane", "stored_line", "stored_of", "table_head"]

_PREVIEW = 100
_LOW = 12  # rows of a pane that shows the list only


@dataclass(frozen=True, slots=True)
class Stored:
    """One output: `name` as SQL finds it, `path` as people read it.

    `bytes` and `changed` are None until it has been written; `rows` when nobody counted them. `run_id`
    is the run that wrote it last, empty when the ledger knows of none.
    """

    key: str
    name: str
    format: str
    path: str
    bytes: int | None = None
    changed: datetime | None = None
    rows: int | None = None
    run_id: str = ""
    layer: str = ""

    @property
    def written(self) -> bool:
        return self.changed is not None

    @property
    def missing(self) -> bool:
        """A run wrote it, and nothing is there any more."""
        return not self.written and bool(self.run_id)


def stored_of(table: dict[str, Any], world: World) -> Stored:
    """A table as `Asker.tables` tells it, with what the ledger knows.

    Rows are those in the files' footers; else those of the run, where a run replaces the whole table.
    A table on a server, of which nothing is asked for the list, has the time of the run.
    """
    key, path = table["key"], Path(table["path"])
    cells = (cell for cell in world.cells.get(key, ()) if cell.whole)  # others write elsewhere
    last = next((cell for cell in cells if cell.status == "succeeded"), None)
    rows = table["rows"]
    if rows is None and last is not None and table["whole"]:
        rows = last.rows_out
    changed = datetime.fromisoformat(table["changed"]) if table["changed"] else None
    if changed is None and table["written"] and last is not None:
        changed = last.began
    return Stored(
        key,
        table["sql_name"],
        table["format"],
        str(path.relative_to(world.root)) if path.is_relative_to(world.root) else str(path),
        table["bytes"],
        changed,
        rows,
        last.run_id if last is not None else "",
        world.layer(key),
    )


# Lines ------------------------------------------------------------------------------------------------

_COLUMNS = (
    ("TABLE", 0, False),
    ("ROWS", 9, True),
    ("SIZE", 9, True),
    ("FORMAT", 7, False),
    ("WRITTEN", 11, False),
    ("LAYER", 0, False),
    ("BY RUN", 20, False),
    ("WHERE", 0, False),
)
_LAYER = 5  # the place of the layers
_NARROWEST = 12


def _widths(names: int, cells: int, layers: int) -> list[int]:
    """Cells of each column; those at the right give way first, the path takes what is left."""
    widths = [
        max(min(max(names, _NARROWEST), 40, cells - 2), 1),
        *(size_ for _, size_, _ in _COLUMNS[1:-1]),
        0,
    ]
    widths[_LAYER] = min(max(layers, len("LAYER")), _NARROWEST) if layers else 0
    room = cells - 1 - (widths[0] + 1)
    for place in range(1, len(widths) - 1):
        room -= widths[place] + 1 if widths[place] else 0
        if room < 0:
            widths[place:] = [0] * (len(widths) - place)
            return widths
    widths[-1] = room - 1 if room > _NARROWEST else 0
    return widths


def _row(parts: Sequence[tuple[str, str]], names: int, cells: int, layers: int) -> Line:
    found = zip(parts, _widths(names, cells, layers), _COLUMNS, strict=True)
    shown = [(((fit(text, w, right), style),), w, right) for (text, style), w, (_, _, right) in found if w]  # fmt: skip
    return ((" ", "text"), *columns(shown))


def table_head(names: int, cells: int, layers: int = 0) -> Line:
    """The headings of the list, for names and layers of at most so many characters."""
    return _row([(title, "heading") for title, _, _ in _COLUMNS], names, cells, layers)


def stored_line(table: Stored, names: int, cells: int, layers: int = 0) -> Line:
    """A table in a line."""
    name = (safe_line(table.name), "text" if table.written else "dim")
    if not table.written:
        when = "missing" if table.missing else "not yet"
        facts = ["", "", table.format, when, table.layer, table.run_id, table.path]
    else:
        when, rows = clock(table.changed, date=True), amount(table.rows)
        facts = [rows, size(table.bytes), table.format, when, table.layer, table.run_id, table.path]
    styles = ["text" if table.written else "dim", *["dim"] * 6]
    styles[3] = "warning" if table.missing else "dim"
    rest = ((safe_line(text), style) for text, style in zip(facts, styles, strict=True))
    return _row([name, *rest], names, cells, layers)


def _unwritten_lines(table: Stored, cells: int) -> list[Line]:
    """Why there are no rows, and what brings them."""
    name, run = safe_line(table.name), f"odibi run --select +{safe_line(table.key)}"
    said = [(f"{name} has not been written yet.", "text")]
    if table.missing:
        said = [
            (f"{name} is missing: nothing is at {safe_line(table.path)}.", "warning"),
            (f"Run {safe_line(table.run_id)} wrote it last.", "text"),
        ]
    said.append((f" {run}   or R on the node", "dim"))
    return [line for text, style in said for line in wrap(text, cells - 2, style, " ")]


# Widgets ----------------------------------------------------------------------------------------------


class TablesPane(Pane):
    """The list above; below the table under the cursor, which enter gives the keys to."""

    heading = "Tables"
    footer = ("open", "view.query", "filter", "copy", "back")

    body: LinePane

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.list = TableList()
        self.grid = GridBody()
        self.page = TextPane()
        self.body = self.list
        self.found = ""
        self.answer: Answer | None = None
        self.shown: Stored | None = None
        self._asker: Asker | None = None
        self._bringing = False

    @property
    def asker(self) -> Asker:
        """What brings tables."""
        if self._asker is None:
            self._asker = Asker(self.world.path)
        return self._asker

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        self.head = Chrome()
        self.below = Chrome(classes="rule")
        yield from (
            self.rule,
            self.head,
            self.list,
            self.below,
            self.page,
            self.grid.head,
            self.grid,
        )

    def on_mount(self) -> None:
        self.page.can_focus = False
        self.grid.show(NO_TABLE)
        self._read()

    async def on_unmount(self) -> None:
        if self._asker is not None:
            await self._asker.close()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self.draw)

    # The list -----------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        if change.history or change.project:
            self._read()

    def title(self) -> tuple[Line, Line]:
        known = counted(len(self.list.tables), "table")
        note = f"{len(self.list.shown)} of {known} match {self.found}" if self.found else known
        return (("Tables", "title"),), ((safe_line(note) if self.list.tables else "", "dim"),)

    def _read(self) -> None:
        in_background(self, self._list, "tables", exclusive=True)

    async def _list(self) -> None:
        try:
            found = await self.asker.tables()
        except QuestionError as error:
            self.list.fail(str(error))
        else:
            self.list.take([stored_of(table, self.world) for table in found])
        self.draw()
        self._bring()

    def find(self, text: str) -> None:
        """Show only tables with the text in their name."""
        self.found = text
        self.list.filter(text)
        self.draw()
        self._bring()

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        if event.pane is self.list:
            self._bring()

    # The table ----------------------------------------------------------------------------------------

    def _bring(self) -> None:
        """Have the columns and first rows of the table under the cursor shown."""
        if not self._bringing and self.list.chosen != self.shown:
            self._bringing = True
            in_background(self, self._preview, "preview")

    async def _preview(self) -> None:
        """Bring what the cursor is on until it stays: a question that began is not cut off."""
        try:
            while (table := self.list.chosen) != self.shown:
                answer = None
                if table is not None and table.written:
                    answer = await self.asker.ask(f"FROM {table.name}", _PREVIEW)
                self._show(table, answer)
        finally:
            self._bringing = False

    def _show(self, table: Stored | None, answer: Answer | None) -> None:
        same = self.shown is not None and table is not None and self.shown.key == table.key
        self.shown, self.answer = table, answer
        place = (self.grid.cursor, self.grid.scroll_offset) if same else None
        self.grid.show(answer.table if answer is not None else NO_TABLE)
        if place is not None and place[0] is not None:
            self.grid.move_to(place[0], by_hand=False)
            self.grid.scroll_to(*place[1], animate=False, immediate=True)
        self.draw()

    def draw(self) -> None:
        """Write the headings and what is said instead of rows."""
        if not self.is_mounted or not self.size.width:
            return
        cells, table = self.size.width, self.shown
        low = self.size.height < _LOW
        filled = self.answer is not None and bool(self.answer.table.columns) and table is not None
        self.head.display = bool(self.list.shown)
        self.head.show(table_head(self.list.names, cells, self.list.layer_width))
        self.list.styles.height = self._list_height()
        self.below.display = table is not None and not low
        self.grid.display = self.grid.head.display = filled and not low
        self.page.display = table is not None and not filled and not low
        if table is not None:
            name = safe_line(table.name)
            self.below.show(rule(((name, "title"),), ((self._extent(table), "dim"),), cells))
            self.page.show(self._said(table, cells), keep_place=False)
        if self.body is self.grid and not self.grid.display:
            self._turn_to(self.list)
        self.list.all_changed()
        self.retitle()

    def _list_height(self) -> int | str:
        """The list takes what it needs, up to half of the pane, above a table."""
        if self.size.height < _LOW or self.shown is None:
            return "1fr"
        return max(min(self.list.count(), (self.size.height - 3) // 2), 1)

    def _extent(self, table: Stored) -> str:
        answer = self.answer
        if answer is None or answer.error is not None:
            return ""
        wide = counted(len(answer.table.columns), "column")
        shown = len(answer.table.rows)
        said = counted(shown, "row")
        if answer.more:
            said = (
                f"first {said}" if table.rows is None else f"{shown} of {amount(table.rows)} rows"
            )
        return f"{wide} · {said} · {duration(answer.seconds)}"

    def _said(self, table: Stored, cells: int) -> list[Line]:
        if not table.written:
            return _unwritten_lines(table, cells)
        if self.answer is None or self.answer.error is None:
            return [((" reading …", "dim"),)]
        said = [(self.answer.error, "failed"), (self.answer.hint or "", "accent")]
        return [
            line
            for text, style in said
            if text
            for line in wrap(safe_line(text), cells - 2, style, " ")
        ]

    # Acting -------------------------------------------------------------------------------------------

    def _turn_to(self, part: LinePane) -> None:
        """Let keys act on the list or on the rows."""
        self.body = part
        self.screen.set_focus(part)

    def on_descendant_focus(self) -> None:
        for part in (self.list, self.grid):
            if part.has_focus:
                self.body = part
        super().on_descendant_focus()

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        if event.pane is self.grid:
            from odibi_tui.dialogs.confirm import MessageDialog

            name = self.shown.name if self.shown is not None else ""
            text = record(self.grid.table, event.index)
            await self.top.push_screen(MessageDialog(f"{name}, row {event.index + 1}", text))
        elif self.grid.display and self.grid.count():
            self._turn_to(self.grid)

    def do_pane_next(self) -> None:
        other = self.list if self.body is self.grid else self.grid
        if other.display:
            self._turn_to(other)

    def do_pane_previous(self) -> None:
        self.do_pane_next()

    def do_move_left(self) -> None:
        self.grid.move_sideways(-1)

    def do_move_right(self) -> None:
        self.grid.move_sideways(1)

    async def do_back(self) -> None:
        if self.body is self.grid:
            self._turn_to(self.list)
        elif self.found:
            self.find("")
        else:
            await self.top.main.do_back()

    async def do_view_query(self) -> None:
        """Ask about the table under the cursor."""
        table = self.list.chosen
        await self.top.main.do_view_query()
        if table is not None and table.written:
            from odibi_tui.panes.query import QueryPane

            query = self.top.main.panes["query"]
            assert isinstance(query, QueryPane)
            query.prefill(f"SELECT * FROM {table.name} LIMIT {_PREVIEW}")

    def copies(self) -> list[tuple[str, str]]:
        """(label, text) of what can be copied."""
        from odibi_tui.story_copies import as_csv, as_markdown

        table, shown = self.list.chosen, self.grid.table
        if table is None:
            return []
        found = [("name", table.name), ("path", table.path)]
        if shown.columns:
            found.append(("columns", "\n".join(f"{name} {kind}" for name, kind in shown.columns)))
        if shown.rows:
            names = [name for name, _ in shown.columns]
            found.append(("row", record(shown, self.grid.cursor or 0)))
            found.append((f"{counted(len(shown.rows), 'row')} as CSV", as_csv(names, shown.rows)))
            found.append(("rows as Markdown", as_markdown(names, shown.rows)))
        return found


class TableList(LinePane):
    """One line a table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Stored] = []
        self.shown: list[Stored] = []
        self.names = self.layer_width = 0
        self._said: list[str] = ["reading …"]
        self._wanted = ""

    def take(self, found: list[Stored]) -> None:
        """Show these tables; the cursor stays on the one that it is on."""
        self.tables = found
        self._said = (
            [] if found else ["No node writes a table.", "a `write:` below a node makes one"]
        )
        self.filter(self._wanted)

    def fail(self, why: str) -> None:
        """Say why there are none."""
        self.tables, self.shown, self._said = [], [], why.splitlines()
        self.all_changed()

    def filter(self, text: str) -> None:
        """Show only those with the text in their name."""
        before = self.chosen
        self._wanted = text
        self.shown = [table for table in self.tables if folded(text) in folded(table.name)]
        self.names = max((len(safe_line(table.name)) for table in self.tables), default=0)
        self.layer_width = max((len(table.layer) for table in self.tables), default=0)
        keys = [table.key for table in self.shown]
        self.cursor = keys.index(before.key) if before is not None and before.key in keys else 0
        self.all_changed()

    @property
    def chosen(self) -> Stored | None:
        """The table under the cursor."""
        place = self.cursor or 0
        return self.shown[place] if place < len(self.shown) else None

    def count(self) -> int:
        return len(self.shown) or len(self._said) or 1

    def line(self, index: int) -> Line:
        if self.shown:
            return stored_line(self.shown[index], self.names, self.size.width, self.layer_width)
        if self._said:
            return ((f" {safe_line(self._said[index])}", "dim" if index else "text"),)
        return ((f" No table matches {safe_line(self._wanted)}", "text"), ("   esc clears", "dim"))
