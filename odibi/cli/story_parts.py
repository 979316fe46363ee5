"""What pages about stories and runs are made of: harmless text, tables, errors, checks, amounts.

All text from data goes through `safe`; nothing here is rich markup.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from odibi.run_state import SYMBOLS
from odibi.safe_text import safe, safe_line
from odibi.story import (
    Check,
    Column,
    Error,
    NodeStory,
    SchemaChange,
)

__all__ = [
    "BAR",
    "Justify",
    "STYLES",
    "WIDE",
    "bar",
    "change",
    "check_line",
    "column_list",
    "count",
    "error_lines",
    "flexible",
    "group",
    "hanging",
    "indented",
    "more",
    "node_title",
    "of",
    "place",
    "schema_lines",
    "seconds",
    "signed",
    "size",
    "stdout",
    "table",
    "text",
    "when",
]

WIDE = 100  # columns from which there is room for bars
STYLES = {
    "planned": "dim",
    "queued": "dim",
    "running": "cyan",
    "retrying": "yellow",
    "succeeded": "green",
    "failed": "bold red",
    "skipped": "dim",
    "reused": "blue",
    "cancelled": "yellow",
    "lost": "red",
    "damaged": "bold red",
}
BAR = 16
Justify = Literal["left", "right"]
_SHADES = " ▏▎▍▌▋▊▉█"


def text(text: str = "", style: str = "") -> Text:
    """Text that came from anywhere, harmless: the only way into a page, with `more` and `flexible`."""
    return Text(safe(text), style)


def more(line: Text, text: str, style: str = "") -> Text:
    """The line with more text at its end."""
    return line.append(safe(text), style)


def group(parts: Iterable[RenderableType]) -> Group:
    """The parts one below the other; a line that begins with spaces keeps its indent when it wraps."""
    return Group(*map(hanging, parts))


def hanging(part: RenderableType) -> RenderableType:
    if not isinstance(part, Text):
        return part
    indent = len(part.plain) - len(part.plain.lstrip(" "))
    return Padding.indent(part[indent:], indent) if 0 < indent < len(part.plain) else part


def stdout() -> Console:
    """The terminal; a file or program gets lines that are wide enough to be whole."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 160
    return console


def signed(status: str, name: str) -> Text:
    """A name behind the sign of its status."""
    return text(f"{SYMBOLS.get(status, '?')} {safe_line(name)}", STYLES.get(status, ""))


def node_title(node: NodeStory) -> Text:
    title = signed(node.status, node.key)
    if node.error is not None and node.error.file and node.status == "failed":
        more(title, f"  {place(node.error)}", "dim")
    return title


def place(error: Error) -> str:
    numbers = "".join(f":{n}" for n in (error.line, error.column) if n is not None)
    return safe_line(error.file or "") + numbers


def error_lines(error: Error, *, sql: bool) -> list[Text]:
    lines = [text("  " + line) for line in safe(error.message).splitlines()]
    if error.hint:
        lines.append(text("  → " + safe_line(error.hint), "green"))
    if sql and error.sql:
        lines += [text("  │ " + line, "dim") for line in safe(error.sql).splitlines()]
    if sql and error.traceback:
        lines += [text("  " + line, "dim") for line in safe(error.traceback).splitlines()]
    return lines


def check_line(check: Check) -> Text:
    sign, style = ("  ✓ ", "green") if check.passed else ("  ✗ ", "yellow")
    line = more(text(sign, style), safe_line(check.check), "default")
    facts = [f"{check.phase}, on failure {check.on_fail}"]
    if check.failed_rows:
        facts.insert(0, f"{check.failed_rows:,}{of(check.failed_rows, check.total_rows)} rows")
    elif check.message and not check.passed:
        facts.insert(0, check.message)
    return more(line, "  " + safe_line(" · ".join(facts)), "dim")


def of(part: int, whole: int | None) -> str:
    """The words after `part`: of how many, and its share."""
    if not whole:
        return ""
    share = part / whole
    return f" of {whole:,} ({f'{share:.1%}' if share >= 0.001 or not part else '<0.1%'})"


def change(relative: float | None) -> Text:
    if relative is None or abs(relative) < 0.0005:
        return text("same" if relative is not None else "", "dim")
    return text(f"{relative:+.1%}", "yellow" if abs(relative) >= 0.5 else "")


def schema_lines(change: SchemaChange) -> list[Text]:
    lines = [text(f"  + {safe_line(c.name)} {safe_line(c.type)}", "green") for c in change.added]
    lines += [text(f"  - {safe_line(c.name)} {safe_line(c.type)}", "red") for c in change.removed]
    for column in change.retyped:
        types = f"{safe_line(column.before)} → {safe_line(column.after)}"
        lines.append(text(f"  ~ {safe_line(column.name)} {types}", "yellow"))
    return lines + ([text("  columns changed places", "dim")] if change.reordered else [])


def column_list(columns: Iterable[Column] | None) -> str:
    return ", ".join(f"{safe_line(c.name)} {safe_line(c.type)}" for c in columns or ())


def table(columns: Sequence[tuple[str, Justify]], flexible: str | None = None) -> Table:
    """A table without lines; only the last column named `flexible` gives way in a narrow terminal."""
    headed = any(name for name, _ in columns)
    table = Table(
        box=None, show_header=headed, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False
    )
    last = max((n for n, (name, _) in enumerate(columns) if name == flexible), default=None)
    for number, (name, justify) in enumerate(columns):
        # Rich takes room from columns that may wrap first; their cells themselves never do.
        table.add_column(text(name), justify=justify, no_wrap=number != last, overflow="ellipsis")
    return table


def flexible(text: str, style: str = "") -> Text:
    """A cell of the flexible column: cut, never wrapped."""
    return Text(safe_line(text), style, no_wrap=True, overflow="ellipsis")


def indented(content: RenderableType) -> Padding:
    return Padding.indent(content, 2)


def bar(value: float | None, longest: float, width: int = BAR) -> str:
    """A bar of eighths of a character, `width` characters at `longest`."""
    if not value or longest <= 0:
        return ""
    eighths = max(1, round(value / longest * width * 8))
    return "█" * (eighths // 8) + _SHADES[eighths % 8].strip()


def count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def when(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
