"""The project's tables: which there are, their columns, and their first rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odibi.safe_text import safe_line
from odibi_tui.asking import Answer, ask, tables
from odibi_tui.background import in_background
from odibi_tui.lines import LinePane, TextPane
from odibi_tui.paint import Line, amount, columns, fit, folded, rule, size
from odibi_tui.pane import Chrome, Pane
from odibi_tui.story_page import data_table
from odibi_tui.world import Change

if TYPE_CHECKING:
    from textual.app import ComposeResult

__all__ = ["Stored", "TablesPane", "detail_lines", "stored_line"]

_PREVIEW = 100


@dataclass(frozen=True, slots=True)
class Stored:
    """One output: `name` as SQL finds it, whether it has been written, rows as the ledger knows them."""

    key: str
    name: str
    format: str
    path: str
    bytes: int | None
    changed: str | None
    rows: int | None = None
    run_id: str | None = None

    @property
    def written(self) -> bool:
        return self.changed is not None


class TablesPane(Pane):
    """The list above, the table under the cursor below."""

    heading = "Tables"
    footer = ("open", "view.query", "copy")
    body: TableList

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = TableList()
        self.detail = TextPane()
        self.detail.styles.height = "2fr"
        self.below = Chrome()
        self.found = ""
        self.answer: Answer | None = None
        self._problem = ""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.below
        yield self.detail

    def on_mount(self) -> None:
        self._read()

    def on_world(self, change: Change) -> None:
        if change.runs or change.project:
            self._read()

    def title(self) -> tuple[Line, Line]:
        shown, known = len(self.body.shown), len(self.body.tables)
        note = f"{shown} of {known}   {self.found}" if self.found else f"{known}"
        return (("Tables", "title"),), ((f"{note} · read-only", "dim"),)

    def _read(self) -> None:
        in_background(self, self._list, "tables", exclusive=True)

    async def _list(self) -> None:
        try:
            found = await tables(self.world.path)
        except ValueError as error:
            self.body.fail(str(error))
            return
        self.body.take([self._stored(table) for table in found])
        self.retitle()
        self.look()

    def _stored(self, table: dict[str, Any]) -> Stored:
        key = f"{table['pipeline']}.{table['node']}"
        last = next((c for c in self.world.cells.get(key, ()) if c.status == "succeeded"), None)
        path = Path(table["path"])
        root = self.world.root
        shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        return Stored(
            key,
            table["sql_name"],
            table["format"],
            shown,
            table["bytes"],
            table["changed"],
            last.rows_out if last else None,
            last.run_id if last else None,
        )

    def find(self, text: str) -> None:
        """Show only tables with the text in their name."""
        self.found = text
        self.body.filter(text)
        self.retitle()
        self.look()

    def on_line_pane_moved(self, event: LinePane.Moved) -> None:
        self.look()

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        self.look()

    def look(self) -> None:
        """Bring the columns and first rows of the table under the cursor."""
        in_background(self, partial(self._look, self.body.chosen), "preview", exclusive=True)

    async def _look(self, table: Stored | None) -> None:
        self.answer = None
        if table is None:
            self._show_detail(None, ())
            return
        schema = self._schema(table.key)
        if not table.written:
            self._show_detail(table, schema)
            return
        self.answer = await ask(self.world.path, f"FROM {table.name}", _PREVIEW)
        self._show_detail(table, schema)

    def _schema(self, key: str) -> tuple[tuple[str, str], ...]:
        past = self.world.ledger.node_history(key, 1)
        return past[0].schema or () if past else ()

    def _show_detail(self, table: Stored | None, schema: tuple[tuple[str, str], ...]) -> None:
        name = safe_line(table.name) if table else ""
        note = f"{len(schema)} columns" if schema else ""
        self.below.show(rule(((name, "title"),), ((note, "dim"),), self.size.width))
        self.detail.show(detail_lines(table, schema, self.answer), keep_place=False)

    async def do_view_query(self) -> None:
        table = self.body.chosen
        await self.top.main.do_view_query()
        if table is not None and table.written:
            from odibi_tui.panes.query import QueryPane

            query = self.top.main.panes["query"]
            assert isinstance(query, QueryPane)
            query.prefill(f"FROM {table.name} LIMIT 100")

    def do_move_left(self) -> None:
        self.detail.move_sideways(-1)

    def do_move_right(self) -> None:
        self.detail.move_sideways(1)

    def do_move_page_down(self) -> None:
        self.detail.move_page(1)

    def do_move_page_up(self) -> None:
        self.detail.move_page(-1)

    def copies(self) -> list[tuple[str, str]]:
        """(label, text) of what can be copied."""
        from odibi_tui.story_copies import as_csv, as_markdown

        table = self.body.chosen
        if table is None:
            return []
        found = [("name", table.name), ("path", table.path)]
        if self.answer is not None and self.answer.rows:
            found.append(("first rows as CSV", as_csv(self.answer.columns, self.answer.rows)))
            found.append(
                ("first rows as Markdown", as_markdown(self.answer.columns, self.answer.rows))
            )
        return found


class TableList(LinePane):
    """One line a table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Stored] = []
        self.shown: list[Stored] = []
        self._said = "reading …"
        self._wanted = ""

    def take(self, found: list[Stored]) -> None:
        """Show these tables."""
        self.tables, self._said = found, ""
        self.filter(self._wanted)

    def fail(self, why: str) -> None:
        """Say why there are none."""
        self.tables, self.shown, self._said = [], [], why
        self.all_changed()

    def filter(self, text: str) -> None:
        """Show only those with the text in their name."""
        self._wanted = text
        self.shown = [table for table in self.tables if folded(text) in folded(table.name)]
        self.all_changed()
        if self.shown and not self.cursor:
            self.move_to(1, by_hand=False)

    @property
    def chosen(self) -> Stored | None:
        """The table under the cursor."""
        place = (self.cursor or 0) - 1
        return self.shown[place] if 0 <= place < len(self.shown) else None

    def count(self) -> int:
        return len(self.shown) + 1

    def line(self, index: int) -> Line:
        names = max((len(table.name) for table in self.shown), default=12)
        if index:
            return stored_line(self.shown[index - 1], names, self.size.width)
        if not self.shown:
            nothing = (
                "no table of that name   esc clears"
                if self._wanted
                else "no node writes a table yet"
            )
            return ((f" {safe_line(self._said) or nothing}", "dim"),)
        return _row(names, self.size.width, [(text, "heading") for text in _TITLES])


