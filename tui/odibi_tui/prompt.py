"""The line above the keys where a filter or a search is typed; it works while it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from odibi_tui.filtering import matching
from odibi_tui.lines import InTop

if TYPE_CHECKING:
    from odibi_tui.pane import Pane

__all__ = ["Prompt"]


class Prompt(InTop, Input):
    """`/`: filters the nodes, or finds in panes that have a `find`. Enter keeps it, esc drops it."""

    DEFAULT_CSS = """
    Prompt { height: 1; border: none; padding: 0 1; background: $surface; }
    Prompt:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", show=False),
        Binding("down,up", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(placeholder="/", compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._pane: Pane | None = None

    def begin(self, pane: Pane | None) -> None:
        """Start typing for a pane."""
        self._pane = pane
        finds = hasattr(pane, "find")
        hint = "find in this pane" if finds else "text  !text  s:failed  t>30  d:orders+  tag:x"
        self.placeholder = f"/ {hint}"
        with self.prevent(Input.Changed):
            self.value = getattr(pane, "found", "") if finds else self.top.world.filter
        self.cursor_position = len(self.value)
        self.display = True
        self.screen.set_focus(self)  # at once: keys typed ahead belong here

    def on_input_changed(self, event: Input.Changed) -> None:
        find = getattr(self._pane, "find", None)
        if find is not None:
            find(event.value)
            return
        self.top.changed(self.top.world.set_filter(event.value))
        count = len(matching(self.top.world))
        self.border_subtitle = f"{count} match"

    def on_input_submitted(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        """Keep what was typed and go back to the pane."""
        self.display = False
        if self._pane is not None:
            self.screen.set_focus(self._pane.body)

    def action_drop(self) -> None:
        """Forget what was typed."""
        self.value = ""
        self.action_leave()
