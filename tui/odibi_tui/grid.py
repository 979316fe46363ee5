"""A table of values: columns as wide as they need, their types below their names, NULL to be seen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from rich.cells import cell_len

from odibi.safe_text import safe, safe_line
from odibi_tui.lines import LinePane
from odibi_tui.paint import Line, Span, fit, width
from odibi_tui.pane import Chrome
from odibi_tui.story_page import cell_of

__all__ = ["NO_TABLE", "GridBody", "Table", "record"]

_WIDEST = 40  # cells of the widest value; a row of its own shows it whole
_GAP = "  "


@dataclass(frozen=True)
class Table:
    """Values by row, None for NULL, below columns: names and types in DuckDB's spelling (or empty).

    `right` are the places of the columns of numbers, which sit at the right.
    """

    columns: tuple[tuple[str, str], ...]
    rows: Sequence[Sequence[object]]
    right: frozenset[int] = frozenset()

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Cells of each column."""
        return tuple(self._width(place) for place in range(len(self.columns)))

    def _width(self, place: int) -> int:
        name, kind = self.columns[place]
        cells = (width(cell_of(row[place])) for row in self.rows)
        return min(max(cell_len(_title(name)), cell_len(safe_line(kind)), 1, *cells), _WIDEST)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The cell in which each column begins."""
        steps = (size + len(_GAP) for size in self.widths[:-1])
        return tuple(accumulate(steps, initial=1)) if self.columns else ()

    @property
    def cells(self) -> int:
        """Cells of a whole line."""
        return self.starts[-1] + self.widths[-1] + 1 if self.columns else 0

    def head(self) -> tuple[Line, Line]:
        """The names, and the types below them."""
        names = [((_title(name), "heading"),) for name, _ in self.columns]
        kinds = [((safe_line(kind), "dim"),) for _, kind in self.columns]
        return self._line(names), self._line(kinds)

    def line(self, index: int) -> Line:
        """A row."""
        return self._line([cell_of(value) for value in self.rows[index]])

    def _line(self, cells: Sequence[Line]) -> Line:
        spans: list[Span] = [(" ", "text")]
        for place, (cell, size) in enumerate(zip(cells, self.widths, strict=True)):
            text, style = cell[0] if cell else ("", "text")
            spans += [(fit(text, size, place in self.right), style), (_GAP, "text")]
        return tuple(spans)


NO_TABLE = Table((), ())
"""Nothing to show."""


def _title(name: str) -> str:
    return safe_line(name) or "''"


def record(table: Table, index: int) -> str:
    """One row as text, whole: a line a column, more where a value has several."""
    names = [_title(name) for name, _ in table.columns]
    size = min(max(map(cell_len, names), default=0), _WIDEST)
    lines = []
    for name, value in zip(names, table.rows[index], strict=True):
        first, *others = safe("NULL" if value is None else value).split("\n")
        lines.append(f"{fit(name, size)}  {first}".rstrip())
        lines += [" " * (size + 2) + other for other in others]
    return "\n".join(lines)


class GridBody(LinePane):
    """The rows of a table. `head` is the widget with the headings, which goes sideways with them."""

    wide = True

    def __init__(self) -> None:
        super().__init__()
        self.head = Chrome()
        self.table = NO_TABLE

    def show(self, table: Table) -> None:
        """Put a table in place of the one before, from its first row."""
        self.table = table
        self.cursor = None
        self.scroll_to(0, 0, animate=False, immediate=True)
        self.head.display = bool(table.columns)
        self.head.styles.height = 2 if any(kind for _, kind in table.columns) else 1
        self.head.show(*table.head())
        self.all_changed()

    def count(self) -> int:
        return len(self.table.rows)

    def line(self, index: int) -> Line:
        return self.table.line(index)

    def widest(self) -> int:
        return self.table.cells

    def move_sideways(self, steps: int) -> None:
        """Go by columns, so that the first in sight is a whole one."""
        starts = [start - 1 for start in self.table.starts]
        here = self.scroll_offset.x
        place = bisect_right(starts, here) if steps > 0 else bisect_left(starts, here) - 1
        if 0 <= place < len(starts):
            self.scroll_to(x=starts[place], animate=False, immediate=True)

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self.head.scroll_sideways(round(new_value))
