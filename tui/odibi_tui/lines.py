"""Panes drawn line by line: a change repaints the rows that changed, never the whole pane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.selection import Selection
from textual.strip import Strip

from odibi_tui.paint import Line, harmless, joined, plain, width

if TYPE_CHECKING:
    from textual import events
    from textual.widget import Widget

    from odibi_tui.app import TopApp

__all__ = ["InTop", "LinePane", "TextPane"]

_REMEMBERED = 4_096
_NEAR = 6  # cells that are cheaper to write again than to jump over


class InTop:
    """Gives widgets and screens the app by its own type."""

    @property
    def top(self) -> TopApp:
        """The app."""
        return cast("TopApp", self.app)  # type: ignore[attr-defined]  # every widget has one


class _WholeCells(ScrollBarRender):
    """A scroll bar that begins and ends between cells: parts of a cell need other signs than ASCII."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class LinePane(InTop, ScrollView, can_focus=True, inherit_bindings=False):
    """A list of lines with a cursor. Subclasses say how many there are and what each looks like.

    `cursor` is the index of the line that keys act on, None in panes that only scroll. `follow` keeps
    the last line in sight while lines are added.
    """

    DEFAULT_CSS = """
    LinePane {
        height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
        scrollbar-color: $panel; scrollbar-color-hover: $primary; scrollbar-color-active: $primary;
        scrollbar-background: $background; scrollbar-background-hover: $background;
        scrollbar-background-active: $background; scrollbar-corner-color: $background;
    }
    """
    has_cursor: ClassVar[bool] = True
    wide: ClassVar[bool] = False
    """Whether lines may be wider than the pane, which then scrolls sideways."""

    class Chosen(Message):
        """Enter was pressed on a line, or a line with the cursor was clicked."""

        def __init__(self, pane: LinePane, index: int) -> None:
            super().__init__()
            self.pane, self.index = pane, index

    class Moved(Message):
        """The cursor is on another line, by a person's hand."""

        def __init__(self, pane: LinePane, index: int) -> None:
            super().__init__()
            self.pane, self.index = pane, index

    def __init__(self, *children: Widget, **options: object) -> None:
        super().__init__(*children, **options)  # type: ignore[arg-type]  # Textual's own options
        self.cursor: int | None = None
        self.follow = False
        self._strips: dict[int, Strip] = {}

    def _on_mount(self, event: events.Mount) -> None:
        super()._on_mount(event)
        if self.top.ascii:
            for bar in (self.vertical_scrollbar, self.horizontal_scrollbar):
                bar.renderer = _WholeCells  # type: ignore[misc]  # of this bar only

    # What subclasses say ---------------------------------------------------------------------------

    def count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, index: int) -> Line:
        """What line `index` shows."""
        raise NotImplementedError

    def widest(self) -> int:
        """Cells of the widest line, in panes that scroll sideways."""
        return 0

    # What changed ------------------------------------------------------------------------------------

    def all_changed(self) -> None:
        """Any line may be another now, and their number too."""
        self._strips.clear()
        count = self.count()
        across = self.widest() if self.wide else 0
        if self.virtual_size != (across, count):
            self.virtual_size = Size(across, count)
        if self.has_cursor:
            self.cursor = min(max(self.cursor or 0, 0), count - 1) if count else None
        if self.follow:  # by force: a pane that was just laid out has no scroll bar yet
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self.refresh()

    def lines_changed(self, indices: Iterable[int]) -> None:
        """These lines look different; their number is the same. Cells that don't are left alone."""
        (left, top), height = self.scroll_offset, self.scrollable_content_region.height
        spots: list[Region] = []
        for index in indices:
            before = self._strips.pop(index, None)
            if not top <= index < top + height:
                continue
            if before is None or index == self.cursor or index >= self.count():
                spots.append(Region(0, index - top, self.size.width, 1))
                continue
            spots += [
                Region(start - left, index - top, end - start, 1)
                for start, end in _differing(before, self._strip(index))
                if end > left
            ]
        if sum(spot.width for spot in spots) * 2 > self.size.width * height:
            self.refresh()
        elif spots:
            self.refresh(*spots)

    def style_changed(self) -> None:
        """Colours are others now."""
        self._strips.clear()
        self.refresh()

    # Moving --------------------------------------------------------------------------------------------

    def move_to(self, index: int, by_hand: bool = True) -> None:
        """Put the cursor on a line (or scroll to it, without one), as far as there are lines."""
        count = self.count()
        if not count:
            return
        index = min(max(index, 0), count - 1)
        if not self.has_cursor:
            self.scroll_to(y=index, animate=False, immediate=True)
            return
        before, self.cursor = self.cursor, index
        self.lines_changed([i for i in (before, index) if i is not None])
        self._show_cursor()
        if by_hand and before != index:
            self.post_message(self.Moved(self, index))

    def _show_cursor(self) -> None:
        height, top = self.scrollable_content_region.height, self.scroll_offset.y
        if self.cursor is None or not height:
            return
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def move_by(self, lines: int) -> None:
        """Move the cursor, or scroll, by so many lines."""
        start = self.cursor if self.has_cursor else self.scroll_offset.y
        self.move_to((start or 0) + lines)

    def move_page(self, pages: float) -> None:
        """Move by so many heights of the pane."""
        self.move_by(int(pages * max(self.scrollable_content_region.height - 1, 1)))

    def move_sideways(self, steps: int) -> None:
        """Scroll sideways, where lines are wide."""
        self.scroll_to(x=self.scroll_offset.x + 8 * steps, animate=False, immediate=True)

    def choose(self) -> None:
        """Enter on the line of the cursor."""
        if self.cursor is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        content = event.get_content_offset(self)
        if content is None or not self.has_cursor:
            return
        index = content.y + self.scroll_offset.y
        if index < self.count():
            again = index == self.cursor
            self.move_to(index)
            if again or event.chain == 2:
                self.choose()

    # Drawing ---------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._strips.clear()
        self.call_later(self._show_cursor)

    def on_focus(self) -> None:
        self.style_changed()

    def on_blur(self) -> None:
        self.style_changed()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        cells = self.size.width
        if index >= self.count():
            return Strip.blank(cells, self.rich_style)
        strip = self._strip(index)
        left = self.scroll_offset.x
        if left or strip.cell_length > cells:
            strip = strip.crop(left, left + cells)
        strip = strip.extend_cell_length(cells)
        if index == self.cursor:
            name = "cursor" if self.has_focus else "cursor.idle"
            strip = Strip(
                Segment.apply_style(strip, post_style=self.top.style_of(name)), strip.cell_length
            )
        return strip.apply_style(self.rich_style).apply_offsets(left, index)

    def _strip(self, index: int) -> Strip:
        strip = self._strips.get(index)
        if strip is None:
            if len(self._strips) >= _REMEMBERED:
                self._strips.clear()
            style_of = self.top.style_of
            line = joined(harmless(self.line(index)))
            strip = Strip([Segment(text, style_of(name)) for text, name in line], width(line))
            self._strips[index] = strip
        return strip

    # Copying ----------------------------------------------------------------------------------------------

    def text(self, first: int = 0, last: int | None = None) -> str:
        """The text of lines without colours, as a person copies it."""
        end = self.count() if last is None else last
        return "\n".join(plain(self.line(i)).rstrip() for i in range(first, end))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else self.count() - 1
        shifted = Selection(
            None if selection.start is None else selection.start - (0, first),
            None if selection.end is None else selection.end - (0, first),
        )
        return shifted.extract(self.text(first, min(last + 1, self.count()))), "\n"


