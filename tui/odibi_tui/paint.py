"""Lines of styled text: how panes say what they show, and the forms of numbers, times and bars."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size

from odibi.safe_text import safe

__all__ = [
    "Line",
    "Span",
    "amount",
    "bar",
    "clip",
    "clock",
    "columns",
    "duration",
    "fit",
    "harmless",
    "join",
    "joined",
    "percent",
    "plain",
    "rate",
    "rule",
    "size",
    "sparkline",
    "width",
    "wrap",
]

Span = tuple[str, str]
"""Text (safe, without line ends) and the name of its style in `theme.STYLES`."""

Line = tuple[Span, ...]
"""One line of a pane."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.,-=+*#"
_BLANK = str.maketrans("\n\t", "  ")


def plain(line: Line) -> str:
    """The text of a line without its styles."""
    return "".join(text for text, _ in line)


def width(line: Line) -> int:
    """The cells that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(text: str, cells: int, right: bool = False) -> str:
    """The text in exactly so many cells: padded, or cut with `…` where the end says least."""
    used = cell_len(text)
    if used > cells:
        return set_cell_size(text, max(cells - 1, 0)) + "…" if cells else ""
    return " " * (cells - used) + text if right else text + " " * (cells - used)


def clip(line: Line, cells: int) -> Line:
    """The line cut to so many cells."""
    kept: list[Span] = []
    for text, style in line:
        room = cells - width(tuple(kept))
        if room <= 0:
            break
        kept.append((text if cell_len(text) <= room else fit(text, room), style))
    return tuple(kept)


def join(left: Line, right: Line, cells: int) -> Line:
    """Two lines at the two ends of a row of so many cells; the left one gives way."""
    left = clip(left, max(cells - width(right) - 1, 0))
    gap = max(cells - width(left) - width(right), 0)
    return (*left, (" " * gap, "text"), *right)


def rule(title: Line, note: Line, cells: int, style: str = "rule") -> Line:
    """A title on a horizontal rule, with a note at its right end."""
    left: Line = (("─ ", style), *title, (" ", style)) if title else (("─", style),)
    right: Line = ((" ", style), *note, (" ─", style)) if note else ()
    left = clip(left, max(cells - width(right) - 1, 0))
    gap = max(cells - width(left) - width(right), 0)
    return (*left, ("─" * gap, style), *clip(right, cells))


def joined(line: Line) -> Line:
    """The line with neighbours of one style as one span: each span costs bytes on its way to the terminal."""
    spans: list[Span] = []
    for text, style in line:
        if spans and (spans[-1][1] == style):
            spans[-1] = (spans[-1][0] + text, style)
        elif text:
            spans.append((text, style))
    return tuple(spans)


def harmless(line: Line) -> Line:
    """The line without anything that a terminal would obey, should a pane have let something through."""
    if all(text.isprintable() for text, _ in line):
        return line
    return tuple((safe(text).translate(_BLANK), style) for text, style in line)


def columns(cells: Iterable[tuple[Line, int, bool]]) -> Line:
    """Lines side by side: each with its width in cells and whether it sits at the right."""
    spans: list[Span] = []
    for line, size_, right in cells:
        cut = clip(line, size_)
        gap = (" " * (size_ - width(cut)), "text")
        spans += [gap, *cut] if right else [*cut, gap]
        spans.append((" ", "text"))
    return tuple(spans)


def wrap(text: str, cells: int, style: str = "text", indent: str = "") -> list[Line]:
    """The text in lines of at most so many cells, broken at spaces where there are any."""
    room = max(cells - cell_len(indent), 8)
    lines: list[Line] = []
    for paragraph in text.splitlines() or [""]:
        current = ""
        for word in paragraph.split(" "):
            while cell_len(word) > room:
                head = set_cell_size(word, room).rstrip()
                if current:
                    lines.append(((indent + current, style),))
                    current = ""
                lines.append(((indent + head, style),))
                word = word[len(head) :]
            if current and cell_len(current) + 1 + cell_len(word) > room:
                lines.append(((indent + current, style),))
                current = word
            else:
                current = f"{current} {word}" if current else word
        lines.append(((indent + current, style),))
    return lines


def duration(seconds: float | None) -> str:
    """`0.4s`, `12s`, `1:09`, `1:02:03`; `—` when unknown."""
    if seconds is None:
        return "—"
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    if seconds < 59.5:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(count: float | None) -> str:
    """A count in at most seven characters: `88,120`, `1.71M`; `—` when unknown."""
    if count is None:
        return "—"
    if abs(count) < 1_000_000:
        return f"{count:,.0f}"
    for limit, sign in ((1e9, "M"), (1e12, "G"), (1e15, "T")):
        if abs(count) < limit:
            return f"{count / limit * 1000:.2f}{sign}"
    return f"{count:.1e}"


def size(count: float | None) -> str:
    """Bytes as `812 B`, `1.2 MiB`; `—` when unknown."""
    if count is None:
        return "—"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def rate(rows: float | None, seconds: float | None) -> str:
    """Rows a second as `9.1k/s`; empty when unknown."""
    if not rows or not seconds:
        return ""
    value = rows / seconds
    for sign in ("", "k", "M"):
        if value < 1000 or sign == "M":
            break
        value /= 1000
    return f"{value:.0f}{sign}/s" if value >= 100 or not sign else f"{value:.1f}{sign}/s"


def percent(before: float | None, after: float | None) -> str:
    """The change as `+2.1%`, `=` for none; empty when there is nothing to compare."""
    if not before or after is None:
        return ""
    change = (after - before) / before * 100
    if abs(change) < 0.05:
        return "="
    return f"{change:+.1f}%" if abs(change) < 1000 else f"{after / before:.0f}x"


def clock(at: datetime | None, date: bool = False) -> str:
    """Local time `23:15:02`, with `date` as `11-22 23:15`."""
    if at is None:
        return "—"
    return at.astimezone().strftime("%m-%d %H:%M" if date else "%H:%M:%S")


def bar(fraction: float, cells: int, ascii_only: bool = False) -> tuple[str, str]:
    """A progress bar as its filled and its empty part, together so many cells."""
    fraction = min(max(fraction, 0.0), 1.0)
    if ascii_only:
        full = int(fraction * cells)
        return "#" * full, "." * (cells - full)
    full, part = divmod(int(fraction * cells * 8), 8)
    filled = "█" * full + (_EIGHTHS[part] if part else "")
    return filled, "░" * (cells - len(filled))


def sparkline(values: Sequence[float | None], cells: int, ascii_only: bool = False) -> str:
    """The latest values (oldest first) as bars from zero to their maximum; a gap where unknown."""
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    shown = list(values)[-cells:]
    top = max((value for value in shown if value), default=0.0)
    return "".join(
        " " if value is None else levels[min(int(value / top * 7.999), 7) if top else 0]
        for value in shown
    )


def folded(text: str) -> str:
    """The text for comparing as people do: case and compatibility forms ignored."""
    return unicodedata.normalize("NFKC", text).casefold()