_TITLES = ("TABLE", "ROWS", "SIZE", "FORMAT", "WRITTEN", "PATH")


def _row(names: int, cells: int, parts: list[tuple[str, str]]) -> Line:
    widths = (min(names, 40), 9, 9, 8, 16, max(cells - min(names, 40) - 52, 0))
    right = (False, True, True, False, False, False)
    body = columns(
        (((fit(text, width_, at), style),), width_, at)
        for (text, style), width_, at in zip(parts, widths, right, strict=True)
        if width_
    )
    return ((" ", "text"), *body)


def stored_line(table: Stored, names: int, cells: int) -> Line:
    """A table in a line."""
    if not table.written:
        rest = [
            ("", "dim"),
            ("", "dim"),
            (table.format, "dim"),
            ("not yet", "dim"),
            (safe_line(table.path), "dim"),
        ]
        return _row(names, cells, [(safe_line(table.name), "dim"), *rest])
    from datetime import datetime

    when = datetime.fromisoformat(table.changed or "").astimezone().strftime("%m-%d %H:%M:%S")
    return _row(
        names,
        cells,
        [
            (safe_line(table.name), "text"),
            (amount(table.rows), "text"),
            (size(table.bytes), "dim"),
            (table.format, "dim"),
            (when, "dim"),
            (safe_line(table.path), "dim"),
        ],
    )


def detail_lines(
    table: Stored | None, schema: tuple[tuple[str, str], ...], answer: Answer | None
) -> list[Line]:
    """The columns with their types, then the first rows."""
    if table is None:
        return []
    lines: list[Line] = []
    if schema:
        cells = max(len(name) for name, _ in schema)
        lines = [
            ((f"  {fit(safe_line(n), min(cells, 40))}  ", "text"), (safe_line(t), "dim"))
            for n, t in schema
        ]
        lines.append(())
    if not table.written:
        node = safe_line(table.key)
        return [*lines, ((f"  Not written yet: odibi run --select {node}", "dim"),)]
    if answer is None:
        return lines
    if answer.error is not None:
        return [
            *lines,
            *(((f"  {safe_line(text)}", "failed"),) for text in answer.error.splitlines()),
        ]
    if not answer.rows:
        return [*lines, (("  no rows", "dim"),)]
    head, rows = data_table(answer.columns, answer.rows)
    lines += [(("  ", "text"), *head), *((("  ", "text"), *row) for row in rows)]
    if answer.more:
        lines.append(((f"  … the first {_PREVIEW} of {amount(table.rows)} rows", "dim"),))
    return lines
