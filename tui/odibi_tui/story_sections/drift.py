"""The node against its runs before: rows, seconds, columns, nulls, and the SQL that changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from odibi.run_state import NodeState
from odibi.safe_text import safe, safe_line
from odibi_tui.paint import Line, amount, bar, clock, fit, percent
from odibi_tui.story_facts import Facts, steps
from odibi_tui.story_page import Cell, Look, Page, PageWriter, fine, grid, heading
from odibi_tui.story_sections.summary import changes_since_good

__all__ = ["nulls_changed", "page", "text_diff"]

_SHOWN = 12


def page(facts: Facts, look: Look) -> Page:
    """This run above the successes before, then what differs from the latest of them."""
    history = facts.behind.history
    if not facts.behind.loaded:
        return Page((((" reading …", "dim"),),))
    if not history:
        return Page((((" Nothing to compare with: it never succeeded before.", "dim"),),))
    out = PageWriter()
    titles = ("RUN", "ROWS", "", "Δ", "TIME", "", "COLUMNS")
    table = [_this(facts, look), *_past(facts, look)]
    head, lines = grid(titles, table, frozenset({1, 3, 4}))
    out.add(lines[:1])
    for line, one in zip(lines[1:], history, strict=False):
        out.add([line], ("run", one.run_id))
    changed = changes_since_good(facts)
    if changed:
        out.gap()
        out.add([heading("changed since the last good run", clock(history[0].finished, date=True))])
        out.add((("   ", "text"), span) for span in changed)
    _nulls(out, facts)
    out.add(_sql(facts))
    return out.page(head)


def _this(facts: Facts, look: Look) -> list[Cell]:
    node, history = facts.node, facts.behind.history
    rows = node.counts.rows_out if node.counts else None
    most, longest = _scales(facts)
    return [
        (("this run", "bold"),),
        ((amount(rows), "bold"),),
        _bar(rows, most, look),
        ((percent(history[0].rows_out, rows), "text"),),
        ((fine(facts.seconds), "bold"),),
        _bar(facts.seconds, longest, look),
        _columns(node.schema_out, history[0].schema),
    ]


def _past(facts: Facts, look: Look) -> Iterator[list[Cell]]:
    history = facts.behind.history[:_SHOWN]
    most, longest = _scales(facts)
    for place, one in enumerate(history):
        before = facts.behind.history[place + 1] if place + 1 < len(facts.behind.history) else None
        yield [
            ((clock(one.finished, date=True), "dim"),),
            ((amount(one.rows_out), "text"),),
            _bar(one.rows_out, most, look),
            ((percent(before.rows_out, one.rows_out) if before else "", "dim"),),
            ((fine(one.seconds), "text"),),
            _bar(one.seconds, longest, look),
            _columns(one.schema, before.schema if before else one.schema),
        ]


def _scales(facts: Facts) -> tuple[float, float]:
    """The most rows and the most seconds that a bar has to show."""
    counts = facts.node.counts
    shown = facts.behind.history[:_SHOWN]
    rows = [one.rows_out or 0 for one in shown] + [(counts.rows_out or 0) if counts else 0]
    seconds = [one.seconds or 0.0 for one in shown] + [facts.seconds or 0.0]
    return max(rows), max(seconds)


def _bar(value: float | None, most: float, look: Look) -> Cell:
    cells = 10 if look.cells >= 70 else 5
    full, _ = bar(value / most if value and most else 0.0, cells, look.ascii)
    return ((fit(full, cells), "running"),)


def _columns(
    after: tuple[tuple[str, str], ...] | None, before: tuple[tuple[str, str], ...] | None
) -> Cell:
    if after is None:
        return (("—", "dim"),)
    if before is None or after == before:
        return ((f"{len(after)}", "dim"),)
    return ((f"{len(after)} changed", "warning"),)


def nulls_changed(before: NodeState | None, after: NodeState) -> list[tuple[str, float, float]]:
    """(column, share of nulls before, after) where it differs by more than a percent of the rows."""
    old, new = _nulls_of(before), _nulls_of(after)
    return [
        (name, old[name], share)
        for name, share in new.items()
        if name in old and abs(old[name] - share) > 0.01
    ]


def _nulls_of(node: NodeState | None) -> dict[str, float]:
    rows = node.counts.rows_out if node is not None and node.counts is not None else None
    if node is None or node.profile is None or not rows:
        return {}
    columns: tuple[Any, ...] = node.profile.columns
    return {
        str(column["name"]): column["nulls"] / rows
        for column in columns
        if column.get("nulls") is not None
    }


def _nulls(out: PageWriter, facts: Facts) -> None:
    changed = nulls_changed(facts.good, facts.node)
    if not changed:
        return
    out.gap()
    out.add([heading("nulls", "share of the rows, last good run → now")])
    rows: list[list[Cell]] = [
        [
            ((safe_line(name, 32), "text"),),
            ((f"{old:.1%}", "dim"),),
            (("→", "dim"),),
            ((f"{new:.1%}", "warning"),),
        ]
        for name, old, new in changed
    ]
    out.add(grid(("", "", "", ""), rows, frozenset({1, 3}))[1])


def _sql(facts: Facts) -> Iterator[Line]:
    """The steps whose SQL is another than in the latest good run, as differences."""
    old, new = steps(facts.good), steps(facts.node)
    for name, sql in new.items():
        if name in old and old[name] != sql:
            yield ()
            yield heading(f"SQL of {safe_line(name)}", "last good run → now")
            yield from text_diff(old[name], sql)


def text_diff(before: str, after: str) -> Iterator[Line]:
    """Lines that went and came, with those around them."""
    found = difflib.unified_diff(
        safe(before).expandtabs(4).splitlines(),
        safe(after).expandtabs(4).splitlines(),
        lineterm="",
        n=2,
    )
    styles = {"+": "added", "-": "removed", "@": "dim"}
    for number, line in enumerate(found):
        if number >= 2:  # the first two name files
            sign = line[:1]
            text = "…" if sign == "@" else f"{sign} {line[1:]}"
            yield ((f"   {text}", styles.get(sign, "text")),)
