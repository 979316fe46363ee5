"""The result column by column: nulls, distinct values, range, frequent values, histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odibi.safe_text import safe_line
from odibi_tui.paint import amount, fit
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Cell, Look, Page, grid

__all__ = ["histogram", "page"]

_LEVELS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.,-=+*#"


def page(facts: Facts, look: Look) -> Page:
    """A row a column of the result."""
    profile = facts.node.profile
    if profile is None:
        if facts.failed:
            return Page((((" Not profiled: it has no result.", "dim"),),))
        said = " Not profiled: runs with `--profile off`, and views, aren't."
        return Page((((said if facts.node.done else " Not profiled yet.", "dim"),),))
    counts = facts.node.counts
    rows = counts.rows_out if counts else None
    titles = ("COLUMN", "TYPE", "NULLS", "", "DISTINCT", "MIN", "MAX", "VALUES")
    table = [_row(column, rows, profile.full, look) for column in profile.columns]
    head, lines = grid(titles, table, frozenset({2, 3, 4}))
    about = "" if profile.full else f" ~ and values: of {amount(profile.sampled)} sampled rows"
    return Page((*lines, (), ((about, "dim"),)) if about else tuple(lines), head)


def _row(column: Mapping[str, Any], rows: int | None, full: bool, look: Look) -> list[Cell]:
    nulls, distinct = column.get("nulls"), column.get("distinct")
    share = f"{nulls / rows:.0%}" if nulls and rows else ""
    about, edge = "" if full else "~", 19 if look.cells >= 110 else 12
    return [
        ((_short(column.get("name"), 28), "text"),),
        ((_short(column.get("type"), 20), "dim"),),
        ((amount(nulls), "warning" if nulls else "dim"),),
        ((share, "warning"),),
        ((f"{about}{amount(distinct)}" if distinct is not None else "—", "text"),),
        ((_short(column.get("minimum"), edge), "text"),),
        ((_short(column.get("maximum"), edge), "text"),),
        _values(column, look),
    ]


def _short(value: object, cells: int) -> str:
    text = safe_line(value) if value is not None else "—"
    return text if len(text) <= cells else fit(text, cells)


def _values(column: Mapping[str, Any], look: Look) -> Cell:
    """A histogram of numbers, else the most frequent values with how often each was seen."""
    bins = column.get("histogram") or ()
    if bins:
        return ((histogram([count for _, _, count in bins], look.ascii), "running"),)
    top = column.get("top") or ()
    if not top or all(count == 1 for _, count in top):
        return (("all different", "dim"),) if top else ()
    spans: list[tuple[str, str]] = []
    for value, count in top[:5]:
        spans += [(_short(value, 16), "text"), (f" {amount(count)}×  ", "dim")]
    return tuple(spans)


def histogram(counts: list[int], ascii_only: bool = False) -> str:
    """One block a bin, its height the count; an empty bin is a blank."""
    levels, most = _ASCII_LEVELS if ascii_only else _LEVELS, max(counts, default=0)
    return "".join(
        levels[min(-(-count * len(levels) // most), len(levels)) - 1] if count > 0 else " "
        for count in counts
    )
