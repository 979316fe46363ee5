"""`i`: a node's SQL in an editor; run on a scratch output, compared with what is stored."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import TextArea

from odibi import control, detach
from odibi.errors import OdibiError
from odibi.run_state import EMPTY
from odibi.safe_text import safe, safe_line
from odibi_tui.background import in_background
from odibi_tui.chrome import footer_line
from odibi_tui.follow import Follower
from odibi_tui.lines import InTop, TextPane
from odibi_tui.paint import Line, duration, rule
from odibi_tui.pane import Chrome
from odibi_tui.theme import style_of_status
from odibi_tui.trial import (
    SqlSource,
    error_lines,
    node_of,
    result_lines,
    source_of,
    sql_of_run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from odibi.history import NodeSummary

__all__ = ["EditSqlDialog"]

_LOOK = 0.05


class EditSqlDialog(InTop, ModalScreen[None]):
    """The whole screen. What is typed stays for the next time; the project's files are not touched."""

    DEFAULT_CSS = """
    EditSqlDialog { layout: vertical; background: $background; }
    EditSqlDialog TextArea {
        height: 1fr; border: none; padding: 0;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    EditSqlDialog TextArea:focus { border: none; }
    EditSqlDialog TextPane { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "try", show=False, priority=True),
        Binding("ctrl+o", "copy", show=False, priority=True),
        Binding("ctrl+l", "restore", show=False, priority=True),
        Binding("escape", "leave", show=False, priority=True),
        Binding("tab", "other", show=False, priority=True),
        Binding("down", "scroll(1)", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(12)", show=False),
        Binding("pageup", "scroll(-12)", show=False),
        Binding("right", "sideways(1)", show=False),
        Binding("left", "sideways(-1)", show=False),
    ]

    def __init__(self, key: str, settings: Sequence[str] = (), draft: str | None = None) -> None:
        super().__init__()
        self.key, self.draft = key, draft
        self.source: SqlSource | None = None
        self.trial = EMPTY
        self.trial_id: str | None = None
        self.going = False
        self._settings = tuple(settings)
        self._stored: NodeSummary | None = None
        self._said: list[Line] = [((" ^r runs it; the stored table stays as it is", "dim"),)]

    def compose(self) -> ComposeResult:
        self.heading = Chrome()
        self.editor = TextArea(
            "", soft_wrap=False, tab_behavior="indent", show_line_numbers=True, compact=True
        )
        self.editor.cursor_blink = False
        self.between = Chrome()
        self.page = TextPane()
        self.hints = Chrome()
        yield from (self.heading, self.editor, self.between, self.page, self.hints)

    def on_mount(self) -> None:
        self.editor.focus()
        in_background(self, self._load, "load")
        self.call_after_refresh(self.redraw)

    def on_unmount(self) -> None:
        self.top.main.actor.keep_draft(self.key, self._unsaved())

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def _unsaved(self) -> str | None:
        """What was typed, if it is not what the project has."""
        if self.source is None or self.editor.text == self.source.sql:
            return None
        return self.editor.text

    async def _load(self) -> None:
        """The node's SQL from the project; from the run's events when the YAML is broken."""
        world = self.top.world
        try:
            source = await asyncio.to_thread(source_of, world.path, self.key, self._settings)
        except OdibiError as error:
            known = sql_of_run(world.node_state(self.key))
            source = known or SqlSource("", "", safe_line(error.message))
        self.source = source
        self.editor.load_text(self.draft if self.draft is not None else source.sql)
        history = await asyncio.to_thread(world.ledger.node_history, self.key, 1)
        self._stored = history[0] if history else None
        self.redraw()

    # What it says -----------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Write the rules, the result and the keys anew."""
        if not self.is_mounted:
            return
        cells = self.size.width
        name = safe_line(self.key)
        self.heading.show(rule(((f"Try SQL · {name}", "title.focus"),), self._note(), cells))
        self.between.show(rule((("On a scratch output", "title"),), self._progress(), cells))
        self.page.show(self._said)
        keys = [
            ("^r", "run on scratch"),
            ("esc", "stop it" if self.going else "leave"),
            ("^o", "copy the SQL"),
            ("^l", "project's SQL"),
            ("tab", "result" if self.editor.has_focus else "editor"),
        ]
        self.hints.show(footer_line(keys, cells, self.top.ascii))

    def _note(self) -> Line:
        if self.source is None:
            return (("reading …", "dim"),)
        said = [self.source.place, self.source.note]
        if self._unsaved() is not None:
            said.append("edited")
        return ((" · ".join(safe_line(text) for text in said if text), "dim"),)

    def _progress(self) -> Line:
        state = self.trial
        if self.going and not state.run_id:
            return (("starting …", "running"),)
        if not state.run_id:
            return ()
        seconds = f" {duration(state.seconds)}" if state.seconds is not None else ""
        style = style_of_status(state.status)
        return ((f"{self.top.sign(state.status)} {state.status}{seconds}", style),)

    def on_text_area_changed(self) -> None:
        self.redraw()

    # Running ----------------------------------------------------------------------------------------

    def action_try(self) -> None:
        sql = self.editor.text
        if self.going:
            self.notify("it runs already; esc stops it", timeout=3)
        elif not sql.strip():
            self.notify("there is no SQL to run", timeout=3)
        elif (reason := self.top.main.actor.why_no_run()) is not None:
            self.notify(reason, markup=False, timeout=3)
        else:
            self.going, self.trial, self._said = True, EMPTY, []
            self.redraw()
            in_background(self, partial(self._try, sql), "try", exclusive=True)

    async def _try(self, sql: str) -> None:
        file = Path(await asyncio.to_thread(_written, sql))
        try:
            await self._follow(file)
        except OdibiError as error:
            self._said = [((f" {safe_line(error.message)}", "failed"),)]
        finally:
            self.going = False
            with suppress(OSError):
                file.unlink()
            self.redraw()

    async def _follow(self, file: Path) -> None:
        """Start the run and watch it to its end."""
        world = self.top.world
        self.trial_id = world.ledger.new_run_id()
        world.trials |= {self.trial_id}
        options = (*self._settings, "--scratch", f"--sql={file}", "--select", self.key)
        started = await asyncio.to_thread(
            detach.start, world.root, options, self.trial_id, project=world.path
        )
        follower = Follower(world.ledger)
        while not self.trial.done:
            if (said := await asyncio.to_thread(detach.failure, started)) is not None:
                self._said = [((f" {line}", "failed"),) for line in safe(said).splitlines()]
                return
            news = await asyncio.to_thread(follower.look, (self.trial_id,))
            if (state := news.states.get(self.trial_id)) is not None:
                self.trial = state
                self.redraw()
            await asyncio.sleep(_LOOK)
        self._said = self._outcome()

    def _outcome(self) -> list[Line]:
        node, cells = node_of(self.trial, self.key), self.size.width
        if node is None or node.status == "cancelled":
            return [((" it was stopped", "cancelled"),)]
        if node.status == "succeeded":
            return result_lines(node, self._stored, cells)
        return error_lines(node.error, node.key, cells)

    # Keys -------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Stop the trial if it runs, else leave."""
        if not self.going:
            self.dismiss()
        elif self.trial_id is not None and self.trial.run_id:
            folder = self.top.world.ledger.run_dir(self.trial_id)
            with suppress(OSError):  # it may end at this moment
                control.request_cancel(folder, control.user())

    def action_copy(self) -> None:
        text = self.editor.text
        self.top.copy_to_clipboard(text)
        place = f" (it stands in {self.source.place})" if self.source and self.source.place else ""
        self.notify(f"copied {len(text.splitlines())} lines{place}", markup=False, timeout=3)

    def action_restore(self) -> None:
        if self.source is not None:
            self.editor.text = self.source.sql
            self.redraw()

    def action_other(self) -> None:
        self.set_focus(self.page if self.editor.has_focus else self.editor)
        self.redraw()

    def action_scroll(self, lines: int) -> None:
        self.page.move_by(lines)

    def action_sideways(self, steps: int) -> None:
        self.page.move_sideways(steps)


def _written(sql: str) -> str:
    """The SQL in a file of its own that only this user reads; its path."""
    handle, path = tempfile.mkstemp(prefix="odibi-", suffix=".sql")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(sql)
    return path
