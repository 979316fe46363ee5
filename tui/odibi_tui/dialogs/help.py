"""`?`: every key and what it does, from the table of actions; type to filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from odibi_tui.actions import ACTIONS, display
from odibi_tui.lines import InTop, TextPane
from odibi_tui.paint import Line, fit, folded

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from odibi_tui.pane import Pane

__all__ = ["HelpDialog"]


class HelpDialog(InTop, ModalScreen[None]):
    """Keys of the pane at hand first, then all others; those without use now say why."""

    DEFAULT_CSS = """
    HelpDialog { align: center middle; }
    HelpDialog > Vertical { width: 90%; max-width: 100; height: 90%; background: $surface; padding: 0 1; }
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
        self._show("")

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
            said: Line = ((f"   {why}", "dim"),) if why and why != "not in this pane" else ()
            line = (
                (fit(f"  {shown}", 16), "dim" if why else "key"),
                (action.help, "dim" if why else "text"),
                *said,
            )
            groups.setdefault(name, []).append(line)
        first = self._pane.heading if self._pane else ""
        order = sorted(groups, key=lambda group: group != first)
        lines: list[Line] = []
        for group in order:
            lines += [((group, "title"),), *groups[group], ()]
        self.page.show(lines or [(("  no key does that", "dim"),)], keep_place=False)
