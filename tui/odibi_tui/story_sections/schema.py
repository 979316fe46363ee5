"""Columns in and out side by side, and what the run before had."""

from __future__ import annotations

from collections.abc import Mapping

from odibi.safe_text import safe_line
from odibi_tui.paint import Line, fit
from odibi_tui.story_facts import Facts
from odibi_tui.story_page import Cell, Look, Page, grid

__all__ = ["merged", "page"]

_NAME, _TYPE = 28, 34


def merged(
    before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> list[tuple[str, str, str]]:
    """(column, its type before, its type after), in the order of `after`; what is gone keeps its place
    behind its neighbour. Empty text for a type where the column doesn't exist.
    """
    old, new = dict(before or {}), dict(after or {})
    names = list(new)
    place = 0
    for name in old:
        if name in new:
            place = names.index(name) + 1
        else:
            names.insert(place, name)
            place += 1
    return [(name, old.get(name, ""), new.get(name, "")) for name in names]


def page(facts: Facts, _look: Look) -> Page:
    """One row a column: how it came, how it goes, and since when."""
    node = facts.node
    came = dict(node.schema_in) if node.schema_in is not None else None
    goes = dict(node.schema_out) if node.schema_out is not None else None
    if came is None and goes is None:
        return Page((((" The columns aren't known yet.", "dim"),),))
    last = facts.behind.history[0] if facts.behind.history else None
    before = dict(last.schema) if last is not None and last.schema is not None else None
    known = {name: (old, new) for name, old, new in merged(came, goes)}
    gone = [name for name in before or {} if name not in known and goes is not None]
    rows = [
        _row(name, old, new, (came, goes, before))
        for name, (old, new) in [*known.items(), *((name, ("", "")) for name in gone)]
    ]
    titles = ["", "COLUMN", "IN", "OUT", "LAST GOOD RUN"]
    if before is None or goes is None:
        titles, rows = titles[:4], [row[:4] for row in rows]
    if came is None:
        titles, rows = [*titles[:2], *titles[3:]], [[*row[:2], *row[3:]] for row in rows]
    head, lines = grid(titles, rows)
    return Page((*lines, (), _legend()), head)


_Sides = tuple[Mapping[str, str] | None, Mapping[str, str] | None, Mapping[str, str] | None]


def _row(name: str, old: str, new: str, sides: _Sides) -> list[Cell]:
    came, goes, before = sides
    sign, style = " ", "text"
    if came is not None and goes is not None and old != new:
        sign, style = (
            ("+", "added") if not old else ("-", "removed") if not new else ("~", "changed")
        )
    if not old and not new:
        sign, style = " ", "dim"
    return [
        ((sign, style),),
        ((fit(safe_line(name), min(_NAME, max(len(safe_line(name)), 1))), style),),
        ((_kind(old), "dim" if old == new else style),),
        ((_kind(new), style),),
        _since(name, new, goes, before),
    ]


def _kind(text: str) -> str:
    kind = safe_line(text)
    return kind if len(kind) <= _TYPE else fit(kind, _TYPE)


def _since(
    name: str,
    new: str,
    goes: Mapping[str, str] | None,
    before: Mapping[str, str] | None,
) -> Cell:
    """What the column was when the node last went well."""
    if before is None or goes is None:
        return ()
    was = before.get(name)
    if was is None:
        return (("+ new", "added"),) if new else ()
    if not new:
        return ((f"- gone, was {_kind(was)}", "removed"),)
    return ((f"~ was {_kind(was)}", "changed"),) if was != new else (("=", "dim"),)


def _legend() -> Line:
    return (
        (" + ", "added"),
        ("added  ", "dim"),
        ("- ", "removed"),
        ("removed  ", "dim"),
        ("~ ", "changed"),
        ("another type", "dim"),
    )
