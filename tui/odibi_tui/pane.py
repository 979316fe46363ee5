"""A part of the screen: a title on a rule, and lines below it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from odibi_tui.lines import InTop
from odibi_tui.paint import Line, harmless, rule
from odibi_tui.paint import width as line_width

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from odibi_tui.lines import LinePane
    from odibi_tui.world import Change, World

__all__ = ["Chrome", "Pane"]


class Chrome(InTop, Widget):
    """A fixed row (or a few) of text: title rules, the status line, the footer."""

    DEFAULT_CSS = "Chrome { height: 1; width: 1fr; }"

    def __init__(self, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._left = 0

    def show(self, *lines: Line) -> None:
        """Put lines in place of those before; repaints only when they differ."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def scroll_sideways(self, left: int) -> None:
        """Leave out the first so many cells: for headings of lines that scroll sideways."""
        if left != self._left:
            self._left = left
            self.refresh()

    def render_line(self, y: int) -> Strip:
        line = harmless(self._lines[y]) if y < len(self._lines) else ()
        style_of = self.top.style_of
        strip = Strip([Segment(text, style_of(name)) for text, name in line], line_width(line))
        if self._left:
            strip = strip.crop(self._left)
        return strip.adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def text(self) -> str:
        """What it shows, without colours."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)


class Pane(InTop, Vertical):
    """Base of all panes. Subclasses make a `body` and keep it in step with the world.

    `footer` names the actions that the last line of the screen offers while the pane has the focus.
    """

    DEFAULT_CSS = "Pane { height: 1fr; width: 1fr; }"
    heading: ClassVar[str] = ""
    footer: ClassVar[tuple[str, ...]] = ()

    body: LinePane

    def __init__(self, name: str) -> None:
        super().__init__(id=name)

    @property
    def world(self) -> World:
        """The model that all panes show."""
        return self.top.world

    def compose(self) -> ComposeResult:
        self.rule = Chrome(classes="rule")
        yield self.rule
        yield self.body

    def on_world(self, change: Change) -> None:
        """The world changed: repaint what that touches, and the title with `retitle`."""
        raise NotImplementedError

    def title(self) -> tuple[Line, Line]:
        """What stands on the rule at the left and at the right."""
        return ((self.heading, "title"),), ()

    def retitle(self) -> None:
        """Write the rule anew."""
        focused = self.has_focus_within
        left, note = self.title()
        left = tuple(
            (text, "title.focus" if focused and style == "title" else style) for text, style in left
        )
        self.rule.show(rule(left, note, self.size.width, "rule.focus" if focused else "rule"))

    def on_descendant_focus(self) -> None:
        self.retitle()
        self.top.focus_moved(self)

    def on_descendant_blur(self) -> None:
        self.retitle()

    def on_resize(self) -> None:
        self.retitle()

    @property
    def entry(self) -> Widget:
        """What gets the keys when the pane is gone to."""
        return self.body

    def typing_keys(self) -> tuple[tuple[str, str], ...]:
        """Keys for the footer while something is typed here; none when the actions' keys work."""
        return ()

    # Moving, the same in all panes of lines -----------------------------------------------------------

    def do_move_up(self) -> None:
        self.body.move_by(-1)

    def do_move_down(self) -> None:
        self.body.move_by(1)

    def do_move_left(self) -> None:
        self.body.move_sideways(-1)

    def do_move_right(self) -> None:
        self.body.move_sideways(1)

    def do_move_top(self) -> None:
        self.body.move_to(0)

    def do_move_bottom(self) -> None:
        self.body.move_to(self.body.count() - 1)

    def do_move_half_down(self) -> None:
        self.body.move_page(0.5)

    def do_move_half_up(self) -> None:
        self.body.move_page(-0.5)

    def do_move_page_down(self) -> None:
        self.body.move_page(1)

    def do_move_page_up(self) -> None:
        self.body.move_page(-1)

    def do_open(self) -> Awaitable[None] | None:
        self.body.choose()
        return None
