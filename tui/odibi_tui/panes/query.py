"""Questions to the tables: a prompt, the SQL that ran, and its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.widgets import TextArea

from odibi_tui import assistant
from odibi_tui.asking import Answer, Asker, QuestionError
from odibi_tui.background import in_background
from odibi_tui.filtering import is_filter, matching
from odibi_tui.grid import NO_TABLE, GridBody, Table, record
from odibi_tui.lines import InTop, LinePane, TextPane
from odibi_tui.paint import Line, amount, duration
from odibi_tui.pane import Chrome, Pane
from odibi_tui.query_text import (
    error_lines,
    extent,
    no_assistant,
    opening_lines,
    question_lines,
)
from odibi_tui.sql_text import sql_lines
from odibi_tui.story_copies import as_csv, as_markdown
from odibi_tui.story_page import counted
from odibi_tui.world import Change

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.timer import Timer
    from textual.widget import Widget
    from textual.worker import Worker

__all__ = ["QueryPane"]

_TALLEST = 8  # lines of the prompt at most
_TICK = 0.5


class QueryPane(Pane):
    """The prompt stays below the answer: the statement, and its rows or what is wrong with it."""

    heading = "Ask"
    footer = ("open", "copy", "save.node", "view.tables", "view.graph", "back")

    body: LinePane

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.grid = GridBody()
        self.page = TextPane()
        self.prompt = QueryPrompt(self)
        self.body = self.page
        self.answer: Answer | None = None
        self.nodes: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._asker: Asker | None = None
        self._asking: Worker[None] | None = None
        self._since = 0.0
        self._timer: Timer | None = None

    @property
    def asker(self) -> Asker:
        """What brings answers."""
        if self._asker is None:
            self._asker = Asker(self.world.path)
        return self._asker

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        self.below = Chrome(classes="rule")
        yield from (self.rule, self.page, self.grid.head, self.grid, self.below, self.prompt)

    def on_mount(self) -> None:
        self._show_table(NO_TABLE)
        in_background(self, self._learn, "learn", exclusive=True)

    async def on_unmount(self) -> None:
        if self._asker is not None:
            await self._asker.close()

    @property
    def entry(self) -> Widget:
        """The prompt."""
        return self.prompt

    @property
    def cells(self) -> int:
        return max(self.size.width - 1, 20)

    # What is shown ------------------------------------------------------------------------------------

    def on_world(self, change: Change) -> None:
        if change.project or (change.runs and not self._names):
            in_background(self, self._learn, "learn", exclusive=True)

    async def _learn(self) -> None:
        """Have the names of the tables at hand, those first that have been written."""
        if self._asking is not None:
            return
        try:
            found = await self.asker.tables()
        except QuestionError:
            return  # the first question says it
        found.sort(key=lambda table: table["changed"] is None)
        self._names = tuple(table["sql_name"] for table in found)
        if self.answer is None and not self.nodes:
            self._say(opening_lines(self._names, self.cells))

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._fit)

    def title(self) -> tuple[Line, Line]:
        left: Line = (("Ask", "title"),)
        if self._asking is not None:
            took = duration(time.monotonic() - self._since)
            return left, ((f"asking {took} · esc stops it", "running"),)
        if self.nodes:
            return left, ((f"{counted(len(self.nodes), 'node')} of the shown run", "dim"),)
        if self.answer is None or self.answer.error is not None:
            return left, (("SQL, read-only", "dim"),)
        return left, ((extent(self.answer), "dim"),)

    def retitle(self) -> None:
        super().retitle()
        if self.is_mounted:
            self.below.show((("─" * self.size.width, "rule"),))

    def _say(self, lines: list[Line]) -> None:
        """Show text in place of an answer."""
        self.page.show(lines, keep_place=False)
        self._show_table(NO_TABLE)

    def _show_table(self, table: Table) -> None:
        self.grid.show(table)
        self.grid.display = bool(table.columns)
        held = self.body.has_focus
        self.body = self.grid if table.columns else self.page
        if held:
            self.screen.set_focus(self.body)
        self._fit()
        self.retitle()

    def _fit(self) -> None:
        """Give the statement what it needs beside rows, and the prompt what is typed."""
        if not self.is_mounted:
            return
        height = max(self.size.height, 4)
        lines = self.prompt.wrapped_document.height
        self.prompt.styles.height = min(max(lines, 1), _TALLEST, max(height // 3, 1))
        shown = min(self.page.count(), max(height // 4, 1))
        self.page.styles.height = shown if self.grid.display else "1fr"
        self.page.display = not self.grid.display or height > 8

    def _take(self, answer: Answer) -> None:
        """Show an answer."""
        self.answer, self.nodes = answer, ()
        if answer.error is not None:
            self._say(error_lines(answer, self.cells))
        else:
            self.page.show(question_lines(answer.sql), keep_place=False)
            self._show_table(answer.table)

    # Asking -------------------------------------------------------------------------------------------

    def submit(self, text: str) -> None:
        """Ask what was typed: SQL of the tables, words of the filter about nodes, others of the assistant."""
        from odibi.questions import is_sql  # the project's configuration: not needed to be shown

        self.stop()
        if is_filter(text):
            self._show_nodes(text)
        elif is_sql(text):
            self._begin(partial(self._ask, text))
        elif (helper := assistant.configured()) is not None:
            self._begin(partial(self._ask_words, helper, text))
        else:
            self.answer, self.nodes = None, ()
            self._say(no_assistant(text, self._names, self.cells))

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._since = time.monotonic()
        self._asking = in_background(self, work, "ask", exclusive=True)
        self._timer = self.set_interval(_TICK, self.retitle)
        self.retitle()

    async def _ask(self, sql: str) -> None:
        answer = await self.asker.ask(sql)
        self._take(answer)
        if answer.more:
            self.retitle()
            self.answer = replace(answer, total=await self.asker.count())
        self._ended()

    async def _ask_words(self, helper: assistant.Assistant, text: str) -> None:
        reply = await helper.ask(text, self._names)
        if reply.sql is not None:
            await self._ask(reply.sql)
            return
        self.answer, self.nodes = None, ()
        self._say([((f" {line}", "text"),) for line in (reply.text, *reply.sources)])
        self._ended()

    def stop(self) -> bool:
        """Stop the question that is being asked; returns whether there was one."""
        if self._asking is None:
            return False
        self._asking.cancel()
        self._ended()
        return True

    def _ended(self) -> None:
        self._asking = None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.retitle()

    def _show_nodes(self, text: str) -> None:
        """The nodes that a filter means, as a table; enter opens the story of one."""
        world = self.world
        self.answer, self.nodes = None, matching(world, text)
        if not self.nodes:
            self._say([((f" No node matches {text}", "text"),)])
            return
        rows = []
        for key in self.nodes:
            node = world.node_state(key)
            counts = node.counts if node else None
            took = duration(node.seconds) if node else None
            made = amount(counts.rows_out) if counts and counts.rows_out is not None else None
            rows.append((key, world.status(key), made, took))
        columns = (("node", ""), ("state", ""), ("rows", ""), ("time", ""))
        self.page.show([((f" {text}", "accent"),)], keep_place=False)
        self._show_table(Table(columns, rows, frozenset({2, 3})))

    # Acting -------------------------------------------------------------------------------------------

    def prefill(self, sql: str) -> None:
        """Put a statement into the prompt."""
        self.prompt.put(sql)
        self.screen.set_focus(self.prompt)

    def typing_keys(self) -> tuple[tuple[str, str], ...]:
        if not self.prompt.has_focus:
            return ()
        leave = "stop" if self._asking is not None else "to the result"
        return (("⏎", "ask"), ("^j", "new line"), ("↑↓", "earlier"), ("esc", leave), ("^s", "as node"), ("^p", "commands"))  # fmt: skip

    def do_pane_next(self) -> None:
        self.screen.set_focus(self.prompt)

    def do_pane_previous(self) -> None:
        self.screen.set_focus(self.prompt)

    async def do_view_query(self) -> None:
        self.screen.set_focus(self.prompt)

    async def do_back(self) -> None:
        if not self.stop():
            await self.top.main.do_back()

    async def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        if self.nodes:
            self.top.changed(self.world.select(self.nodes[event.index]))
            await self.top.main.show_view("story")
            return
        from odibi_tui.dialogs.confirm import MessageDialog

        heading = f"Row {event.index + 1}"
        await self.top.push_screen(MessageDialog(heading, record(self.grid.table, event.index)))

    def can_save_node(self) -> str | None:
        return None if self._statement() else "there is no question to make a node of"

    def _statement(self) -> str | None:
        """What was asked last, else what is typed, if it may become a node."""
        if self.answer is not None and self.answer.error is None:
            return self.answer.sql
        return self.prompt.text.strip() or None

    def do_save_node(self) -> None:
        """Show the question as YAML; odibi.yaml itself is the person's."""
        in_background(self, self._save_node, "node", exclusive=True)

    async def _save_node(self) -> None:
        from odibi_tui.dialogs.confirm import MessageDialog

        try:
            text = await self.asker.node(self._statement() or "")
        except QuestionError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        await self.top.push_screen(MessageDialog("A node for odibi.yaml", text))

    def copies(self) -> list[tuple[str, str]]:
        """(label, text) of what can be copied."""
        answer, table = self.answer, self.grid.table
        found = [("SQL", answer.sql)] if answer is not None else []
        if table.rows:
            names = [name for name, _ in table.columns]
            found.append(("row", record(table, self.grid.cursor or 0)))
            found.append((f"{counted(len(table.rows), 'row')} as CSV", as_csv(names, table.rows)))
            found.append(("rows as Markdown", as_markdown(names, table.rows)))
        if answer is not None and answer.error is not None:
            found.append(("error", answer.error))
        return found


