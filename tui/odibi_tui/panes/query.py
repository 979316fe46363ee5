"""Questions to the tables: a prompt, the SQL that ran, and its result."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from odibi.safe_text import safe, safe_line
from odibi_tui import assistant
from odibi_tui.asking import LIMIT, Answer, ask
from odibi_tui.background import in_background
from odibi_tui.lines import InTop, TextPane
from odibi_tui.paint import Line, duration, wrap
from odibi_tui.pane import Pane
from odibi_tui.sql_text import sql_lines
from odibi_tui.story_copies import as_csv, as_markdown
from odibi_tui.story_page import counted, data_table
from odibi_tui.world import Change

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.timer import Timer
    from textual.worker import Worker

__all__ = ["QueryPane", "answer_lines", "as_node", "opening_lines"]


class QueryPane(Pane):
    """The prompt stays below the answer. Enter asks, up and down bring back what was asked before."""

    heading = "Ask"
    footer = ("open", "copy", "view.tables")
    body: TextPane

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.body = TextPane()
        self.line = QueryLine()
        self.answer: Answer | None = None
        self.said: list[Line] = []
        self._asking: Worker[None] | None = None
        self._since = 0.0
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.line

    def on_mount(self) -> None:
        self._show()

    def on_world(self, change: Change) -> None:
        if change.project and self.answer is None:
            self._show()

    def title(self) -> tuple[Line, Line]:
        if self._asking is not None:
            return (("Ask", "title"),), ((f"asking {duration(time.monotonic() - self._since)} · esc stops it", "running"),)  # fmt: skip
        if self.answer is None:
            return (("Ask", "title"),), (("read-only · no assistant configured: SQL", "dim"),)
        count = len(self.answer.rows)
        known = f"first {count:,} rows" if self.answer.more else counted(count, "row")
        return (("Ask", "title"),), (
            (f"{known} · {duration(self.answer.seconds)} · read-only", "dim"),
        )

    def begin(self) -> None:
        """Go to the prompt."""
        self.screen.set_focus(self.line)

    def do_open(self) -> None:
        self.begin()

    def prefill(self, sql: str) -> None:
        """Put a statement into the prompt."""
        self.line.value = sql
        self.line.cursor_position = len(sql)
        self.begin()

    def submit(self, text: str) -> None:
        """Ask what was typed: SQL of the tables, words of the assistant."""
        self.stop()
        if not assistant.looks_like_sql(text) and assistant.configured() is None:
            self.answer, self.said = None, no_assistant(text, max(self.size.width - 2, 20))
            self._show()
            return
        self._since = time.monotonic()
        self._asking = in_background(self, partial(self._ask, text), "ask", exclusive=True)
        self._timer = self.set_interval(0.5, self.retitle)
        self.retitle()

    async def _ask(self, sql: str) -> None:
        answer = await ask(self.world.path, sql)
        self.answer, self.said = answer, answer_lines(answer, max(self.size.width - 2, 20))
        self._ended()
        self._show(keep_place=False)

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

    def _show(self, keep_place: bool = True) -> None:
        lines = self.said or opening_lines(self.world.name(key) for key in self.world.project.nodes)
        self.body.show(lines, keep_place)
        self.retitle()

    def copies(self) -> list[tuple[str, str]]:
        """(label, text) of what can be copied."""
        answer = self.answer
        if answer is None:
            return []
        found = [("SQL", answer.sql)]
        if answer.rows:
            found.append(("result as CSV", as_csv(answer.columns, answer.rows)))
            found.append(("result as Markdown", as_markdown(answer.columns, answer.rows)))
        if answer.error is None:
            found.append(("as a node for odibi.yaml", as_node(answer.sql)))
        else:
            found.append(("error", answer.error))
        return found


class QueryLine(InTop, Input):
    """The prompt and what was asked before."""

    DEFAULT_CSS = """
    QueryLine { height: 1; border: none; padding: 0 1; background: $surface; }
    QueryLine:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up", "past(-1)", show=False),
        Binding("down", "past(1)", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(placeholder="FROM table LIMIT 10 · enter asks · esc back", compact=True)
        self.cursor_blink = False
        self._past: list[str] = []
        self._place = 0

    @property
    def _query(self) -> QueryPane:
        assert isinstance(self.parent, QueryPane)
        return self.parent

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text:
            self._past = [*(past for past in self._past if past != text), text]
            self._place = len(self._past)
            self._query.submit(text)

    def action_past(self, step: int) -> None:
        """Bring back what was asked before, or after that."""
        self._place = min(max(self._place + step, 0), len(self._past))
        self.value = self._past[self._place] if self._place < len(self._past) else ""
        self.cursor_position = len(self.value)

    def action_leave(self) -> None:
        """Stop what is being asked, else go to the result, where all keys work."""
        if not self._query.stop():
            self.screen.set_focus(self._query.body)


def opening_lines(names: Iterable[str]) -> list[Line]:
    """What the pane says before the first question."""
    known = list(names)
    lines: list[Line] = [
        (),
        (("  Ask the project's tables in DuckDB's SQL; only reading is possible.", "text"),),
        (),
    ]
    for name in known[:3]:
        lines.append(((f"      FROM {name} LIMIT 10", "accent"),))
    lines += [
        (),
        (("  7 ", "key"), ("lists the tables   ", "dim"), ("↑ ↓ ", "key"), ("what was asked before   ", "dim"), ("y ", "key"), ("copies the result, or the SQL as a node", "dim")),
    ]  # fmt: skip
    return lines


def no_assistant(text: str, cells: int) -> list[Line]:
    """What the pane says to words while nothing can answer them."""
    return [
        (),
        ((f"  {safe_line(text, cells - 4)}", "bold"),),
        (),
        (("  That is no SQL, and no assistant is configured that could answer words.", "warning"),),
        (),
        (("  Local models come with a later release. Until then:", "text"),),
        (("      SELECT city, count(*) FROM sessions GROUP BY ALL", "accent"), ("     SQL, here", "dim")),
        (("      s:failed   t>30   orders+", "accent"), ("                            the filter, with / in the graph", "dim")),
    ]  # fmt: skip


def answer_lines(answer: Answer, cells: int) -> list[Line]:
    """The SQL that ran and its result, or the error where it stands."""
    lines: list[Line] = [(("  ", "text"), *line) for line in sql_lines(answer.sql)]
    lines.append(())
    if answer.error is not None:
        for text in safe(answer.error).expandtabs(4).splitlines():
            style = "failed" if text.startswith("error") else "text"
            kept = text.rstrip()
            indent = " " * (len(kept) - len(kept.lstrip()) + 2)
            lines += wrap(kept.strip(), cells, style, indent) if kept.strip() else [()]
        return lines
    if not answer.rows:
        return [*lines, (("  no rows", "dim"),)]
    head, rows = data_table(answer.columns, answer.rows)
    lines += [(("  ", "text"), *head), *((("  ", "text"), *row) for row in rows)]
    if answer.more:
        lines.append(((f"  … more than {LIMIT} rows; a LIMIT or a WHERE asks for less", "dim"),))
    return lines


def as_node(sql: str) -> str:
    """The statement as a node for odibi.yaml; a person chooses its name and its place."""
    body = "\n".join(f"          {line}" for line in sql.strip().rstrip(";").splitlines())
    return (
        "# below `nodes:` of a pipeline; add a `write:` to keep the result\n"
        f"- name: my_query\n  transform:\n    steps:\n      - sql: |\n{body}\n"
    )
