"""What a section of a story is made of: a page of lines, facts with labels, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from odibi.safe_text import safe, safe_line
from odibi_tui import theme as themes
from odibi_tui.paint import Line, Span, amount, clip, duration, fit, width, wrap

__all__ = [
    "LABEL",
    "Cell",
    "Link",
    "Look",
    "Page",
    "PageWriter",
    "cell_of",
    "change_style",
    "counted",
    "data_table",
    "fact",
    "fine",
    "grid",
    "heading",
    "prose",
    "signed",
]

LABEL = 8
"""Cells of the labels at the left of facts."""

_CELL = 40  # cells of the widest value in a table of data

Link = tuple[str, str]
"""Where enter leads: ("section", title), ("node", key) or ("run", run id)."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is to look: its width in cells and the signs that the terminal has."""

    cells: int
    ascii: bool = False
    signs: Mapping[str, str] = field(default_factory=lambda: themes.SIGNS)

    def sign(self, status: str) -> str:
        return self.signs.get(status, " ")


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, with `head` (a table's headings) above them in place while they scroll.

    `links` say where enter leads from a line; `pointed` when lines are chosen by a cursor.
    """

    lines: tuple[Line, ...]
    head: Line = ()
    links: Mapping[int, Link] = field(default_factory=dict)
    pointed: bool = False


class PageWriter:
    """Collects lines and where they lead."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.links: dict[int, Link] = {}

    def add(self, lines: Iterable[Line], link: Link | None = None) -> None:
        """Add lines that all lead to the same place."""
        for line in lines:
            if link is not None:
                self.links[len(self.lines)] = link
            self.lines.append(line)

    def gap(self) -> None:
        """An empty line, unless there is one already or nothing above it."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def page(self, head: Line = (), cells: int | None = None) -> Page:
        """What was written, cut to `cells` when given; its lines can be chosen when any leads somewhere."""
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        lines = self.lines if cells is None else [clip(line, cells) for line in self.lines]
        return Page(tuple(lines), head, self.links, bool(self.links))


def fact(label: str, *spans: Span) -> Line:
    """A label and what it says, on one line."""
    return ((" " + fit(label, LABEL - 1), "dim"), *spans)


def prose(label: str, text: str, cells: int, style: str = "text", most: int = 0) -> list[Line]:
    """A label and text in as many lines as it needs, at most `most` when given."""
    found = wrap(safe(text).strip() or "—", cells - LABEL - 1, style)
    if most and len(found) > most:
        found = [*found[: most - 1], ((f"{found[most - 1][0][0].rstrip()} …", style),)]
    return [fact(label if place == 0 else "", *line) for place, line in enumerate(found)]


def heading(text: str, note: str = "") -> Line:
    """The title of a part of a page."""
    return ((f" {text}", "heading"), (f"  {note}" if note else "", "dim"))


def counted(count: int | None, what: str) -> str:
    """`1 row`, `2,000 rows`; `—` for an unknown number of them."""
    return f"{amount(count)} {what}" + ("" if count == 1 else "s")


def fine(seconds: float | None) -> str:
    """Seconds with three digits where they are few: `22 µs`, `1.99 ms`, `250 ms`, `1:09`."""
    if seconds is None:
        return "—"
    for limit, unit, scale in ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (10.0, "s", 1.0)):
        if seconds < limit:
            value = seconds * scale
            digits = 0 if value >= 100 or unit == "µs" else 1 if value >= 10 else 2
            return f"{value:.{digits}f} {unit}"
    return duration(seconds)


def signed(look: Look, status: str) -> Span:
    """The sign of a status in its colour."""
    return look.sign(status), themes.style_of_status(status)


def change_style(relative: float | None, limit: float = 0.2) -> str:
    """Whether a relative change asks for attention."""
    return "warning" if relative is not None and abs(relative) > limit else "dim"


# Tables -----------------------------------------------------------------------------------------------

Cell = Line
"""What stands in a table's cell."""


def grid(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], right: frozenset[int] = frozenset()
) -> tuple[Line, list[Line]]:
    """The heading and the rows of a table with columns as wide as they need; `right` are at the right."""
    widths = [
        max(cell_len(title), *(width(row[place]) for row in rows), 1)
        if rows
        else max(cell_len(title), 1)
        for place, title in enumerate(titles)
    ]
    head = _row([((title, "heading"),) for title in titles], widths, right)
    return head, [_row(row, widths, right) for row in rows]


def _row(cells: Sequence[Cell], widths: Sequence[int], right: frozenset[int]) -> Line:
    spans: list[Span] = [(" ", "text")]
    for place, (cell, size) in enumerate(zip(cells, widths, strict=True)):
        gap = (" " * (size - width(cell)), "text")
        spans += [gap, *cell] if place in right else [*cell, gap]
        spans.append(("  ", "text"))
    return tuple(span for span in spans if span[0])


def cell_of(value: object) -> Cell:
    """A value of the data; what is missing shows as such."""
    if value is None:
        return (("NULL", "dim"),)
    if isinstance(value, str) and not value.strip():
        return ((f"'{value}'" if value.isprintable() else repr(value), "dim"),)
    text = safe_line(value)
    return ((text if cell_len(text) <= _CELL else fit(text, _CELL), "text"),)


def data_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[Line, list[Line]]:
    """Rows of data below their column names; numbers at the right."""
    full = [
        [row[place] if place < len(row) else None for place in range(len(columns))] for row in rows
    ]
    numbers = frozenset(
        place
        for place in range(len(columns))
        if any(row[place] is not None for row in full)
        and all(_is_number(row[place]) for row in full if row[place] is not None)
    )
    titles = [safe_line(name, _CELL) or "''" for name in columns]
    return grid(titles, [[cell_of(value) for value in row] for row in full], numbers)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