def _differing(before: Strip, after: Strip) -> list[tuple[int, int]]:
    """The runs of cells `(start, end)` in which two strips differ; those close together are one."""
    old, new = _cells(before), _cells(after)
    if old is None or new is None or len(old) != len(new):
        return [(0, max(before.cell_length, after.cell_length))]
    runs: list[tuple[int, int]] = []
    for cell, (was, is_) in enumerate(zip(old, new, strict=True)):
        if was == is_:
            continue
        if runs and cell - runs[-1][1] <= _NEAR:
            runs[-1] = (runs[-1][0], cell + 1)
        else:
            runs.append((cell, cell + 1))
    return runs


def _cells(strip: Strip) -> list[tuple[str, object]] | None:
    """Character and style of each cell; None where a character takes two, or none."""
    if len(strip.text) != strip.cell_length:
        return None
    return [(character, style) for text, style, _ in strip for character in text]


class TextPane(LinePane):
    """A pane of lines that somebody made: reports, help, messages."""

    has_cursor = False
    wide = True

    def __init__(self, *children: Widget, **options: object) -> None:
        super().__init__(*children, **options)
        self._lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line], keep_place: bool = True) -> None:
        """Put lines in place of those before."""
        self._lines = lines
        if not keep_place:
            self.scroll_to(0, 0, animate=False, immediate=True)
        self.all_changed()

    def count(self) -> int:
        return len(self._lines)

    def line(self, index: int) -> Line:
        return self._lines[index]

    def widest(self) -> int:
        return max((width(line) for line in self._lines), default=0)
