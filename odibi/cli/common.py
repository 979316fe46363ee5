"""What several commands share: finding the project, their common options, plain tables and JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odibi.discovery import find_project, shown_path
from odibi.safe_text import safe, safe_line

if TYPE_CHECKING:
    from odibi.ledger import Ledger

__all__ = [
    "EngineOption",
    "EnvOption",
    "ExcludeOption",
    "JsonOption",
    "ProjectOption",
    "SelectOption",
    "VarOption",
    "find_project",
    "has_colour",
    "json_text",
    "open_ledger",
    "plural",
    "print_json",
    "say",
    "shown_path",
    "styled",
    "table",
    "terminal_width",
]


ProjectOption = Annotated[
    Path | None, typer.Option("--project", "-p", help="Project folder or YAML file.")
]
EnvOption = Annotated[str | None, typer.Option("--env", help="Environment of the YAML to apply.")]
EngineOption = Annotated[
    str | None, typer.Option("--engine", help="duckdb, pandas or spark, instead of the YAML's.")
]
VarOption = Annotated[list[str] | None, typer.Option("--var", help="Set a variable: name=value.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select", "-s", help="Nodes: names, globs, +up, down+, tag:, layer:, pipeline:, state:."
    ),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option("--exclude", "-x", help="Nodes to leave out.")
]


def open_ledger(path: Path | None) -> Ledger:
    """The ledger of the project at `path` (see `find_project`); the YAML itself isn't read."""
    from odibi.ledger import Ledger  # sqlite3, which most commands don't need

    return Ledger(find_project(path).resolve().parent)


def say(lines: Iterable[object]) -> None:
    """Print lines of text, which may come from data: nothing in them steers the terminal."""
    print("\n".join(safe(line) for line in lines))


def plural(count: int, noun: str) -> str:
    """`1 node`, `2 nodes`, `1,000 nodes`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def has_colour() -> bool:
    """Whether a person reads this on a terminal that shows colours, and wants them."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str) -> str:
    """Safe text, in a colour where there are colours."""
    return f"\x1b[{_STYLES[style]}m{safe(text)}\x1b[0m" if has_colour() else safe(text)


def terminal_width() -> int | None:
    """Columns of the terminal; None when output goes to a file or a program, which nothing may cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Collection[str] = (),
    keep: Collection[str] = (),
    width: int | None = None,
) -> list[str]:
    """Aligned lines, the headings first; columns named in `right` align right.

    With `width` (terminal columns) the widest columns are cut with `…` until a line fits, those named
    in `keep` last.
    """
    texts = [[safe_line(cell) for cell in row] for row in rows]
    kept = [name in keep for name in headings]
    sizes = _sizes([list(headings), *texts], kept, width)
    lines = [_line(headings, headings, sizes, right)]
    return lines + [_line(row, headings, sizes, right) for row in texts]


_GAP = 2
_NARROWEST = 6


def _sizes(rows: Sequence[Sequence[str]], kept: Sequence[bool], width: int | None) -> list[int]:
    from rich.cells import cell_len

    sizes = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    if width is None:
        return sizes
    sizes = [min(size, width) for size in sizes]
    room = width - _GAP * (len(sizes) - 1)
    while sum(sizes) > room and max(sizes) > _NARROWEST:
        free = [i for i, size in enumerate(sizes) if size > _NARROWEST and not kept[i]]
        widest = max(free or range(len(sizes)), key=sizes.__getitem__)
        sizes[widest] -= 1
    return sizes


def _line(
    cells: Sequence[str], headings: Sequence[str], sizes: Sequence[int], right: Collection[str]
) -> str:
    fitted = [
        _fit(cell, size, name in right)
        for cell, name, size in zip(cells, headings, sizes, strict=True)
    ]
    return (" " * _GAP).join(fitted).rstrip()


def _fit(text: str, size: int, right: bool) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > size:
        text = set_cell_size(text, size - 1).rstrip() + "…"
    padding = " " * (size - cell_len(text))
    return padding + text if right else text + padding


# JSON text goes to terminals too: what `safe` would drop is escaped, so the value stays the same
_STEERING = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def json_text(value: Any, indent: int | None = 2) -> str:
    """The value as JSON, readable, with nothing in it that a terminal would obey."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return _STEERING.sub(lambda match: json.dumps(match[0])[1:-1], text)


def print_json(value: Any) -> None:
    """Print the value as JSON, for programs."""
    print(json_text(value))
