"""`?`: every key and what it does, from the table of actions; type to filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from odibi_tui.actions import ACTIONS, display
from odibi_tui.lines import InTop, TextPane
from odibi_tui.paint import Line, fit, folded, width, wrap

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from odibi_tui.pane import Pane

__all__ = ["HelpDialog"]


class HelpDialog(InTop, ModalScreen[None]):
    """Keys of the pane at hand first, then all others; those without use now say why."""

    DEFAULT_CSS = """
    HelpDialog { align: center middle; }
    HelpDialog > Vertical { width: 90%; max-width: 100; height: 90%; background: $surface; padding: 0 1; }
    HelpDialog TextPane { overflow-x: hidden; }
    HelpDialog Input { height: 1; border: none; padding: 0; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark", "dismiss", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown,ctrl+d", "scroll(12)", show=False),
        Binding("pageup,ctrl+u", "scroll(-12)", show=False),
    ]

    def __init__(self, pane: Pane | None) -> None:
        super().__init__()
        self._pane = pane

    def compose(self) -> ComposeResult:
        self.page = TextPane()
        self.typed = Input(placeholder="type to filter, esc closes", compact=True)
        self.typed.cursor_blink = False
        with Vertical():
            yield self.typed
            yield self.page

    def on_mount(self) -> None:
        self.typed.focus()

    def on_resize(self) -> None:
        self._show(self.typed.value)

    @property
    def _cells(self) -> int:
        """What a line of the page holds beside its scroll bar."""
        return max(self.page.size.width - 1, 30)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def action_scroll(self, lines: int) -> None:
        self.page.move_by(lines)

    def _show(self, text: str) -> None:
        wanted = folded(text)
        here = self._pane.footer if self._pane else ()
        groups: dict[str, list[Line]] = {}
        for action in ACTIONS:
            keys = self.top.preferences.keys.get(action.id) or action.keys
            shown = " ".join(display(key) for key in keys.split(","))
            if wanted not in folded(f"{shown} {action.help} {action.group}"):
                continue
            why = self.top.main.why_not(action.id)
            name = self._pane.heading if self._pane and action.id in here else action.group
            reason = why if why != "not in this pane" else None
            groups.setdefault(name, []).extend(
                _lines(shown, action.help, why is None, reason, self._cells)
            )
        first = self._pane.heading if self._pane else ""
        order = sorted(groups, key=lambda group: group != first)
        lines: list[Line] = []
        for group in order:
            lines += [((group, "title"),), *groups[group], ()]
        self.page.show(lines or [(("  no key does that", "dim"),)], keep_place=False)


_KEYS = 16  # cells of the column of keys


def _lines(keys: str, does: str, now: bool, reason: str | None, cells: int) -> list[Line]:
    """An action: its keys and what it does, and why not now, below it where that doesn't fit beside."""
    line: Line = (
        (fit(f"  {keys}", _KEYS), "key" if now else "dim"),
        (does, "text" if now else "dim"),
    )
    if reason is None:
        return [line]
    if width(line) + 3 + len(reason) <= cells:
        return [(*line, (f"   {reason}", "dim"))]
    return [line, *wrap(reason, cells, "dim", indent=" " * (_KEYS + 2))]
