"""A dialog at the foot of the screen: what it asks about stays in sight above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from textual.containers import Vertical
from textual.screen import ModalScreen

from odibi_tui.chrome import footer_line
from odibi_tui.lines import InTop, TextPane
from odibi_tui.paint import Line, rule
from odibi_tui.pane import Chrome

if TYPE_CHECKING:
    from textual.app import ComposeResult

__all__ = ["Sheet"]

_Answer = TypeVar("_Answer")


class Sheet(InTop, ModalScreen[_Answer], Generic[_Answer]):
    """A title on a rule, lines that scroll, and the keys that work. Subclasses say what they are."""

    DEFAULT_CSS = """
    Sheet { background: transparent; align: center bottom; }
    Sheet > Vertical { height: auto; width: 100%; background: $surface; }
    Sheet TextPane { height: 1; }
    """

    def compose(self) -> ComposeResult:
        self.heading = Chrome()
        self.page = TextPane()
        self.hints = Chrome()
        with Vertical():
            yield self.heading
            yield self.page
            yield from self.extra()
            yield self.hints

    def extra(self) -> ComposeResult:
        """What stands between the lines and the keys."""
        yield from ()

    def on_mount(self) -> None:
        self.page.focus()
        self.call_after_refresh(self.redraw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.redraw)

    def sheet_title(self) -> tuple[Line, Line]:
        """What stands on the rule at the left and at the right."""
        raise NotImplementedError

    def sheet_lines(self, cells: int) -> list[Line]:
        """What the sheet says, for so many cells."""
        raise NotImplementedError

    def sheet_keys(self) -> list[tuple[str, str]]:
        """Keys that work now and what they do."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Write everything anew; as high as its lines, at most half of the screen."""
        if not self.is_mounted:
            return
        cells = self.size.width
        left, note = self.sheet_title()
        self.heading.show(rule(left, note, cells, "rule.focus"))
        lines = self.sheet_lines(cells)
        self.page.styles.height = max(1, min(len(lines), self.size.height // 2 - 1))
        self.page.show(lines)
        self.hints.show(footer_line(self.sheet_keys(), cells, self.top.ascii))

    def action_scroll(self, lines: int) -> None:
        self.page.move_by(lines)