_KEYS = {
    "enter": "submit",
    "shift+enter": "new_line",
    "ctrl+j": "new_line",
    "escape": "leave",
    "tab": "leave",
    "shift+tab": "leave",
}


class QueryPrompt(InTop, TextArea):
    """Where questions are typed, in colours, with what was asked before."""

    DEFAULT_CSS = """
    QueryPrompt { height: 1; border: none; padding: 0 1; scrollbar-size-vertical: 1; }
    QueryPrompt:focus { border: none; }
    """

    def __init__(self, pane: QueryPane) -> None:
        super().__init__(
            compact=True,
            highlight_cursor_line=False,
            placeholder="FROM table LIMIT 10",
        )
        self.cursor_blink = False
        self._pane = pane
        self._past: list[str] = []
        self._at = 0

    def get_line(self, line_index: int) -> Text:
        """The line in colours."""
        plain = super().get_line(line_index)
        lines = sql_lines(self.text)
        spans = lines[line_index] if line_index < len(lines) else ()
        if "".join(text for text, _ in spans) != plain.plain:
            return plain  # tabs, or lines before the first word: what it is counts more
        style_of = self.top.style_of
        return Text.assemble(
            *((text, style_of(name)) for text, name in spans), end="", no_wrap=True
        )

    def on_key(self, event: events.Key) -> None:
        """Keys of ours. Not bindings: those with priority overtake characters that were typed before."""
        act = _KEYS.get(event.key)
        if act is not None:
            event.stop()
            event.prevent_default()
            getattr(self, act)()

    def put(self, text: str) -> None:
        """Type a text in place of what is typed."""
        self.text = text
        self.move_cursor(self.document.end)

    def on_text_area_changed(self) -> None:
        self._pane._fit()

    def submit(self) -> None:
        text = self.text.strip()
        if text:
            self._past = [*(past for past in self._past if past != text), text]
            self._at = len(self._past)
            self._pane.submit(text)

    def new_line(self) -> None:
        self.insert("\n")

    def leave(self) -> None:
        """Stop what is being asked, else go to the result, where all keys work."""
        if not self._pane.stop():
            self.screen.set_focus(self._pane.body)

    def action_cursor_up(self, select: bool = False) -> None:
        if self.cursor_at_first_line and not select:
            self._recall(-1)
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if self.cursor_at_last_line and not select:
            self._recall(1)
        else:
            super().action_cursor_down(select)

    def _recall(self, step: int) -> None:
        """Bring back what was asked before, or after that."""
        place = min(max(self._at + step, 0), len(self._past))
        if place != self._at:
            self._at = place
            self.put(self._past[place] if place < len(self._past) else "")
